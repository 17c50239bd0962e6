"""Servers and organisations bear only so much: turns are fair, caps hold, and no room is left unused."""

from collections import Counter
from itertools import count
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.core.fairness import Candidate, Caps, admit

NUMBERS = count(1)
ORGS = [UUID(int=number) for number in range(1, 5)]
SERVERS = ["a", "b", "c", "192.0.2.7"]
ROOMY = Caps(per_server=1000, per_organisation=1000)


def candidate(org: UUID = ORGS[0], server: str | None = "a", *, asked: bool = False) -> Candidate:
    return Candidate(UUID(int=next(NUMBERS)), org, server, asked)


orgs, servers = st.sampled_from(ORGS), st.sampled_from(SERVERS)
crowds = st.lists(st.builds(candidate, orgs, st.none() | servers, asked=st.booleans()), max_size=60)
loads = st.dictionaries(servers, st.integers(0, 6)), st.dictionaries(orgs, st.integers(0, 6))
all_caps = st.builds(Caps, st.integers(1, 5), st.integers(1, 8))
rooms = st.integers(-3, 70)


def test_a_server_takes_as_many_as_it_bears_over_all_organisations() -> None:
    crowd = [candidate(org) for org in ORGS for _ in range(3)]

    assert len(admit(crowd, {"a": 1}, {}, Caps(per_server=4, per_organisation=20), 100)) == 3


def test_an_organisation_takes_as_many_as_it_may_over_all_servers() -> None:
    crowd = [candidate(server=server) for server in SERVERS for _ in range(3)]

    assert len(admit(crowd, {}, {ORGS[0]: 3}, Caps(per_server=4, per_organisation=5), 100)) == 2


def test_a_stored_file_needs_no_room_at_a_server() -> None:
    crowd = [candidate(server=None) for _ in range(9)]

    assert admit(crowd, {}, {ORGS[0]: 20}, Caps(1, 1), 100) == crowd


def test_organisations_take_turns_however_many_one_of_them_has() -> None:
    many = [candidate(ORGS[0]) for _ in range(50)]
    few = [candidate(ORGS[1]), candidate(ORGS[1])]

    assert admit([*many, *few], {}, {}, ROOMY, 4) == [many[0], few[0], many[1], few[1]]


def test_who_has_less_under_way_comes_first() -> None:
    busy, idle = candidate(ORGS[0]), candidate(ORGS[1])

    assert admit([busy, idle], {}, {ORGS[0]: 2, ORGS[1]: 1}, ROOMY, 1) == [idle]


def test_what_an_admin_waits_for_comes_before_what_is_due() -> None:
    due, asked = candidate(ORGS[0]), candidate(ORGS[1], asked=True)

    assert admit([due, asked], {}, {ORGS[1]: 50}, ROOMY, 1) == [asked]


def test_a_full_server_does_not_hold_up_what_stands_behind_it() -> None:
    stuck, free = candidate(server="a"), candidate(server="b")

    assert admit([stuck, free], {"a": 4}, {}, Caps(4, 20), 10) == [free]


@given(crowd=crowds, busy_servers=loads[0], busy_orgs=loads[1], caps=all_caps, room=rooms)
def test_caps_are_never_exceeded_and_nobody_is_taken_twice(
    crowd: list[Candidate], busy_servers: dict[str, int], busy_orgs: dict[UUID, int], caps: Caps, room: int
) -> None:
    admitted = admit(crowd, busy_servers, busy_orgs, caps, room)

    assert len(admitted) <= max(0, room)
    assert len(set(admitted)) == len(admitted)
    assert set(admitted) <= set(crowd)
    looks = [one for one in admitted if one.server is not None]
    for server, more in Counter(one.server for one in looks).items():
        assert busy_servers.get(str(server), 0) + more <= caps.per_server
    for org, more in Counter(one.org_id for one in looks).items():
        assert busy_orgs.get(org, 0) + more <= caps.per_organisation


@given(crowd=crowds, busy_servers=loads[0], busy_orgs=loads[1], caps=all_caps, room=rooms)
def test_nobody_for_whom_there_is_room_is_left_out(
    crowd: list[Candidate], busy_servers: dict[str, int], busy_orgs: dict[UUID, int], caps: Caps, room: int
) -> None:
    admitted = admit(crowd, busy_servers, busy_orgs, caps, room)
    if len(admitted) >= room:
        return
    looks = [one for one in admitted if one.server is not None]
    at_servers = Counter(busy_servers) + Counter(str(one.server) for one in looks)
    of_orgs = Counter(busy_orgs) + Counter(one.org_id for one in looks)
    for left in set(crowd) - set(admitted):
        assert left.server is not None
        assert at_servers[left.server] >= caps.per_server or of_orgs[left.org_id] >= caps.per_organisation


@given(crowd=crowds, busy_orgs=loads[1], room=rooms)
def test_each_organisation_gets_its_share(crowd: list[Candidate], busy_orgs: dict[UUID, int], room: int) -> None:
    crowd = [one for one in crowd if not one.asked]
    admitted = admit(crowd, {}, busy_orgs, ROOMY, room)
    share = Counter(busy_orgs) + Counter(one.org_id for one in admitted)
    hungry = {one.org_id for one in set(crowd) - set(admitted)}
    # Whoever got something has at most one more than whoever would have liked more.
    for org in {one.org_id for one in admitted}:
        assert all(share[org] <= share[other] + 1 for other in hungry)


@given(crowd=crowds, busy_servers=loads[0], busy_orgs=loads[1], caps=all_caps, room=rooms)
def test_who_is_asked_for_never_gives_way_to_what_is_due(
    crowd: list[Candidate], busy_servers: dict[str, int], busy_orgs: dict[UUID, int], caps: Caps, room: int
) -> None:
    asked = [one for one in crowd if one.asked]

    admitted = admit(crowd, busy_servers, busy_orgs, caps, room)

    assert [one for one in admitted if one.asked] == admit(asked, busy_servers, busy_orgs, caps, room)


@given(crowd=crowds, room=rooms)
def test_within_an_organisation_whoever_waited_longer_comes_first(crowd: list[Candidate], room: int) -> None:
    admitted = admit(crowd, {}, {}, ROOMY, room)
    for org in ORGS:
        for asked in (True, False):
            mine = [one for one in crowd if one.org_id == org and one.asked is asked]
            taken = [one for one in admitted if one.org_id == org and one.asked is asked]
            assert taken == mine[: len(taken)]
