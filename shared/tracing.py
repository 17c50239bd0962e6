"""The trace that the work in hand is part of, from a UI event through rows and jobs to what is told.

What came is passed on. Where spans are recorded (`shared.spans`), each piece of work is one, and what it leads to hangs
below it.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import structlog

from shared.trace_context import Trace, new_trace


class Recorder(Protocol):
    """Whoever records spans."""

    def span(self, name: str, parent: Trace | None, attributes: Mapping[str, str]) -> AbstractContextManager[Trace]:
        """A span below `parent`, or one that begins a trace; it is over when it is left."""

    def tell(self, attributes: Mapping[str, str]) -> None:
        """Add to the span in hand, if there is one."""


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
_recorder: Recorder | None = None


@contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """Within it this recorder records the spans of the whole process."""
    global _recorder  # noqa: PLW0603 - as a process has one log, it has one recorder
    _recorder = recorder
    try:
        yield
    finally:
        _recorder = None


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


@contextmanager
def work(name: str, trace: Trace | None, attributes: Mapping[str, str]) -> Iterator[None]:
    """As `of`, and a span of this name. The attributes are seen by whoever sees traces: no secret is among them."""
    if _recorder is None:
        with of(trace):
            yield
    else:
        with _recorder.span(name, trace, attributes) as here, of(here):
            yield


@contextmanager
def begun(name: str, *, sampled: bool) -> Iterator[None]:
    """Within it the work is part of the trace in hand, or of one that begins here and asks to be recorded or not."""
    if current() is not None:
        yield
    elif _recorder is None:
        with of(new_trace(sampled=sampled)):
            yield
    else:
        with work(name, None, {}):
            yield


def tell(**attributes: str | None) -> None:
    """Say with the span in hand how it went; the same holds for what may be said."""
    if _recorder is not None:
        _recorder.tell({name: value for name, value in attributes.items() if value is not None})


def carried(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the trace of the work in hand, unless it names one."""
    trace = current()
    if trace is None or message.get("traceparent"):
        return message
    return message | {"traceparent": trace.parent, "tracestate": trace.state}
