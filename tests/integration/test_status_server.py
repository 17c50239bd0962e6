"""The web server for metrics and health, over real HTTP on the loopback address."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.metrics import Metrics
from shared.telemetry import Check, StatusServer


def passes() -> bool:
    return True


def fails() -> bool:
    return False


def breaks() -> bool:
    raise RuntimeError("canary: the driver's text")


@contextmanager
def serving(
    *,
    registry: CollectorRegistry | None = None,
    healthy: Mapping[str, Check] | None = None,
    ready: Mapping[str, Check] | None = None,
) -> Iterator[StatusServer]:
    server = StatusServer("127.0.0.1", 0, registry or CollectorRegistry(), healthy=healthy or {}, ready=ready or {})
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server: StatusServer, path: str) -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()
    finally:
        connection.close()


def status_of(server: StatusServer, path: str) -> tuple[int, Any]:
    status, _, body = get(server, path)
    return status, json.loads(body)


def test_a_service_whose_checks_pass_is_healthy_and_ready() -> None:
    with serving(healthy={"lane": passes}, ready={"database": passes}) as server:
        assert status_of(server, "/healthz") == (200, {"lane": True})
        assert status_of(server, "/readyz") == (200, {"lane": True, "database": True})


def test_a_service_without_its_database_is_healthy_but_not_ready() -> None:
    with serving(healthy={"lane": passes}, ready={"database": fails, "blobs": passes}) as server:
        assert status_of(server, "/healthz") == (200, {"lane": True})
        assert status_of(server, "/readyz") == (503, {"lane": True, "database": False, "blobs": True})


def test_a_service_with_a_dead_part_is_neither() -> None:
    with serving(healthy={"lane": fails}, ready={"database": passes}) as server:
        assert status_of(server, "/healthz") == (503, {"lane": False})
        assert status_of(server, "/readyz")[0] == 503


def test_a_check_that_raises_did_not_pass_and_shows_no_text() -> None:
    with serving(ready={"database": breaks}) as server:
        status, _, body = get(server, "/readyz")

    assert (status, json.loads(body)) == (503, {"database": False})
    assert b"canary" not in body


def test_checks_are_made_anew_for_each_request() -> None:
    answers = iter([False, True])

    with serving(ready={"database": lambda: next(answers)}) as server:
        assert [get(server, "/readyz")[0] for _ in range(2)] == [503, 200]


def test_metrics_are_served_in_the_format_of_prometheus() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things.", ["kind"], registry=registry).labels("x").inc(3)

    with serving(registry=registry) as server:
        status, kind, body = get(server, "/metrics")

    assert status == 200
    assert kind.startswith("text/plain")
    assert b'things_total{kind="x"} 3.0' in body


def test_all_our_metrics_are_served(metrics: Metrics) -> None:
    with serving(registry=metrics.registry) as server:
        body = get(server, "/metrics")[2].decode()

    helps = [line for line in body.splitlines() if line.startswith("# HELP ")]
    assert len([line for line in helps if "_created " not in line]) >= 15
    assert all(line.startswith("# HELP sftp_connector_") and line.endswith(".") for line in helps)


@pytest.mark.parametrize("path", ["/", "/healthz/", "/admin", "/%00", "/metricsx"])
def test_any_other_path_is_not_found(path: str) -> None:
    with serving(healthy={"lane": fails}) as server:
        assert get(server, path)[0] == 404


def test_a_slow_check_holds_up_no_other_request() -> None:
    release = threading.Event()
    slow: Callable[[], bool] = lambda: release.wait(10)  # noqa: E731 - one line says it

    with serving(ready={"slow": slow}) as server:
        waiting = threading.Thread(target=get, args=(server, "/readyz"))
        waiting.start()
        assert get(server, "/healthz")[0] == 200
        release.set()
        waiting.join(5)
        assert not waiting.is_alive()


def test_a_stopped_server_gives_its_port_back() -> None:
    with serving() as server:
        port = server.port

    again = StatusServer("127.0.0.1", port, CollectorRegistry(), healthy={}, ready={})
    again.start()
    again.stop()
    assert again.port == port
