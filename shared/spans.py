"""Sends spans to an OpenTelemetry collector, as OTLP over HTTP. The packages are an extra: import this only if needed.

What the collector wants beside its address, such as headers or a certificate, is read from OpenTelemetry's own
variables, OTEL_EXPORTER_OTLP_...
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import tracing
from shared.trace_context import Trace

_SEND_SECONDS = 5.0
_LAST_SECONDS = 2.0
_W3C = TraceContextTextMapPropagator()


@contextmanager
def exported(endpoint: str, service: str, *, sampled: bool) -> Iterator[None]:
    """Within it spans are recorded and sent; a collector that is away costs spans and nothing else.

    A trace that came with the work is recorded if it asks for it, one that begins here if it is to be `sampled`.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"sftp-connector-{service}"}),
        sampler=ParentBased(ALWAYS_ON if sampled else ALWAYS_OFF),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_SEND_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        with tracing.recorded(Spans(provider.get_tracer("sftp_connector"))):
            yield
    finally:
        # It waits half a minute for a collector that does not answer, and the grace period is not for that.
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(_LAST_SECONDS)
        if last.is_alive():
            exporter.shutdown()


class Spans:
    """A recorder. An exception is named and its text left out: it may quote a row, a key or a DSN."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: str, parent: Trace | None, attributes: Mapping[str, str]) -> Iterator[Trace]:
        """A span below `parent`, or one that begins a trace."""
        with self._tracer.start_as_current_span(
            name,
            context=_context(parent),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield _trace(span)
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def tell(self, attributes: Mapping[str, str]) -> None:
        """Add to the span in hand, if there is one."""
        get_current_span().set_attributes(attributes)


def _context(trace: Trace | None) -> Context:
    carrier = {"traceparent": trace.parent, "tracestate": trace.state} if trace else {}
    return _W3C.extract(carrier, Context())


def _trace(span: Span) -> Trace:
    at = span.get_span_context()
    ids = f"{format_trace_id(at.trace_id)}-{format_span_id(at.span_id)}"
    return Trace(f"00-{ids}-{at.trace_flags.sampled:02x}", at.trace_state.to_header())
