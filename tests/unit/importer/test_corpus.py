"""One small file for each quirk, with what a careful person would make of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.importer.core.record import Record, Refusal, Reject, Skipped
from services.importer.reading import open_file
from services.importer.text import FileRefused

CORPUS = Path(__file__).parents[2] / "data" / "csv"
FILES = sorted(CORPUS.glob("*.csv"))


def made_of(file: Path) -> dict[str, Any]:
    """What the importer makes of a file, in the words of the expectations."""
    opened = open_file(lambda: [file.read_bytes()])
    reading, table = opened.reading, opened.table
    if isinstance(table, Refusal):
        return {"refused": table.code}
    assert reading is not None
    outcomes = [*table.before, *table.records]
    warnings = [[note.line, note.code] for note in table.notes]
    for outcome in outcomes:
        if isinstance(outcome, Record) and outcome.flag:
            warnings.append([outcome.line, outcome.flag])
        if isinstance(outcome, Skipped) and outcome.code not in ("blank", "preamble"):
            warnings.append([outcome.line, outcome.code])
    return {
        "dialect": reading.model_dump(include={"encoding", "delimiter", "quote", "line_end", "header_line"}),
        "columns": list(table.header.names),
        "records": [list(outcome.cells) for outcome in outcomes if isinstance(outcome, Record)],
        "rejects": [[outcome.line, outcome.code] for outcome in outcomes if isinstance(outcome, Reject)],
        "warnings": warnings,
    }


def test_the_corpus_is_whole() -> None:
    assert len(FILES) >= 40
    assert {file.stem for file in FILES} == {
        file.name.removesuffix(".expected.json") for file in CORPUS.glob("*.expected.json")
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_is_read_as_a_careful_person_would(file: Path) -> None:
    expected = json.loads(file.with_suffix(".expected.json").read_text(encoding="utf-8"))

    try:
        found = made_of(file)
    except FileRefused as refused:
        found = {"refused": refused.refusal.code}

    # Several encodings may be right where they agree on every character of the file.
    if "dialect" in expected and isinstance(expected["dialect"]["encoding"], list):
        assert found["dialect"]["encoding"] in expected["dialect"].pop("encoding")
        del found["dialect"]["encoding"]
    assert found == expected
