"""W3C trace context: what is valid is passed on as it is, everything else counts as left out, whatever it holds."""

import json
import re
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared import tracing
from shared.contracts import CloudEvent
from shared.trace_context import Trace, new_trace, parse

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"

hex_digits = st.sampled_from("0123456789abcdef")
trace_ids = st.text(hex_digits, min_size=32, max_size=32).filter(lambda text: text.strip("0"))
span_ids = st.text(hex_digits, min_size=16, max_size=16).filter(lambda text: text.strip("0"))
keys = st.from_regex(r"[a-z0-9][a-z0-9_*/@-]{0,20}", fullmatch=True)
values = st.from_regex(r"[ -+\--<>-~]{0,10}[!-+\--<>-~]", fullmatch=True)
anything = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text()))


def event(**attributes: Any) -> CloudEvent:
    return CloudEvent.model_validate_json(
        json.dumps({"id": "1", "source": "leadbay/ui", "type": "x", "data": {}} | attributes)
    )


class TestParents:
    @given(trace_ids, span_ids, st.sampled_from(["00", "01"]))
    def test_a_valid_one_is_taken_as_it_is(self, trace_id: str, span_id: str, flags: str) -> None:
        parent = f"00-{trace_id}-{span_id}-{flags}"
        trace = parse(parent)
        assert trace is not None
        assert (trace.parent, trace.trace_id, trace.state) == (parent, trace_id, "")

    @given(anything)
    def test_whatever_comes_what_is_taken_is_valid(self, value: object) -> None:
        trace = parse(value, value)
        assert trace is None or re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", trace.parent)

    @given(st.integers(0, 54), st.characters())
    def test_a_changed_character_makes_no_other_valid_text(self, at: int, character: str) -> None:
        trace = parse(PARENT[:at] + character + PARENT[at + 1 :])
        assert trace is None or re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", trace.parent)

    @pytest.mark.parametrize(
        "parent",
        [
            "",
            PARENT.upper(),
            PARENT + "\n",
            " " + PARENT,
            PARENT[:-1],
            PARENT + "0",
            PARENT + "-more",
            "ff" + PARENT[2:],
            f"00-{'0' * 32}-{SPAN_ID}-01",
            f"00-{TRACE_ID}-{'0' * 16}-01",
            f"00-{TRACE_ID}-{SPAN_ID}-xx",
            f"00_{TRACE_ID}-{SPAN_ID}-01",
            f"00-{'٤' * 32}-{SPAN_ID}-01",  # digits, but not ours
            "01" + PARENT[2:] + "more",
        ],
    )
    def test_what_is_not_valid_counts_as_left_out(self, parent: str) -> None:
        assert parse(parent, "a=b") is None

    @pytest.mark.parametrize("parent", ["01" + PARENT[2:], "cc" + PARENT[2:] + "-what-comes-later"])
    def test_a_later_version_is_understood_as_ours(self, parent: str) -> None:
        assert parse(parent) == Trace(PARENT)

    def test_flags_that_we_do_not_know_are_not_passed_on(self) -> None:
        assert parse(PARENT[:-2] + "ff") == Trace(PARENT)


class TestStates:
    @given(st.dictionaries(keys, values, min_size=1, max_size=8))
    def test_a_valid_one_is_taken_as_it_is(self, members: dict[str, str]) -> None:
        state = ",".join(f"{key}={value}" for key, value in members.items())
        assert parse(PARENT, state) == Trace(PARENT, state)

    def test_space_around_members_and_empty_ones_are_no_part_of_it(self) -> None:
        assert parse(PARENT, " a=1 ,\t, b@c=2") == Trace(PARENT, "a=1,b@c=2")

    @pytest.mark.parametrize(
        "state",
        [
            "a",
            "A=1",
            "a=1=2",
            "a=1,a=2",
            "a=\x07",
            "a=é",
            "a=1\n",
            "a=1;\r\nX: y",
            "=1",
            "a" * 257 + "=1",
            "a=" + "x" * 257,
            ",".join(f"k{number}=1" for number in range(33)),
            "a=" + "x" * 200 + ",b=" + "x" * 200 + ",c=" + "x" * 200,
            7,
            ["a=1"],
        ],
    )
    def test_one_that_is_not_valid_is_left_out_and_the_parent_stays(self, state: object) -> None:
        assert parse(PARENT, state) == Trace(PARENT)


class TestEvents:
    def test_an_event_names_its_trace_and_is_written_with_it(self) -> None:
        made = event(traceparent=PARENT, tracestate="a=1")
        assert made.trace == Trace(PARENT, "a=1")
        assert made.model_dump(mode="json").items() >= {"traceparent": PARENT, "tracestate": "a=1"}.items()

    @pytest.mark.parametrize("value", [None, 7, [], {}, "x", PARENT + "\n", "x" * 100_000])
    def test_a_hostile_one_makes_no_difference(self, value: object) -> None:
        made = event(traceparent=value, tracestate="a=1")
        assert made.trace is None
        assert made.model_dump(mode="json").keys() & {"traceparent", "tracestate"} == set()


class TestWorkInHand:
    def test_a_new_trace_is_valid_and_another_each_time(self) -> None:
        made = [new_trace(sampled=sampled) for sampled in (False, True)]
        assert [parse(trace.parent) for trace in made] == made
        assert [trace.parent[-2:] for trace in made] == ["00", "01"]
        assert made[0].trace_id != made[1].trace_id

    def test_log_lines_and_messages_carry_it_until_it_ends(self) -> None:
        trace, inner = Trace(PARENT, "a=1"), new_trace(sampled=False)
        with tracing.of(trace):
            assert structlog.contextvars.get_contextvars()["trace_id"] == TRACE_ID
            assert tracing.carried({"x": 1}) == {"x": 1, "traceparent": PARENT, "tracestate": "a=1"}
            # What names a trace keeps it
            assert tracing.carried({"traceparent": inner.parent}) == {"traceparent": inner.parent}
            with tracing.of(inner):
                assert tracing.current() == inner
            with tracing.of(None):
                assert tracing.carried({}) == {}
                assert "trace_id" not in structlog.contextvars.get_contextvars()
            assert tracing.current() == trace
        assert tracing.current() is None
        assert "trace_id" not in structlog.contextvars.get_contextvars()
