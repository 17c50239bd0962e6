"""A shortlist has enough to choose from, and nobody with thousands of files hides the others."""

from itertools import count
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.core.fairness import Candidate, Caps
from services.scheduler.core.shortlist import Shortlist

NUMBERS = count(1)
CROWDED, SMALL = UUID(int=1), UUID(int=2)
CAPS = Caps(per_server=2, per_organisation=3)


def candidate(org: UUID, server: str | None) -> Candidate:
    return Candidate(UUID(int=next(NUMBERS)), org, server)


crowds = st.lists(
    st.builds(candidate, st.sampled_from([CROWDED, SMALL]), st.none() | st.sampled_from("abcd")), max_size=80
)


def listed(crowd: list[Candidate], room: int = 5) -> Shortlist:
    shortlist = Shortlist(CAPS, room)
    for each in crowd:
        shortlist.add(each)
    return shortlist


def test_of_one_organisation_at_one_server_it_has_as_many_as_could_be_let_in() -> None:
    many, other = [candidate(CROWDED, "a") for _ in range(9)], candidate(SMALL, "a")

    shortlist = listed([*many, other])

    assert shortlist.candidates == [*many[:2], other]
    assert shortlist.closed_places == [(CROWDED, "a")]


def test_of_one_organisation_it_has_as_many_as_could_be_let_in_over_all_servers() -> None:
    shortlist = listed([candidate(CROWDED, server) for server in "abcdef"])

    assert [each.server for each in shortlist.candidates] == ["a", "b", "c"]
    assert shortlist.closed_orgs == [CROWDED]


def test_stored_files_need_no_server_and_fill_no_more_than_the_room() -> None:
    crowd = [candidate(CROWDED, None) for _ in range(9)]

    shortlist = listed([*crowd, candidate(CROWDED, "a")])

    assert len(shortlist.candidates) == 6
    assert (shortlist.closed_places, shortlist.closed_orgs) == ([(CROWDED, None)], [])


@given(crowds)
def test_what_is_closed_would_not_have_been_taken(crowd: list[Candidate]) -> None:
    shortlist = listed(crowd)
    before = list(shortlist.candidates)
    for org_id, server in shortlist.closed_places:
        shortlist.add(candidate(org_id, server))
    for org_id in shortlist.closed_orgs:
        shortlist.add(candidate(org_id, "somewhere else"))
    assert shortlist.candidates == before


@given(crowds)
def test_whoever_came_first_is_on_it_first(crowd: list[Candidate]) -> None:
    numbers = [each.connector_id for each in listed(crowd).candidates]
    assert numbers == sorted(numbers)
    assert not crowd or numbers[0] == crowd[0].connector_id
