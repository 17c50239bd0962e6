"""What a cell's text means: each function is pure and returns None where the text means nothing of its kind."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from itertools import repeat
from uuid import UUID

from stdnum.exceptions import ValidationError
from stdnum.fr import siren as _siren
from stdnum.fr import siret as _siret

from services.importer.core.formulas import restored
from shared.mapping import unaccented

# White space and characters that print nothing, which exports leave around values.
_INVISIBLE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2800\u3164\ufeff"
)
_WORDS = ("n/a", "#n/a", "n.a.", "null", "(null)", "<null>", "none", "(none)", "undefined", "#null!", "#ref!")
_ERRORS = ("#VALUE!", "#NAME?", "#DIV/0!", "#NUM!")
# Each with what it says, which is nothing.
_PLACEHOLDERS = dict.fromkeys(
    (
        *(spelling for word in _WORDS for spelling in (word, word.upper(), word.capitalize(), word.title())),
        *("", "\\N", "-", "--", "---", "\u2013", "\u2014", *_ERRORS),
        # "Nan" and "Nil" are given names, so only the spellings of programs count.
        *("nan", "NaN", "NAN", "nil", "NIL"),
    )
)
_AUTHORITY = re.compile(r"(?:(?:https?:)?//)?+([^/?#\\:]*+)(?::[0-9]*+)?(?:[/?#\\]|\Z)")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}+(?<!-)")
_HOST = re.compile(rf"(?:{_LABEL.pattern}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{0,58}}[a-z0-9])")
_LOCAL_PART = re.compile(r"""[^\s@"(),:;<>\[\]\\]{1,64}""")
_DIGITS = re.compile(r"[0-9]+")
_NOT_WORD = re.compile(r"[\W_]+")
_SEPARATORS = str.maketrans("", "", " .-\u00a0\u202f\t")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_KEY_BYTES = 500


def text(cell: str) -> str | None:
    """Strip white space and invisible characters from both ends; placeholders such as `N/A` are no text."""
    return texts((cell,))[0]


def texts(cells: Sequence[str]) -> list[str | None]:
    """The `text` of each cell of a column, which costs little where most cells are texts as they are."""
    column = "\n".join(cells)
    # In ASCII, what is invisible is white space.
    values = list(map(str.strip, cells) if column.isascii() else map(str.strip, cells, repeat(_INVISIBLE)))
    if "'" in column:
        values = [restored(value).strip(_INVISIBLE) if value[:1] == "'" else value for value in values]
    return list(map(_PLACEHOLDERS.get, values, values))


def name_key(name: str) -> str:
    """Fold a company name for comparison: compatibility forms (NFKC), letter case and repeated spaces."""
    if name.isascii():
        return " ".join(name.lower().split())
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def place_key(place: str) -> str:
    """Fold a city or an address: letters and digits in lower case without accents, single spaces; may be empty."""
    return _NOT_WORD.sub(" ", unaccented(place)).strip()


def postcode_key(postcode: str) -> str:
    """Fold a postcode: letters and digits only, leading zeros kept; may be empty."""
    return _NOT_WORD.sub("", unaccented(postcode))


def host(website: str) -> str | None:
    """Take the host out of a domain or an http(s) URL: lower case, without `www.`, port and path, IDN readable."""
    authority = _AUTHORITY.match(website.strip().lower())
    found = domain(authority[1]) if authority else None
    if found is None:
        return None
    bare = found.removeprefix("www.")
    return bare if "." in bare else found


def domain(name: str) -> str | None:
    """Check a domain name and write it in lower case with readable international labels; no addresses, no junk."""
    value = name.lower()
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value).replace("\u3002", ".").lower()
    value = value.removesuffix(".")
    if len(value) > 253:
        return None
    if "xn--" not in value and _HOST.fullmatch(value):
        return value
    if value.isascii() and not _HOST.fullmatch(value):
        return None
    labels = [_readable(label) for label in value.split(".")]
    if len(labels) < 2 or not all(labels) or not any(map(str.isalpha, labels[-1] or "")):
        return None
    return ".".join(label for label in labels if label)


def _readable(label: str) -> str | None:
    """Decode an `xn--` label; None for a label that no domain name has."""
    if _LABEL.fullmatch(label) and not label.startswith("xn--"):
        return label
    if label.startswith("xn--"):
        try:
            decoded = label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            return None
        # A label that needs no encoding would be a second spelling of another company's name.
        label = "" if decoded.isascii() else unicodedata.normalize("NFKC", decoded).lower()
    if not 1 <= len(label) <= 63 or label[0] == "-" or label[-1] == "-":
        return None
    # Letters, marks (many scripts need them), decimal digits; combining marks never begin a label.
    kinds = ["-" if char == "-" else unicodedata.category(char) for char in label]
    fits = kinds[0][0] != "M" and all(kind[0] in "LM" or kind in ("Nd", "-") for kind in kinds)
    return label if fits else None


def email(address: str) -> str | None:
    """Check an e-mail address and write it in lower case; its domain stays as spelled."""
    value = address.strip().lower()
    local, at, name = value.rpartition("@")
    if not at or len(value) > 254 or not value.isprintable() or not _LOCAL_PART.fullmatch(local):
        return None
    return value if name[-1:] != "." and domain(name) is not None else None


def email_domain(address: str) -> str | None:
    """Name the domain of an address, as `domain` writes it."""
    return domain(address.rpartition("@")[2])


def siren(number: str) -> str | None:
    """Take the nine digits of a valid SIREN, or of a valid SIRET, which begins with its company's SIREN."""
    digits = number.translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (9, 14):
        return None
    # Nine zeros pass the check digit, and stand for "unknown" in exports.
    if digits.startswith("000000000"):
        return None
    try:
        return str(_siren.validate(digits)) if len(digits) == 9 else str(_siret.validate(digits))[:9]
    except ValidationError:
        return None


def phone_key(phone: str) -> str | None:
    """Fold a phone number for comparison: its digits, with `+` before a country's code; None without digits.

    National numbers stay national: which country they belong to cannot be told from the file.
    """
    digits = "".join(_DIGITS.findall(phone[:60].replace("(0)", "")))
    if phone.lstrip().startswith("+"):
        return f"+{digits}" if digits else None
    return f"+{digits[2:]}" if digits.startswith("00") and len(digits) > 9 else digits or None


def lead_id(value: str) -> UUID | None:
    """Read a UUID in its usual spelling of 36 characters."""
    return UUID(value) if _UUID.fullmatch(value) else None


def key(kind: str, value: str) -> str:
    """Join a kind and a value into a key of at most 500 bytes; a longer one becomes its SHA-256 after a `#`."""
    joined = f"{kind}:{value}"
    if len(joined) * 4 <= _MAX_KEY_BYTES or len(data := joined.encode()) <= _MAX_KEY_BYTES:
        return joined
    return f"{kind}#{hashlib.sha256(data).hexdigest()}"
