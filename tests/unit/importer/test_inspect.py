"""`python -m services.importer.inspect` shows how files are read, to people and to programs."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services.importer import inspect

KEYS = [
    *("file", "status", "code", "reason", "encoding", "encoding_confidence", "delimiter", "quote", "escape"),
    *("line_end", "header_line", "columns", "records", "rejects", "warnings", "suggestion"),
]
TEXT = (
    "Export of 3 March\r\n"
    "Soci\u00e9t\u00e9;Site web;Statut\r\n"
    "L'\u00c9picerie;epicerie.fr;Gagn\u00e9\r\n"
    "Orl\u00e9ans SA;orleans.fr\r\n"
    "Beta;beta.fr;Perdu;x\r\n"
    "Caf\u00e9 de l'\u00c9glise;cafe.fr;Gagn\u00e9\r\n"
    "\r\n"
    'H\u00f4tel "Bel";hotel.fr;Perdu\r\n'
    "Total;;3\r\n"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "leads.csv"
    file.write_bytes(TEXT.encode("cp1252"))
    return file


def inspected(*arguments: object, out: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the reports by the names of their files."""
    code = inspect.main([*map(str, arguments), "--out-dir", str(out)])
    return code, {file.name.removesuffix(".json"): json.loads(file.read_text()) for file in out.glob("*.json")}


def rows(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text, strict=True))


def test_a_file_is_told_with_how_it_was_read_and_what_became_of_each_line(source: Path, tmp_path: Path) -> None:
    code, reports = inspected(source, out=tmp_path / "out")

    report = reports["leads.csv"]
    assert code == 0
    assert list(report) == KEYS
    assert (report["file"], report["status"], report["code"], report["reason"]) == ("leads.csv", "read", None, "")
    assert TEXT.encode("cp1252").decode(report["encoding"]) == TEXT
    assert 0 < report["encoding_confidence"] <= 100
    assert (report["delimiter"], report["quote"], report["escape"], report["line_end"]) == (";", '"', "", "CRLF")
    assert (report["header_line"], report["records"]) == (2, 4)
    assert report["columns"] == ["Soci\u00e9t\u00e9", "Site web", "Statut"]
    assert report["rejects"] == [{"line": 5, "code": "extra_cells"}]
    assert report["warnings"] == [
        {"line": 1, "code": "preamble"},
        {"line": 4, "code": "short_row"},
        {"line": 8, "code": "stray_quote"},
        {"line": 9, "code": "footer"},
    ]
    assert [field["target"] for field in report["suggestion"]["fields"]] == ["LEAD_NAME", "LEAD_WEBSITE", "LEAD_STATUS"]
    assert {found["raw"]: found["status"] for found in report["suggestion"]["statuses"]} == {
        "Gagn\u00e9": "WON",
        "Perdu": "LOST",
    }


def test_records_and_rejects_are_written_beside_the_report(source: Path, tmp_path: Path) -> None:
    inspected(source, out=tmp_path / "out")

    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("leads.csv.json", "leads.csv.records.csv", "leads.csv.rejects.csv"),
    ]
    assert rows(tmp_path / "out" / "leads.csv.records.csv") == [
        ["Soci\u00e9t\u00e9", "Site web", "Statut"],
        ["L'\u00c9picerie", "epicerie.fr", "Gagn\u00e9"],
        ["Orl\u00e9ans SA", "orleans.fr", ""],
        ["Caf\u00e9 de l'\u00c9glise", "cafe.fr", "Gagn\u00e9"],
        ['H\u00f4tel "Bel"', "hotel.fr", "Perdu"],
    ]
    head, rejected = rows(tmp_path / "out" / "leads.csv.rejects.csv")
    assert head == ["Soci\u00e9t\u00e9", "Site web", "Statut", "line", "code", "reason"]
    assert (rejected[:5], rejected[6:]) == (["Beta", "beta.fr", "Perdu", "5", "extra_cells"], ["x"])


def test_a_refused_file_has_a_code_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04...")

    code, reports = inspected(tmp_path / "book.csv", out=tmp_path / "out")

    report = reports["book.csv"]
    assert code == 1
    assert list(report) == KEYS
    assert (report["status"], report["code"], report["encoding"], report["header_line"]) == (
        *("refused", "not_text", None),
        None,
    )
    assert report["reason"]
    assert (report["columns"], report["records"], report["rejects"]) == ([], 0, [])
    assert {file.stat().st_size for file in (tmp_path / "out").glob("*.csv")} == {0}


def test_one_refused_file_costs_no_other_one(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()

    code, reports = inspected(tmp_path / "empty.csv", tmp_path / "none.csv", source, out=tmp_path / "out")

    assert code == 1
    assert {name: report["code"] for name, report in reports.items()} == {
        "empty.csv": "empty_file",
        "none.csv": "file_not_found",
        "leads.csv": None,
    }


def test_a_file_without_header_is_read_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_bytes(b"a@acme.fr,1\nb@beta.fr,2\n")

    code, reports = inspected(tmp_path / "bare.csv", out=tmp_path / "out")

    report = reports["bare.csv"]
    assert (code, report["status"], report["code"], report["header_line"]) == (0, "read", "no_header", None)
    assert (report["columns"], report["records"]) == (["#1", "#2"], 2)


def test_what_is_given_is_not_detected(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"Company,City|x\n'Acme|SA',Paris|y\n")

    _, reports = inspected(
        *(tmp_path / "x.csv", "--encoding", "cp1250", "--delimiter", "|", "--quote", "'"), out=tmp_path / "out"
    )

    report = reports["x.csv"]
    assert (report["encoding"], report["encoding_confidence"]) == ("cp1250", 100)
    assert (report["delimiter"], report["quote"], report["columns"]) == ("|", "'", ["Company,City", "x"])


def test_an_encoding_that_does_not_go_with_the_file_is_a_refusal_of_it(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"abc")

    code, reports = inspected(tmp_path / "x.csv", "--encoding", "utf-16-le", out=tmp_path / "out")

    assert (code, reports["x.csv"]["code"]) == (1, "decode_failed")


def test_a_file_that_breaks_behind_good_rows_leaves_none_of_them(tmp_path: Path) -> None:
    # Given rows enough to fill more than the sample, and half a character at the end
    file = tmp_path / "broken.csv"
    file.write_bytes(("Company,City\n" + "Acme,Paris\n" * 20_000).encode("utf-16-le") + b"x")

    code, reports = inspected(file, "--encoding", "utf-16-le", out=tmp_path / "out")

    report = reports["broken.csv"]
    assert (code, report["status"], report["code"], report["records"]) == (1, "refused", "decode_failed", 0)
    assert (tmp_path / "out" / "broken.csv.records.csv").read_bytes() == b""


@pytest.mark.parametrize(
    "wrong", [["--encoding", "klingon"], ["--delimiter", "\n"], ["--quote", "ab"], ["--encoding", "base64"]]
)
def test_wrong_words_are_told_and_nothing_is_read(
    source: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect.main([str(source), *wrong]) == 2
    out, told = capsys.readouterr()
    assert (out, told.startswith(f"{wrong[0]}: ")) == ("", True)


def test_no_file_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        inspect.main([])

    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_people_are_told_in_a_few_lines(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.main([str(source)]) == 0

    told = capsys.readouterr().out
    assert told.startswith("leads.csv: 4 records, 1 rejected, 4 warnings\n")
    assert "delimiter ';'" in told
    assert "header in line 2" in told
    assert "'Statut': LEAD_STATUS" in told
    assert told.endswith("  line 5: extra_cells\n")


def test_no_folder_is_made_without_being_asked_for(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect.main([str(source)])

    assert [file.name for file in source.parent.iterdir()] == ["leads.csv"]


def test_text_that_cannot_be_written_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(("Company,City\n" + "Caf\u00e9,\u00e9\u00e9\n" * 9).encode() + b"\xff,x\n")

    _, reports = inspected(tmp_path / "x.csv", out=tmp_path / "out")

    assert reports["x.csv"]["rejects"] == [{"line": 11, "code": "bad_text"}]


def test_it_is_a_command_for_many_files_at_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.csv" for number in range(500)]
    for number, file in enumerate(files):
        file.write_bytes(TEXT.encode(("utf-8", "cp1252", "utf-16")[number % 3]))

    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "services.importer.inspect", *map(str, files), "--out-dir", str(tmp_path / "out")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list((tmp_path / "out").iterdir())) == 1_500
    assert time.perf_counter() - began < 30  # measured: 4 s
