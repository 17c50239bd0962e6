"""A host in a private network and the port of another service are refused at once: no fetcher is sent there."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from services.scheduler.reach import addresses_of
from shared.contracts import ConnectionTestRequested, FetchRequested, Refused
from shared.database import Db
from tests.integration.scheduler.builders import FORM, HOST, OTHER_HOST, PASSWORD, Desk, kinds

PRIVATE = ["10.0.0.1", "127.0.0.1", "0x7f.1", "2130706433", "0177.1", "::1", "169.254.169.254", "localhost", "db.local"]
ASKS = ["sftp_connector.create", "sftp_connector.test"]


def refusal(desk: Desk) -> Refused:
    (refused,) = desk.taken()
    assert isinstance(refused, Refused)
    return refused


@pytest.fixture
def closed_desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler that allows no private network."""
    return Desk(connections, allowed_networks=[])


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("ask", ASKS)
def test_a_host_that_means_a_private_address_is_refused(closed_desk: Desk, ask: str, host: str) -> None:
    closed_desk.ask(ask, **(FORM | {"host": host}))
    refused = refusal(closed_desk)
    assert refused.code == "address_blocked"
    assert [(error.field, error.code) for error in refused.errors] == [("host", "address_blocked")]
    assert closed_desk.value("select count(*) from connectors") == 0
    assert closed_desk.value("select count(*) from connection_tests") == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433"])
def test_a_network_that_is_allowed_is_no_private_one(connections: ConnectionPool[Db], host: str) -> None:
    desk = Desk(connections, allowed_networks=["127.0.0.0/8", "::1/128"])
    desk.ask("sftp_connector.test", **(FORM | {"host": host}))
    assert kinds(desk.taken()) == [ConnectionTestRequested]


@pytest.mark.parametrize("ask", ASKS)
def test_the_port_of_another_service_is_refused(desk: Desk, ask: str) -> None:
    desk.ask(ask, **(FORM | {"port": 5432}))
    refused = refusal(desk)
    assert refused.code == "invalid_fields"
    assert [(error.field, error.code) for error in refused.errors] == [("port", "port_blocked")]


@pytest.mark.parametrize(
    ("change", "code"), [({"host": "10.0.0.1"}, "address_blocked"), ({"port": 25}, "invalid_fields")], ids=str
)
def test_a_connector_is_not_moved_there_either(desk: Desk, change: dict[str, Any], code: str) -> None:
    connector_id = desk.created()
    before = desk.connector(connector_id)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), **change, password=PASSWORD)
    assert refusal(desk).code == code
    assert desk.connector(connector_id) == before


def test_what_does_not_move_is_not_checked_again(connections: ConnectionPool[Db]) -> None:
    # Given a connector in a network that is allowed no longer
    connector_id = Desk(connections).insert_connector(host=HOST)
    desk = Desk(connections, allowed_networks=[])
    desk.org_id = desk.value("select org_id from connectors")
    # When something else changes, then that is done
    desk.ask("sftp_connector.update", connector_id=str(connector_id), path="/other.csv")
    assert FetchRequested in kinds(desk.taken())
    # When it moves within that network, it is not
    desk.ask("sftp_connector.update", connector_id=str(connector_id), host=OTHER_HOST, password=PASSWORD)
    assert refusal(desk).code == "address_blocked"


def test_a_name_that_nobody_knows_is_left_to_the_fetcher(desk: Desk) -> None:
    desk.ask("sftp_connector.test", **(FORM | {"host": "no-such-host.invalid"}))
    assert kinds(desk.taken()) == [ConnectionTestRequested]


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A name service that never answers, and the names that it was asked for."""
    asked: list[Any] = []
    over = threading.Event()

    def never_answers(host: Any, *_others: Any, **_more: Any) -> list[Any]:
        asked.append(host)
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never_answers)
    yield asked
    over.set()


@pytest.mark.usefixtures("hanging")
def test_a_name_service_that_hangs_is_waited_for_half_a_second() -> None:
    began = time.monotonic()
    assert addresses_of("slow.example.com") == []
    assert 0.4 < time.monotonic() - began < 1.5


def test_tests_that_are_too_many_are_refused_without_a_word_to_the_name_service(
    connections: ConnectionPool[Db], hanging: list[Any]
) -> None:
    desk = Desk(connections, max_open_tests=1)
    names = [f"slow{number}.example.com" for number in range(3)]
    for name in names:
        desk.ask("sftp_connector.test", **(FORM | {"host": name}))
    assert kinds(desk.taken()) == [ConnectionTestRequested, Refused, Refused]
    assert hanging == names[:1]
