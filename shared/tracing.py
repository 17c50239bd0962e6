"""The trace that the work in hand is part of, from a UI event through rows and jobs to what is told.

No span is made here: what came is passed on, so a trace shows the UI's request and names every log line that it led to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

from shared.trace_context import Trace

_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """The trace of the work in hand."""
    return _current.get()


@contextmanager
def of(trace: Trace | None) -> Iterator[None]:
    """Within it the work is part of this trace, or of none, and its log lines say so."""
    token = _current.set(trace)
    try:
        with structlog.contextvars.bound_contextvars(trace_id=trace and trace.trace_id):
            if trace is None:
                structlog.contextvars.unbind_contextvars("trace_id")
            yield
    finally:
        _current.reset(token)


def carried(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the trace of the work in hand, unless it names one."""
    trace = current()
    if trace is None or message.get("traceparent"):
        return message
    return message | {"traceparent": trace.parent, "tracestate": trace.state}
