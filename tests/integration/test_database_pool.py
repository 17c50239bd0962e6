"""A pool of connections outlives the database's absence, and notices soon that it is back."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from psycopg_pool import ConnectionPool, PoolTimeout

from shared.database import Db, connect, pool
from tests.proxy import Proxy

AWAY_SECONDS = 8.0  # long enough for a pool that doubles its pauses to be in one of many seconds
SOON_SECONDS = 4.0
SIZE = 5


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """What stands before the database."""
    place = urlsplit(database_url)
    assert place.hostname is not None
    assert place.port is not None
    with Proxy((place.hostname, place.port)) as made:
        yield made


@pytest.fixture
def behind(database_url: str, proxy: Proxy) -> Iterator[ConnectionPool[Db]]:
    """A pool behind it."""
    url = database_url.replace(f":{urlsplit(database_url).port}/", f":{proxy.port}/")
    with pool(url, name="behind", size=SIZE) as connections:
        yield connections


def answers(connections: ConnectionPool[Db], *, timeout: float = 0.3) -> bool:
    """Whether a connection is to be had in time."""
    try:
        with connections.connection(timeout=timeout) as db:
            return db.execute("select 1").fetchone() is not None
    except PoolTimeout:
        return False


def go_away(proxy: Proxy) -> None:
    proxy.refuse = True
    proxy.reset()


@pytest.mark.slow
def test_a_database_that_was_away_is_used_again_soon(proxy: Proxy, behind: ConnectionPool[Db]) -> None:
    assert answers(behind)
    go_away(proxy)
    back = time.monotonic() + AWAY_SECONDS
    while time.monotonic() < back:
        assert not answers(behind)

    proxy.refuse = False

    healed = time.monotonic()
    while not answers(behind):
        assert time.monotonic() < healed + SOON_SECONDS, "the pool waits on"


@pytest.mark.slow
def test_whoever_waited_meanwhile_is_served_soon(proxy: Proxy, behind: ConnectionPool[Db]) -> None:
    assert answers(behind)
    go_away(proxy)
    with ThreadPoolExecutor(1) as waiting:
        answered = waiting.submit(answers, behind, timeout=30.0)
        time.sleep(AWAY_SECONDS)  # nobody else asks

        proxy.refuse = False

        assert answered.result(SOON_SECONDS)


def test_many_broken_connections_cost_no_more_than_one(behind: ConnectionPool[Db], database_url: str) -> None:
    # Given a pool that is full
    with ExitStack() as held:
        for _ in range(SIZE):
            held.enter_context(behind.connection())
    # When every session is ended
    with connect(database_url, name="operator") as db:
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sftp-connector-behind'"
        )

    assert answers(behind, timeout=1.0)


def test_what_was_sent_to_a_server_that_is_gone_is_not_waited_for_longer_than_a_minute(database_url: str) -> None:
    with connect(database_url, name="sent") as db, socket.socket(fileno=os.dup(db.pgconn.socket)) as found:
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
