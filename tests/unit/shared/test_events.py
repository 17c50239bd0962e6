"""What comes in from the UI is read strictly, and what is parked of it holds no secret."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.events import masked, parse
from shared.contracts import SECRET_FIELDS
from shared.errors import BadMessage
from tests.conftest import PASSWORD

EVENT = {"specversion": "1.0", "id": "e-1", "source": "leadbay/ui", "type": "sftp_connector.pause", "data": {"a": 1}}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def body(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode()


def test_an_event_is_read() -> None:
    event = parse(body(time="2025-03-01T08:00:00Z", extension="ignored"))

    assert (event.id, event.source, event.type, event.data) == ("e-1", "leadbay/ui", "sftp_connector.pause", {"a": 1})


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b"[" * 100_000,
        body(data=PASSWORD),
        body(specversion=2),
        body(id=""),
    ],
)
def test_what_is_no_event_is_a_bad_message_that_does_not_quote_it(broken: bytes) -> None:
    with pytest.raises(BadMessage, match="not a CloudEvent") as caught:
        parse(broken)
    assert "canary" not in str(caught.value)


@given(noise=st.binary())
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    with pytest.raises(BadMessage):
        parse(noise)


@pytest.mark.parametrize("name", sorted(SECRET_FIELDS))
def test_a_secret_is_masked_at_any_depth(name: str) -> None:
    event = masked(body(data={name: PASSWORD, "host": "h", "more": [{name: [PASSWORD]}, {"deep": {name: PASSWORD}}]}))

    assert event["data"] == {name: "***", "host": "h", "more": [{name: "***"}, {"deep": {name: "***"}}]}


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"password": PASSWORD}),
        [json.dumps({"data": {"password": PASSWORD}})],
        {"Password": PASSWORD, "new_password": PASSWORD, "PASSPHRASE": PASSWORD},
        {"data_base64": PASSWORD},
        {"privateKey": PASSWORD, "private-key": PASSWORD, "Private Key": PASSWORD},
        {"key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{PASSWORD}"},
    ],
)
def test_a_secret_is_masked_also_where_a_broken_sender_puts_it(data: Any) -> None:
    assert "canary" not in json.dumps(masked(body(data=data)))


def test_what_is_no_json_is_not_kept_at_all() -> None:
    assert masked(b'{"password": "' + PASSWORD.encode()) is None
    assert masked(b"\xff") is None
    assert masked(b"[" * 100_000) is None


@given(value=JSON_VALUES)
def test_what_holds_no_secret_is_kept_as_it_is(value: Any) -> None:
    kept = masked(json.dumps(value).encode())

    assert kept == value
