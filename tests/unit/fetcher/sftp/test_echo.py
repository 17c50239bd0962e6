"""What a server says is never shown when it may repeat the secret that it was sent."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.sftp.echo import gives_away
from services.fetcher.sftp.failure import printable

SECRETS = st.text(string.ascii_letters + string.digits, min_size=4, max_size=40)


@given(before=st.integers(0, 210), secret=SECRETS, after=st.text(max_size=250))
def test_a_secret_is_noticed_wherever_it_stands_and_is_cut(before: int, secret: str, after: str) -> None:
    shown = printable("." * before + secret + after)

    assert gives_away(shown, secret) or set(shown) == {".", "…"}


@pytest.mark.parametrize(
    "said",
    [
        "wrong: s3cret-'hunter2'",
        "WRONG: S3CRET-'HUNTER2'",
        "wrong: 's3cret-\\'hunter2\\''",
        "wrong: s3cret?'hunter2'",
        "wrong: s3cret-, 'hunter2'",
    ],
)
def test_a_secret_in_another_case_or_in_quotes_is_noticed(said: str) -> None:
    assert gives_away(said, "s3cret-'hunter2'")


def test_a_secret_that_a_server_reads_in_another_encoding_is_noticed() -> None:
    said = b"wrong: caf\xe9-leads".decode("utf-8", "replace")
    assert gives_away(said, "café-leads")


@pytest.mark.parametrize("secret", ["", "abc", "a-b-c", "пароль"])
def test_next_to_a_secret_that_is_hard_to_find_nothing_is_shown(secret: str) -> None:
    assert gives_away("Too many authentication failures", secret)


@pytest.mark.parametrize("said", ["Too many authentication failures", "the server asks: Code", "the server asks: s3c"])
def test_other_words_are_shown(said: str) -> None:
    assert not gives_away(said, "s3cret-hunter2")
