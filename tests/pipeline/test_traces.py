"""One trace shows an admin's request from the UI's event to the leads, through all three services."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.collector import Collector, Span
from tests.leaks import leaks
from tests.pipeline.world import PATH, World

LeadsCsv = Callable[..., bytes]
TRACE_ID, UI_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_the_spans_of_a_sync_hang_below_the_admin_s_click(world: World, leads_csv: LeadsCsv) -> None:
    with Collector() as collector:
        # Given services that send spans
        for name in ("scheduler", "fetcher", "importer"):
            service = world.stack.service(name, otlp_endpoint=collector.endpoint)
            service.set_environment(OTEL_BSP_SCHEDULE_DELAY="100")
            service.start()
        world.put(leads_csv(3))
        world.save_mapping()

        # When an admin connects, and the UI records the click
        created = ask_in_trace(world, "sftp_connector.create", world.form(path=PATH))
        done = world.ended(created)
        world.until(lambda: collector.named("ImportRequested") and collector.named("FetchRequested"), "the spans")
        world.until(lambda: collector.named("sftp_connector.create"), "the scheduler's span")

        # Then each piece of work hangs below what asked for it
        (asked,) = collector.named("sftp_connector.create")
        (fetched,) = collector.named("FetchRequested")
        (imported,) = collector.named("ImportRequested")
        assert [span.service for span in (asked, fetched, imported)] == [
            f"sftp-connector-{name}" for name in ("scheduler", "fetcher", "importer")
        ]
        assert [span.parent for span in (asked, fetched, imported)] == [UI_SPAN, asked.span_id, fetched.span_id]
        assert {span.trace_id for span in collector.spans} == {TRACE_ID}
        assert outcome(fetched) == ("changed", done["run_id"], done["connector_id"])
        assert outcome(imported) == ("succeeded", done["run_id"], done["connector_id"])
        # and the UI's next span hangs below the import
        (told,) = [event for event in world.ui.heard if event["type"] == "sftp_connector.sync_succeeded"]
        assert told["traceparent"] == f"00-{TRACE_ID}-{imported.span_id}-01"
        # and no secret is among it
        sent = b"".join(collector.bodies).decode(errors="replace")
        assert not list(leaks({"spans": sent}, {"password": world.password}))
        world.stack.stop()


def outcome(span: Span) -> tuple[str, str, str]:
    told = span.attributes
    return told.get("verdict") or told["outcome"], told["run_id"], told["connector_id"]


def ask_in_trace(world: World, event_type: str, data: dict[str, Any]) -> str:
    event = {
        "specversion": "1.0",
        "id": "a-click",
        "source": "leadbay/ui",
        "type": event_type,
        "traceparent": f"00-{TRACE_ID}-{UI_SPAN}-01",
        "data": {
            "organisation_id": str(world.ui.organisation_id),
            "user_id": str(UUID(int=1)),
            "role": "ADMIN",
            **data,
        },
    }
    world.ui.publish(event_type, json.dumps(event).encode())
    return "a-click"
