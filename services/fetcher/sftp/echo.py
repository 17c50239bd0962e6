"""Tells whether a server, which was sent a secret, repeats it in its words."""

_LEAST_CHARACTERS = 4


def gives_away(shown: str, secret: str) -> bool:
    """Whether words of a server, as they are shown, may hold the secret.

    Only letters and digits of ASCII count, so that no case, quote or wrong encoding hides it. A secret with less than
    four of them is never known to be absent. Of words that were cut, the end may be its beginning.
    """
    said, sought = _letters(shown), _letters(secret)
    begun = shown.endswith("…") and any(said.endswith(sought[:size]) for size in range(1, len(sought)))
    return len(sought) < _LEAST_CHARACTERS or sought in said or begun


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isalnum()).lower()
