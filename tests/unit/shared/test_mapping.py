"""What keeps a mapping from being saved, told so that an admin can correct it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mapping import (
    LEAD_STATUSES,
    STANDARD_FIELDS,
    custom_ids,
    is_custom,
    listed,
    mapping_problems,
    shown,
    status_key,
    unaccented,
)

NAME = {"Company": "LEAD_NAME"}
CUSTOM = {"1": "Tier", "2": "Budget", "7": "Source"}


def problems(
    fields: dict[str, str] | None = None, statuses: dict[str, str] | None = None, default: str | None = None
) -> list[tuple[str, str]]:
    found = mapping_problems(NAME if fields is None else fields, statuses or {}, default, CUSTOM)
    return [(problem.field, problem.code) for problem in found]


def test_the_company_name_alone_is_a_mapping() -> None:
    assert problems() == []


def test_all_fields_and_statuses_at_once_are_a_mapping() -> None:
    fields = {f"column {field}": field for field in STANDARD_FIELDS} | {"a": "CUSTOM.1", "b": "CUSTOM.2"}
    statuses = {f"status {status}": status for status in LEAD_STATUSES}

    assert problems(fields, statuses, "WANTED") == []


def test_columns_of_a_file_without_a_header_are_mapped_by_position() -> None:
    assert problems({"#1": "LEAD_NAME", "#2": "CUSTOM.7", "#12": "EMAIL"}) == []
    assert problems({"#1": "LEAD_NAME", "#2": "LEAD_NAME"}) == [("fields.#2", "duplicate_target")]


@pytest.mark.parametrize(
    ("custom", "allowed"),
    [
        ({"7": "Tier", "12": "Budget\n"}, "The custom fields are CUSTOM.7 (Tier), CUSTOM.12 (Budget\\u000a)."),
        ({}, "The organisation has no custom field."),
    ],
)
def test_a_custom_field_of_nobody_is_refused_with_those_that_there_are(custom: dict[str, str], allowed: str) -> None:
    (problem,) = mapping_problems(NAME | {"X": "CUSTOM.8"}, {}, None, custom)

    assert (problem.field, problem.code) == ("fields.X", "unknown_custom_field")
    assert problem.message == f"CUSTOM.8 is none of the organisation's custom fields. {allowed}"


def test_an_unknown_target_is_refused_with_all_that_are_allowed() -> None:
    (problem,) = mapping_problems(NAME | {"X": "NOPE"}, {}, None, {"7": "Tier"})

    for target in STANDARD_FIELDS:
        assert target in problem.message
    assert problem.message.endswith(" or CUSTOM.7 (Tier).")


def test_the_custom_fields_of_a_mapping_are_those_that_its_targets_name() -> None:
    assert custom_ids(NAME | {"A": "CUSTOM.7", "B": "CUSTOM.7", "C": "CUSTOM.12", "CUSTOM.3": "EMAIL"}) == {"7", "12"}


def test_two_columns_may_feed_one_custom_field() -> None:
    assert problems(NAME | {"a": "CUSTOM.7", "b": "CUSTOM.7"}) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("fields", "company_name_not_mapped")),
        ({"City": "LEAD_LOCATION_CITY"}, ("fields", "company_name_not_mapped")),
        (NAME | {"Nom": "LEAD_NAME"}, ("fields.Nom", "duplicate_target")),
        (NAME | {"X": "LEAD_TURNOVER"}, ("fields.X", "unknown_target")),
        (NAME | {"X": "lead_website"}, ("fields.X", "unknown_target")),
        (NAME | {"X": ""}, ("fields.X", "unknown_target")),
        (NAME | {"X": "CUSTOM.x"}, ("fields.X", "unknown_target")),
        (NAME | {"  ": "LEAD_SIZE"}, ("fields", "blank_column")),
        (NAME | {"x" * 1001: "LEAD_SIZE"}, ("fields." + "x" * 59 + "\u2026", "name_too_long")),
        (NAME | {"a\0": "LEAD_SIZE"}, ("fields.a\\u0000", "bad_text")),
        (NAME | {"a\ud800": "LEAD_SIZE"}, ("fields.a\\ud800", "bad_text")),
        ({f"c{number}": f"CUSTOM.{number}" for number in range(501)}, ("fields", "too_many_columns")),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, str], expected: tuple[str, str]) -> None:
    assert problems(fields) == [expected]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"Client": "CLIENT"}, ("statuses.Client", "unknown_lead_status")),
        ({"Client": "won"}, ("statuses.Client", "unknown_lead_status")),
        ({"Gagn\u00e9": "WON", " GAGNE ": "LOST"}, ("statuses. GAGNE ", "ambiguous_status")),
        ({str(number): "WON" for number in range(2001)}, ("statuses", "too_many_statuses")),
        ({"x" * 1001: "WON"}, ("statuses." + "x" * 59 + "\u2026", "name_too_long")),
    ],
)
def test_a_wrong_status_is_named(statuses: dict[str, str], expected: tuple[str, str]) -> None:
    assert problems(statuses=statuses) == [expected]


def test_spellings_of_one_status_may_agree() -> None:
    assert problems(statuses={"Gagn\u00e9": "WON", "GAGNE": "WON", "gagne\u0301": "WON"}) == []


def test_a_default_that_is_no_lead_status_is_named() -> None:
    assert problems(default="CLIENT") == [("default_status", "unknown_lead_status")]
    assert [problems(default=status) for status in LEAD_STATUSES] == [[]] * len(LEAD_STATUSES)


def test_every_problem_is_told_at_once() -> None:
    assert len(problems({"A": "NOPE", "B": "NOPE"}, {"x": "NOPE"}, "NOPE")) == 5


@given(
    fields=st.dictionaries(st.text(), st.sampled_from(STANDARD_FIELDS) | st.text(max_size=12), max_size=6),
    statuses=st.dictionaries(st.text(), st.sampled_from(LEAD_STATUSES) | st.text(max_size=12), max_size=6),
    default=st.none() | st.text(max_size=12),
    custom=st.dictionaries(st.from_regex(r"[0-9]{1,19}", fullmatch=True), st.text(max_size=200), max_size=60),
)
def test_no_mapping_breaks_the_check_and_no_message_breaks_a_screen(
    fields: dict[str, str], statuses: dict[str, str], default: str | None, custom: dict[str, str]
) -> None:
    for problem in mapping_problems(fields, statuses, default, custom):
        assert problem.field.isprintable()
        assert problem.message.isprintable()
        assert problem.message.endswith(".")
        assert len(problem.field) <= 500


@pytest.mark.parametrize("target", ["CUSTOM.0", "CUSTOM.42", "CUSTOM.9999999999999999999"])
def test_a_custom_field_has_a_number(target: str) -> None:
    assert is_custom(target)


@pytest.mark.parametrize(
    "target", ["CUSTOM.", "CUSTOM.-1", "CUSTOM.1\n", "custom.1", "CUSTOM.\u0661", "CUSTOM." + "1" * 20]
)
def test_another_text_is_no_custom_field(target: str) -> None:
    assert not is_custom(target)


@pytest.mark.parametrize(
    "raw", ["Gagn\u00e9", "GAGN\u00c9", "  gagne\u0301 ", "gagne", "\uff27agn\u00e9", "Gagne\u00a0"]
)
def test_spellings_of_a_status_meet(raw: str) -> None:
    assert status_key(raw) == "gagne"


@given(text=st.text())
def test_folding_a_status_twice_is_folding_it_once(text: str) -> None:
    assert status_key(status_key(text)) == status_key(text)


@given(text=st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_is_only_lowered(text: str) -> None:
    assert unaccented(text) == text.lower()


@given(name=st.text())
def test_a_name_from_outside_is_shown_short_and_printable(name: str) -> None:
    assert shown(name).isprintable()
    assert len(shown(name)) <= 10 * 60
    if name.isprintable() and len(name) <= 60:
        assert shown(name) == name


def test_at_most_fifty_names_are_listed() -> None:
    names = [f"c{number}" for number in range(52)]

    assert listed(names[:2]) == "c0, c1"
    assert listed(names).endswith("c49 and 2 more")
