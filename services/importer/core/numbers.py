"""Reads numbers and prices of columns that write decimals with a point or a comma; pure, linear and bounded."""

import re
from typing import Literal, NamedTuple

from services.importer.core.doubt import Doubt

_LONGEST = 100  # characters of a cell
_WHOLE_DIGITS = 30
_FRACTION_DIGITS = 15
_MAX_EXPONENT = 30

_NOT_UNDERSTOOD = Doubt(
    "number_not_understood",
    "This is not a number as this column writes numbers. Write digits with one kind of decimal separator, such as"
    " 1234.5, and no words or units.",
)
_AMBIGUOUS = Doubt(
    "number_ambiguous",
    "The comma or point of this number may mark thousands or decimals, and no other cell of the column tells which."
    " Export numbers without thousands separators, or with a fixed number of decimals other than three.",
)
_TOO_LARGE = Doubt(
    "number_too_large",
    f"This number has more than {_WHOLE_DIGITS} digits before the decimal separator or {_FRACTION_DIGITS} after it."
    " Round it, or map the column to a text field.",
)
_NOT_A_PRICE = Doubt(
    "number_not_understood",
    "This is not a price as this column writes prices. Write one amount such as 1234.50, with at most a currency"
    " sign or code beside it.",
)
_OTHER_CURRENCY = Doubt(
    "currency_differs",
    "This price is in another currency than the custom field. Convert it, or map the column to a field of that"
    " currency.",
)

# What stands around the digits, and the sign that it means.
_SIGNS = {"0": "", "+0": "", "-0": "-", "0-": "-", "(0)": "-"}
_PERCENT_SIGNS = {"0%": "", "+0%": "", "-0%": "-", "(0)%": "-", "(0%)": "-"}
_CODES = frozenset(
    code
    for codes in (
        "EUR USD GBP CHF CAD AUD JPY CNY SEK NOK DKK PLN CZK HUF",
        "AED BGN BRL HKD ILS INR KRW MAD MXN NZD RON SGD TND TRY ZAR",
    )
    for code in codes.split()
)
_CURRENCIES = {code: frozenset({code}) for code in _CODES} | {
    "": _CODES,
    "\u20ac": frozenset({"EUR"}),
    "\u00a3": frozenset({"GBP"}),
    "\u00a5": frozenset({"JPY", "CNY"}),
    "$": frozenset({"USD", "CAD", "AUD"}),
    **dict.fromkeys(("US$", "$US"), frozenset({"USD"})),
    **dict.fromkeys(("CA$", "$CA"), frozenset({"CAD"})),
    **dict.fromkeys(("AU$", "$AU"), frozenset({"AUD"})),
    "KR": frozenset({"SEK", "NOK", "DKK"}),
    "Z\u0141": frozenset({"PLN"}),
    "K\u010c": frozenset({"CZK"}),
    "FT": frozenset({"HUF"}),
}
_ONE_SPELLING = str.maketrans("\u00a0\u202f\u2009\u2019\u2212", "   '-")
_PARTS = re.compile(r"([^0-9.,]*+)([0-9.,][0-9., ']*)(?<=[0-9])(?:[eE]([+-]?[0-9]+))?([^0-9]*)")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([ '.,])[0-9]{3}(?:\1[0-9]{3})*")


class _Written(NamedTuple):
    """A cell in its parts; `sign` is empty or `-`, `currencies` are those that its marks may mean."""

    sign: str
    digits: str
    exponent: str | None
    currencies: frozenset[str]
    marked: bool
    percent: bool


class NumberProof:
    """Learns from the cells of one column, numbers or prices, which decimal separator they are written with."""

    __slots__ = ("_proven",)

    def __init__(self) -> None:
        self._proven: set[Literal[".", ","]] = set()

    def see(self, cell: str) -> None:
        """Take one cell into account; cells that are no numbers, or read alike either way, prove nothing."""
        if len(cell) > _LONGEST or ("," not in cell and "." not in cell):
            return
        written = _written(cell)
        if written is None:
            return
        point, comma = _split(written, "."), _split(written, ",")
        if point and not comma:
            self._proven.add(".")
        elif comma and not point:
            self._proven.add(",")

    def contradicted(self) -> bool:
        """Whether cells prove both separators, so that nothing will be proven any more."""
        return len(self._proven) > 1

    def proven(self) -> Literal[".", ","] | None:
        """The proven separator; None where no cell proves one, or where cells contradict each other."""
        return next(iter(self._proven)) if len(self._proven) == 1 else None


def number(cell: str, decimal: str | None) -> str | Doubt:
    """Write a number as `-`, digits, `.` and digits, as few of each as it needs; or say why it is left out.

    `decimal` is the column's separator, `.` or `,`; with None, only what reads one way is taken. A percent sign is
    dropped and the number kept as written. Codes: number_not_understood, number_ambiguous, number_too_large.
    """
    written = _written(cell)
    if written is None or written.marked:
        return _NOT_UNDERSTOOD
    return _value(written, decimal) or _NOT_UNDERSTOOD


def price(cell: str, decimal: str | None, currency: str | None) -> str | Doubt:
    """Write a price as `number` does, with at most a currency sign or code before it, after it, or both.

    `currency` is the field's ISO code in upper case; with None, any currency is taken. Codes: those of `number`, and
    currency_differs.
    """
    written = _written(cell)
    if written is None or written.percent:
        return _NOT_A_PRICE
    value = _value(written, decimal)
    if value is not None and written.marked and currency is not None and currency not in written.currencies:
        return _OTHER_CURRENCY
    return value or _NOT_A_PRICE


def _written(cell: str) -> _Written | None:
    if len(cell) > _LONGEST:
        return None
    parts = _PARTS.fullmatch(cell.strip().translate(_ONE_SPELLING))
    if parts is None:
        return None
    before, digits, exponent, after = parts.groups()
    left, right = before.strip(" +-("), after.strip(" -)%")
    frame = f"{before.replace(left, '', 1)}0{after.replace(right, '', 1)}".replace(" ", "")
    # Both marks must agree, as in "$12 CAD".
    currencies = _CURRENCIES.get(left.upper(), frozenset()) & _CURRENCIES.get(right.upper(), frozenset())
    sign = _SIGNS.get(frame, _PERCENT_SIGNS.get(frame))
    if sign is None or not currencies:
        return None
    return _Written(sign, digits, exponent, currencies, bool(left or right), "%" in frame)


def _value(written: _Written, decimal: str | None) -> str | Doubt | None:
    readings = [_split(written, mark) for mark in (decimal or ".,")]
    values = {_canonical(written, *split) for split in readings if split}
    if len(values) == 2:
        return _AMBIGUOUS
    return values.pop() if values else None


def _split(written: _Written, decimal: str) -> tuple[str, str] | None:
    """The digits before and after the decimal separator; None where the cell is no number of that spelling."""
    whole, mark, fraction = written.digits.partition(decimal)
    if mark and not fraction.isdigit():
        return None
    if whole.isdigit() or (mark and not whole):
        return whole, fraction
    # Programs that write an exponent write no thousands separators: 1,234E+05 has a decimal comma.
    if written.exponent is not None or not _GROUPED.fullmatch(whole):
        return None
    return "".join(char for char in whole if char.isdigit()), fraction


def _canonical(written: _Written, whole: str, fraction: str) -> str | Doubt:
    if written.exponent is not None:
        exponent = int(written.exponent)
        if abs(exponent) > _MAX_EXPONENT:
            return _TOO_LARGE
        whole, fraction = _shifted(whole, fraction, exponent)
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    if len(whole) > _WHOLE_DIGITS or len(fraction) > _FRACTION_DIGITS:
        return _TOO_LARGE
    value = f"{whole}.{fraction}" if fraction else whole
    return value if value == "0" else written.sign + value


def _shifted(whole: str, fraction: str, exponent: int) -> tuple[str, str]:
    """Move the decimal point to the right, or to the left where `exponent` is negative."""
    if exponent >= 0:
        fraction = fraction.ljust(exponent, "0")
        return whole + fraction[:exponent], fraction[exponent:]
    whole = whole.rjust(-exponent, "0")
    return whole[:exponent], whole[exponent:] + fraction
