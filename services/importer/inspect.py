"""Shows how files are read, for admins' support: `python -m services.importer.inspect FILE...`."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from services.importer.core.record import Record, Refusal, Reject, Skipped
from services.importer.core.suggest import Suggestion, suggest
from services.importer.core.table import Table
from services.importer.proposal import Samples
from services.importer.reading import open_file
from services.importer.reject_file import RejectFile
from services.importer.text import FileRefused
from shared.contracts import CsvOptions, Reading

_CHUNK = 1024 * 1024
_KEPT = 10_000
_NO_SUGGESTION = Suggestion((), ())


@dataclass(slots=True)
class Report:
    """What is told of one file."""

    file: str
    reading: Reading | None = None
    refusal: Refusal | None = None
    code: str | None = None
    columns: tuple[str, ...] = ()
    records: int = 0
    rejects: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    suggestion: Suggestion = _NO_SUGGESTION

    def as_json(self) -> dict[str, Any]:
        """The report for programs; stable keys."""
        reading = self.reading
        return {
            "file": self.file,
            "status": "refused" if self.refusal else "read",
            "code": self.refusal.code if self.refusal else self.code,
            "reason": self.refusal.reason if self.refusal else "",
            **{
                name: getattr(reading, name, None)
                for name in (
                    "encoding",
                    "encoding_confidence",
                    "delimiter",
                    "quote",
                    "escape",
                    "line_end",
                    "header_line",
                )
            },
            "columns": list(self.columns),
            "records": 0 if self.refusal else self.records,
            "rejects": [] if self.refusal else self.rejects,
            "warnings": [] if self.refusal else self.warnings,
            "suggestion": asdict(self.suggestion),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Inspect the files named; 0 when all could be read, 1 when one was refused, 2 for wrong words."""
    options = _parser().parse_args(arguments)
    try:
        overrides = CsvOptions(encoding=options.encoding, delimiter=options.delimiter, quote=options.quote)
    except ValidationError as error:
        sys.stderr.write("".join(f"--{problem['loc'][0]}: {problem['msg']}\n" for problem in error.errors()))
        return 2
    if options.out_dir:
        options.out_dir.mkdir(parents=True, exist_ok=True)
    refused = False
    for path in options.files:
        report = _inspect(path, overrides, options.out_dir)
        refused |= report.refusal is not None
        sys.stdout.write(_summary(report))
    return 1 if refused else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.importer.inspect", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--encoding", help="a codec's name, for example cp1252, instead of detecting it")
    parser.add_argument("--delimiter", help="what separates cells, instead of detecting it")
    parser.add_argument("--quote", help="what stands around cells, instead of detecting it; an empty word for nothing")
    parser.add_argument("--out-dir", type=Path, help="where records, rejects and a JSON report of each file go")
    return parser


def _inspect(path: Path, overrides: CsvOptions, out_dir: Path | None) -> Report:
    report, rejects = Report(path.name), b""
    with ExitStack() as files:
        accepted = files.enter_context(_open_for_writing(out_dir, path, "records.csv")) if out_dir else None
        try:
            opened = open_file(lambda: _bytes(path), overrides)
            report.reading = opened.reading
            if isinstance(opened.table, Refusal):
                report.refusal = opened.table
            else:
                rejected = files.enter_context(RejectFile(opened.table.header.names, _KEPT))
                _read(opened.table, report, rejected, accepted)
                rejects = b"".join(rejected.chunks())
        except FileRefused as refused:
            report.refusal = refused.refusal
        except OSError as error:
            report.refusal = Refusal("file_not_found", f"The file cannot be read: {error.strerror}.")
        if report.refusal and accepted:
            # What was read before the refusal would not have been imported.
            accepted.seek(0)
            accepted.truncate()
    if out_dir:
        (out_dir / f"{path.name}.rejects.csv").write_bytes(rejects)
        text = json.dumps(report.as_json(), ensure_ascii=False, indent=1)
        (out_dir / f"{path.name}.json").write_text(text, encoding="utf-8", errors="replace")
    return report


def _bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _open_for_writing(out_dir: Path, path: Path, ending: str) -> TextIO:
    return (out_dir / f"{path.name}.{ending}").open("w", encoding="utf-8", newline="", errors="replace")


def _read(table: Table, report: Report, rejected: RejectFile, accepted: TextIO | None) -> None:
    """Go through the table as an import would, and write down what becomes of each record."""
    names = report.columns = table.header.names
    report.code = "no_header" if table.header.line is None else None
    report.warnings += [{"line": note.line, "code": note.code} for note in table.notes]
    writer = csv.writer(accepted) if accepted else None
    if writer:
        writer.writerow(names)
    samples = Samples(names)
    for outcome in table.records:
        if isinstance(outcome, Record):
            report.records += 1
            samples.see(outcome.cells)
            _warn(report, outcome.line, outcome.flag)
            if writer:
                writer.writerow(outcome.cells)
        elif isinstance(outcome, Reject):
            rejected.add([outcome])
            if len(report.rejects) < _KEPT:
                report.rejects.append({"line": outcome.line, "code": outcome.code})
        elif isinstance(outcome, Skipped) and outcome.code != "blank":
            _warn(report, outcome.line, outcome.code)
    report.suggestion = suggest(samples.columns())


def _warn(report: Report, line: int, code: str) -> None:
    if code and len(report.warnings) < _KEPT:
        report.warnings.append({"line": line, "code": code})


def _summary(report: Report) -> str:
    """A few lines for people."""
    if report.refusal:
        return f"{report.file}: refused, {report.refusal.code}: {report.refusal.reason}\n"
    reading = report.reading
    assert reading is not None  # noqa: S101 - what was not refused was read
    header = "no header" if reading.header_line is None else f"header in line {reading.header_line}"
    lines = [
        f"{report.file}: {report.records} records, {len(report.rejects)} rejected, {len(report.warnings)} warnings",
        f"  {reading.encoding} ({reading.encoding_confidence} %), delimiter {reading.delimiter!r},"
        f" quote {reading.quote!r}, line ends {reading.line_end}, {header}",
    ]
    targets = {field.column: field for field in report.suggestion.fields}
    for name in report.columns:
        found = targets.get(name)
        told = f"{found.target} ({found.confidence} %, {found.evidence})" if found else "no suggestion"
        lines.append(f"  {name!r}: {told}")
    lines += [f"  line {reject['line']}: {reject['code']}" for reject in report.rejects[:20]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
