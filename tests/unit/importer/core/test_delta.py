"""A comparison by fingerprints finds every record that changed, and none that did not."""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.delta import ENTRY, Comparison, Entries, Hashes, Places, Recall, among, missing, moved, pair

# One letter is one raw line; its content and its lead follow from it: upper and lower case mean the same, "abc" are
# three records of one lead.
LINES = st.lists(st.sampled_from("abcABCdDeEfghij"), max_size=12)


class Version:
    """The entries of a file's version, in memory."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.entries = np.array([(ord(line), ord(line.lower()), lead_of(line)) for line in lines], ENTRY)

    def __len__(self) -> int:
        return len(self.entries)

    def part(self, start: int, stop: int) -> Entries:
        return self.entries[start:stop]

    def at(self, places: Places) -> Entries:
        return self.entries[places]


def lead_of(line: str) -> int:
    return 1000 + ("abc".find(line.lower()) < 0) * ord(line.lower())


def hashes(values: Sequence[int]) -> Hashes:
    return np.array(values, np.uint64)


def compared(old: Sequence[str], new: Sequence[str], batch: int = 3) -> tuple[list[int], set[int], list[int]]:
    """The places, the touched leads (those of changed records too), and the leads of vanished records."""
    before = Version(old)
    recall, comparison = Recall(before), Comparison(before)
    touched: set[int] = set()
    for start in range(0, len(new), batch):
        lines = new[start : start + batch]
        places = recall(hashes([ord(line) for line in lines]))
        read = [line for line, place in zip(lines, places, strict=True) if place < 0]
        contents = hashes([ord(line.lower()) for line in read])
        new_to_us = comparison.take(places, contents)
        touched |= {lead_of(line) for line, strange in zip(read, new_to_us, strict=True) if strange}
    settled, leads = comparison.settle()
    return settled.tolist(), touched | set(leads.tolist()), comparison.vanished().tolist()


def records(lines: Sequence[str]) -> dict[int, list[str]]:
    """What is said of each lead, in file order."""
    found: dict[int, list[str]] = {}
    for line in lines:
        found.setdefault(lead_of(line), []).append(line.lower())
    return found


@given(old=LINES, new=LINES, batch=st.integers(1, 5))
def test_every_lead_of_which_a_record_changed_is_touched(old: list[str], new: list[str], batch: int) -> None:
    _, touched, _ = compared(old, new, batch)

    before, after = records(old), records(new)
    assert touched >= {lead for lead in before.keys() | after.keys() if before.get(lead) != after.get(lead)}


@given(old=LINES, new=LINES, batch=st.integers(1, 5))
def test_a_lead_of_which_no_record_changed_is_left_alone(old: list[str], new: list[str], batch: int) -> None:
    _, touched, _ = compared(old, new, batch)

    before, after = records(old), records(new)
    assert touched.isdisjoint(lead for lead in before if before[lead] == after.get(lead))


@given(old=LINES, new=LINES, batch=st.integers(1, 5))
def test_records_are_paired_with_their_like_and_each_once(old: list[str], new: list[str], batch: int) -> None:
    places, _, vanished = compared(old, new, batch)

    for line, place in zip(new, places, strict=True):
        assert place < 0 or old[place].lower() == line.lower()
    known = [place for place in places if place >= 0]
    assert len(set(known)) == len(known)
    common = Counter(map(str.lower, old)) & Counter(map(str.lower, new))
    assert len(known) == common.total()
    assert len(vanished) == len(old) - len(known)


def test_lines_that_stand_where_they_did_are_found_without_a_search() -> None:
    before = Version("abcdefghij")
    before.entries["raw"] <<= 40
    recall = Recall(before)

    assert recall(raws_of("abcd")).tolist() == [0, 1, 2, 3]
    assert recall(raws_of("efg")).tolist() == [4, 5, 6]
    assert recall._sorted is None
    assert recall(raws_of("xai")).tolist() == [-1, 0, 8]


def raws_of(lines: str) -> Hashes:
    """Hashes that differ in more than their low bits."""
    return hashes([ord(line) << 40 for line in lines])


def test_lines_whose_hashes_are_nearly_the_same_are_not_mixed_up() -> None:
    recall = Recall(Version("abcdefghij"))

    # Then a line is found where it was, or not at all
    assert recall(hashes([ord("i"), ord("k")])).tolist() in ([8, -1], [-1, -1])


def test_a_record_without_a_raw_line_is_never_recalled() -> None:
    before = Version("ab")
    before.entries["raw"] = 0

    assert Recall(before)(hashes([0, 0, 5])).tolist() == [-1, -1, -1]


# So many are sorted at once: large files are compared in parts.
AT_ONCE = st.sampled_from([1, 3, 2_000_000])
NUMBERS = st.lists(st.integers(0, 6), max_size=12)


@given(new=NUMBERS, old=NUMBERS, at_once=AT_ONCE)
def test_equal_ones_are_paired_in_order(new: list[int], old: list[int], at_once: int) -> None:
    found = pair(hashes(new), hashes(old), at_once)

    places = {value: iter([at for at, other in enumerate(old) if other == value]) for value in new}
    assert found.tolist() == [next(places[value], -1) for value in new]


@given(
    records=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=9),
    order=st.permutations(range(9)),
    at_once=AT_ONCE,
)
def test_leads_whose_records_changed_their_order_are_told(
    records: list[tuple[int, int]], order: list[int], at_once: int
) -> None:
    places = [place for place in order if place < len(records)]
    leads, contents = zip(*records, strict=True) if records else ((), ())

    found = moved(hashes(leads), np.array(places, np.int64), hashes(contents), at_once).tolist()

    said = [(lead, place, says) for (lead, says), place in zip(records, places, strict=True)]
    before = {lead: [says for other, _, says in sorted(said, key=itemgetter(1)) if other == lead] for lead in leads}
    after = {lead: [says for other, _, says in said if other == lead] for lead in leads}
    assert found == sorted(lead for lead in after if before[lead] != after[lead])


@given(old=NUMBERS, new=NUMBERS, at_once=AT_ONCE)
def test_missing_is_what_leads_had_more(old: list[int], new: list[int], at_once: int) -> None:
    assert missing(hashes(old), hashes(new), at_once) == (Counter(old) - Counter(new)).total()


@given(leads=NUMBERS, touched=st.sets(st.integers(0, 6)))
def test_membership_is_that_of_a_set(leads: list[int], touched: set[int]) -> None:
    assert among(hashes(leads), hashes(sorted(touched))).tolist() == [lead in touched for lead in leads]
