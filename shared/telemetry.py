"""Logs as one JSON object a line, and the small web server for metrics and health."""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from shared.errors import describe

Check = Callable[[], bool]


def configure_logging(service: str, level: str) -> None:
    """Log to standard error; libraries' lines take the same form. Control characters cannot break a line."""
    stages: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.EventRenamer("message"),
        _exception_without_values,
        _named(service),
    ]
    renderer = structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=stages,
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*stages, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def _exception_without_values(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Type and frames, never the text of a library's exception: it may quote a row, a key or a DSN."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exc_info()[1]
    if not info or error is None:
        return event
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return event | {"exception": describe(error), "frames": frames}


def _named(service: str) -> Callable[..., Any]:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return event | {"service": service}

    return add


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: probes come every few seconds."""


class StatusServer:
    """Serves `/metrics`, `/healthz` (restart me if this fails) and `/readyz` (send me no work while this fails)."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        healthy: Mapping[str, Check],
        ready: Mapping[str, Check],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._checks = {"/healthz": healthy, "/readyz": {**healthy, **ready}}
        self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Silent)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start_response)
            return metrics
        checks = self._checks.get(path)
        if checks is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"try /metrics, /healthz or /readyz\n"]
        results = {name: passes(check) for name, check in checks.items()}
        status = "200 OK" if all(results.values()) else "503 Service Unavailable"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(results).encode()]


def passes(check: Check) -> bool:
    """Whether the check says so; one that raises does not pass."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the check did not pass
        structlog.get_logger().warning("health.check_failed", error=describe(error))
        return False
