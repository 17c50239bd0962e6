"""Spans go to a collector: each piece of work below what asked for it, without a secret, and at nobody's expense."""

import socket
import time
from collections.abc import Iterator

import pytest
import structlog

from shared import tracing
from shared.spans import exported
from shared.trace_context import Trace, parse
from tests.collector import Collector

SAMPLED = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "leadbay=1")
UNSAMPLED = Trace(SAMPLED.parent[:-1] + "0")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def test_work_is_a_span_and_what_it_leads_to_hangs_below_it(collector: Collector) -> None:
    with (
        exported(collector.endpoint, "fetcher", sampled=False),
        tracing.work("FetchRequested", SAMPLED, {"run_id": "r"}),
    ):
        tracing.tell(verdict="changed", code=None)
        passed_on = tracing.current()
        logged = structlog.contextvars.get_contextvars()["trace_id"]

    (span,) = collector.spans
    assert (span.service, span.name, span.failed) == ("sftp-connector-fetcher", "FetchRequested", "")
    assert (span.trace_id, span.parent) == (SAMPLED.trace_id, SAMPLED.parent[36:52])
    assert span.attributes == {"run_id": "r", "verdict": "changed"}
    assert passed_on == Trace(f"00-{span.trace_id}-{span.span_id}-01", SAMPLED.state)
    assert logged == SAMPLED.trace_id


def test_what_failed_is_named_and_its_text_left_out(collector: Collector) -> None:
    with (
        pytest.raises(ValueError, match="s3cret"),
        exported(collector.endpoint, "importer", sampled=False),
        tracing.work("ImportRequested", SAMPLED, {}),
    ):
        raise ValueError("s3cret of a customer")

    assert [span.failed for span in collector.spans] == ["ValueError"]
    assert b"s3cret" not in b"".join(collector.bodies)


@pytest.mark.parametrize("trace", [UNSAMPLED, None])
def test_what_does_not_ask_to_be_recorded_is_passed_on_and_not_sent(collector: Collector, trace: Trace | None) -> None:
    with exported(collector.endpoint, "scheduler", sampled=False), tracing.work("x", trace, {}):
        passed_on = tracing.current()

    assert collector.spans == []
    assert passed_on is not None
    assert parse(passed_on.parent) == passed_on
    assert passed_on.parent[-2:] == "00"
    assert trace is None or passed_on.trace_id == trace.trace_id


def test_a_trace_that_begins_here_is_recorded_if_it_is_to_be(collector: Collector) -> None:
    with exported(collector.endpoint, "scheduler", sampled=True):
        with tracing.begun("sync", sampled=True):
            first = tracing.current()
            with tracing.begun("sync", sampled=True):  # is part of it
                assert tracing.current() == first
        with tracing.work("x", UNSAMPLED, {}):
            pass

    (span,) = collector.spans
    assert (span.name, span.parent) == ("sync", "")
    assert first == Trace(f"00-{span.trace_id}-{span.span_id}-01")


@pytest.mark.slow
@pytest.mark.parametrize("answers", [False, True])
def test_a_collector_that_is_away_keeps_nobody_waiting(*, answers: bool) -> None:
    # Given a port that takes connections and says nothing, or one that takes none
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}/v1/traces"
        if not answers:
            server.close()
        begun = time.monotonic()
        with exported(endpoint, "fetcher", sampled=True):
            for _ in range(3000):  # more than are kept
                with tracing.work("x", None, {}):
                    pass
            worked = time.monotonic() - begun
        stopped = time.monotonic() - begun - worked

    assert worked < 2
    assert stopped < 3
