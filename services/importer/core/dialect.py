"""How a file separates and quotes its cells."""

import csv
import re
from dataclasses import dataclass

SEPARATOR = "\ufdd0"  # stands for a delimiter of several characters; Unicode keeps it for such use
_BACKSLASHED = re.compile(r"\\(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are separated and quoted; a doubled quote inside a quoted cell always stands for itself."""

    delimiter: str  # one character or more
    quote: str = '"'  # one character; "" when nothing is quoted
    escape: str = ""  # a backslash when it escapes, the quote when doubled ones were seen, "" when neither was
    spaced: bool = False  # spaces after a delimiter are no part of the cell

    def options(self) -> dict[str, object]:
        """The same for the csv module, in which SEPARATOR stands for a delimiter of several characters."""
        return {
            "delimiter": self.delimiter if len(self.delimiter) == 1 else SEPARATOR,
            "quotechar": self.quote or None,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "escapechar": "\\" if self.escape == "\\" else None,
            "skipinitialspace": self.spaced,
        }

    def prepared(self, line: str) -> str:
        """The line as the csv module can split it."""
        if len(self.delimiter) > 1:
            line = line.replace(SEPARATOR, "\ufffd").replace(self.delimiter, SEPARATOR)
        if self.escape == "\\":
            # The csv module would drop every backslash, also one that stands for itself as in `C:\temp` or `\N`.
            line = _BACKSLASHED.sub(self._kept_backslash, line)
        return line

    def _kept_backslash(self, found: re.Match[str]) -> str:
        escapes = found[1] in (self.quote, "\\", SEPARATOR) or found[1] == self.delimiter
        return found[0] if escapes else f"\\{found[0]}"

    def restored(self, cell: str) -> str:
        """A cell as it stands in the file."""
        return cell if len(self.delimiter) == 1 else cell.replace(SEPARATOR, self.delimiter)

    def quoted(self, cell: str) -> str:
        """A cell as it stands between quotes in the file."""
        inside = cell.replace("\\", "\\\\") if self.escape == "\\" else cell
        return f"{self.quote}{inside.replace(self.quote, (self.escape or self.quote) + self.quote)}{self.quote}"

    def original(self, line: str) -> str:
        """A prepared line, near to what stands in the file."""
        return self.restored(line)
