"""A sealed password opens at the one place it was sealed for, with the key it was sealed to, and nowhere else."""

import base64
import dataclasses
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey, SealedBox

from shared.errors import SecretUnreadable
from shared.sealing import Opener, Place, key_id, private_key, public_key, seal
from tests.conftest import PASSWORD

KEY = PrivateKey(bytes(range(32)))
OTHER_KEY = PrivateKey(bytes(range(1, 33)))
PLACE = Place(UUID(int=1), UUID(int=2), "sftp.acme.com", 22, "crm")
ELSEWHERE = [
    dataclasses.replace(PLACE, org_id=UUID(int=9)),
    dataclasses.replace(PLACE, subject_id=UUID(int=9)),
    dataclasses.replace(PLACE, host="sftp.evil.com"),
    dataclasses.replace(PLACE, port=2222),
    dataclasses.replace(PLACE, username="root"),
    # The same letters, cut at another point.
    dataclasses.replace(PLACE, host="sftp.acme.com2", port=2),
]


def opens(sealed: str, place: Place = PLACE, *keys: PrivateKey) -> str:
    return Opener(keys or [KEY]).open(sealed, place)


@given(secret=st.text())
def test_any_text_comes_back_as_it_was(secret: str) -> None:
    assert opens(seal(secret, PLACE, KEY.public_key)) == secret


@pytest.mark.parametrize(
    "secret", [PASSWORD, "", "\0\n\r\t\x1b[31m", '{"secret": "x"}', "p\u00e4\u00df\U0001f511", "x" * 1024]
)
def test_an_awkward_password_comes_back_as_it_was(secret: str) -> None:
    assert opens(seal(secret, PLACE, KEY.public_key)) == secret


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_copied_ciphertext_does_not_open_at_another_place(place: Place) -> None:
    sealed = seal(PASSWORD, PLACE, KEY.public_key)

    with pytest.raises(SecretUnreadable, match="another place"):
        opens(sealed, place)


@given(host=st.text(max_size=20), port=st.integers(1, 65535), username=st.text(max_size=20))
def test_no_other_place_opens_it(host: str, port: int, username: str) -> None:
    sealed = seal("secret", PLACE, KEY.public_key)
    place = dataclasses.replace(PLACE, host=host, port=port, username=username)

    if place == PLACE:
        assert opens(sealed, place) == "secret"
    else:
        with pytest.raises(SecretUnreadable):
            opens(sealed, place)


def test_a_key_that_is_not_configured_opens_nothing() -> None:
    sealed = seal(PASSWORD, PLACE, OTHER_KEY.public_key)

    with pytest.raises(SecretUnreadable, match="not configured"):
        opens(sealed, PLACE, KEY)


def test_a_ciphertext_that_names_a_key_which_did_not_seal_it_does_not_open() -> None:
    _, _, box = seal(PASSWORD, PLACE, OTHER_KEY.public_key).partition(".")

    with pytest.raises(SecretUnreadable, match="damaged"):
        opens(f"{key_id(KEY.public_key)}.{box}")


def test_old_and_new_secrets_open_while_keys_are_rotated() -> None:
    old, new = (seal(PASSWORD, PLACE, key.public_key) for key in (KEY, OTHER_KEY))

    assert [opens(sealed, PLACE, KEY, OTHER_KEY) for sealed in (old, new)] == [PASSWORD, PASSWORD]


@given(data=st.data())
def test_a_ciphertext_with_one_changed_byte_does_not_open(data: st.DataObject) -> None:
    name, _, box = seal("secret", PLACE, KEY.public_key).partition(".")
    raw = bytearray(base64.b64decode(box))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SecretUnreadable):
        opens(f"{name}.{base64.b64encode(raw).decode()}")


@given(text=st.text())
def test_text_that_was_never_sealed_is_unreadable(text: str) -> None:
    for sealed in (text, f"{key_id(KEY.public_key)}.{text}"):
        with pytest.raises(SecretUnreadable):
            opens(sealed)


@pytest.mark.parametrize("plain", [b"", b"p4ss", b"[]", b"null", b"{}", b'{"place": []}', b'{"secret": "x"}', b"\xff"])
def test_what_somebody_else_sealed_to_the_public_key_is_unreadable(plain: bytes) -> None:
    box = base64.b64encode(SealedBox(KEY.public_key).encrypt(plain)).decode()

    with pytest.raises(SecretUnreadable):
        opens(f"{key_id(KEY.public_key)}.{box}")


def test_the_same_password_never_looks_the_same_twice() -> None:
    assert seal(PASSWORD, PLACE, KEY.public_key) != seal(PASSWORD, PLACE, KEY.public_key)


def test_what_is_sealed_shows_neither_password_nor_place() -> None:
    name, _, box = seal(PASSWORD, PLACE, KEY.public_key).partition(".")

    assert name == key_id(KEY.public_key)
    for plain in ("canary", "acme", "crm"):
        assert plain.encode() not in base64.b64decode(box)


def test_an_error_tells_neither_password_nor_ciphertext() -> None:
    sealed = seal(PASSWORD, PLACE, KEY.public_key)

    with pytest.raises(SecretUnreadable) as caught:
        opens(sealed, ELSEWHERE[0])
    assert str(caught.value) == "sealed for another place"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_keys_are_read_from_base64() -> None:
    text = base64.b64encode(bytes(KEY)).decode()

    assert bytes(private_key(text)) == bytes(KEY)
    assert bytes(public_key(base64.b64encode(bytes(KEY.public_key)).decode())) == bytes(KEY.public_key)


@pytest.mark.parametrize("text", ["", "secret!", "c2hvcnQ=", base64.b64encode(bytes(33)).decode(), "\u00e9"])
def test_a_text_that_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    for read in (public_key, private_key):
        with pytest.raises(ValueError, match=r"a key is 32 bytes in base64|ASCII"):
            read(text)
