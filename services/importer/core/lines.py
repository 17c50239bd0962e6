"""Physical lines: split at LF, CRLF and CR only, because other separators of Unicode belong inside cells."""

import io


def split_lines(text: str) -> list[str]:
    """The text's lines with their ends; the last one may lack it."""
    return list(io.StringIO(text, newline=""))


def line_end(text: str) -> str:
    """The line ends of a text by name: LF, CRLF, CR, mixed, or none."""
    crlf = text.count("\r\n")
    counts = {"CRLF": crlf, "LF": text.count("\n") - crlf, "CR": text.count("\r") - crlf}
    found = [name for name, count in counts.items() if count]
    return found[0] if len(found) == 1 else "mixed" if found else "none"
