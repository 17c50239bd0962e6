"""The encoding of a file is told by what was declared, by its mark, by being UTF-8, or by a detector."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.encoding import SAMPLE_BYTES, Encoding, Survey, decide, marked, survey
from services.importer.core.record import Refusal

FRENCH = (
    "Soci\u00e9t\u00e9;Ville;Remarque\r\n"
    + "L'\u00c9picerie;Orl\u00e9ans;tr\u00e8s int\u00e9ress\u00e9e, \u00e0 rappeler d\u00e8s f\u00e9vrier\r\n" * 20
)


def decided(*chunks: bytes, declared: str | None = None) -> Encoding | Refusal:
    return decide(survey(chunks), declared)


def name(data: bytes) -> str | None:
    found = decided(data)
    return found.name if isinstance(found, Encoding) else None


def refused(data: bytes, declared: str | None = None) -> str | None:
    found = decided(data, declared=declared)
    return found.code if isinstance(found, Refusal) else None


@pytest.mark.parametrize("data", [b"", b"a,b\n", FRENCH.encode(), "\u65e5\u672c,x\n".encode(), b"a\x1b[0m,b\n"])
def test_what_is_utf_8_is_utf_8(data: bytes) -> None:
    assert decided(data) == Encoding("utf-8", 100)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_it(encoding: str) -> None:
    assert decided("Soci\u00e9t\u00e9,x\n".encode(encoding)) == Encoding(encoding, 100)


@pytest.mark.parametrize(
    ("mark", "codec", "told"), [(b"\xfe\xff", "utf-16-be", "utf-16"), (b"\0\0\xfe\xff", "utf-32-be", "utf-32")]
)
def test_a_big_endian_mark_says_it_too(mark: bytes, codec: str, told: str) -> None:
    assert decided(mark + "a,b\n".encode(codec)) == Encoding(told, 100)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_mark_that_comes_in_pieces_is_still_one(size: int) -> None:
    data = "\u00e9,b\n".encode("utf-32")

    assert decided(*(data[at : at + size] for at in range(0, len(data), size))) == Encoding("utf-32", 100)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1252", "mac_roman"])
def test_others_are_detected(encoding: str) -> None:
    found = decided(FRENCH.encode(encoding))

    assert isinstance(found, Encoding)
    assert FRENCH.encode(encoding).decode(found.name) == FRENCH


@pytest.mark.parametrize(
    "names", [["Soci\u00e9t\u00e9"], ["Orl\u00e9ans", "Besan\u00e7on", "Le Pr\u00e9"], ["Caf\u00e9 \u20ac"]]
)
def test_a_short_list_of_french_names_is_windows_1252(names: list[str]) -> None:
    assert name("\n".join(names).encode("cp1252")) == "cp1252"


@pytest.mark.parametrize(
    ("names", "codec"),
    [
        (["\u041c\u043e\u0441\u043a\u0432\u0430"], "cp1251"),
        (["\u0141\u00f3d\u017a", "\u017b\u00f3\u0142w"], "iso8859-2"),
        (["\u010cesk\u00e9 Bud\u011bjovice", "P\u0159\u00edbram"], "cp1250"),
        (["\u0130stanbul", "Eski\u015fehir"], "cp1254"),
    ],
    ids=["Russian", "Polish", "Czech", "Turkish"],
)
def test_other_languages_are_not_taken_for_french(names: list[str], codec: str) -> None:
    assert name("\n".join(names * 5).encode(codec)) != "cp1252"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"name;city\nM\xfcller;Ulm\n", "cp1252"),
        (b"name;fee\nAcme;\xa312.50\n", "cp1252"),
        (b"name;city\nAcme\xff;Ulm\n", "utf-8"),
        (b"name;city\nAcme\x81;Ulm\n", "utf-8"),
        ("name;city\nM\u00fcller;Ulm\n".encode() + b"Caf\xe9;Nice\n", "utf-8"),
    ],
)
def test_a_few_bytes_are_windows_1252_or_damage(data: bytes, encoding: str) -> None:
    assert name(data) == encoding


def test_the_beginning_of_a_file_may_end_within_a_character() -> None:
    data = b"City\nOrl\xc3"

    assert decide(survey([data], cut=True)) == Encoding("utf-8", 100)
    assert decide(survey([data])) != Encoding("utf-8", 100)


def test_a_detector_says_how_sure_it_is() -> None:
    found = decided(FRENCH.encode("cp1252"))

    assert isinstance(found, Encoding)
    assert 0 < found.confidence <= 100


def test_foreign_letters_are_found_far_behind_the_sample() -> None:
    data = b"Company;City\r\n" * 60_000 + FRENCH.encode("cp1252")
    assert len(data) > 3 * SAMPLE_BYTES

    found = decided(*(data[at : at + 65_536] for at in range(0, len(data), 65_536)))

    assert isinstance(found, Encoding)
    assert data.decode(found.name).endswith(FRENCH)


def test_a_few_bad_bytes_in_much_utf_8_are_damage() -> None:
    assert decided("Orl\u00e9ans,x\n".encode() * 11 + b"Orl\xe9ans\n") == Encoding("utf-8", 100)
    assert decided("Orl\u00e9ans,x\n".encode() * 10 + b"Orl\xe9ans\n") != Encoding("utf-8", 100)


def test_a_declared_encoding_is_taken_whatever_the_file_says() -> None:
    assert decided("\ufeff\u00e9".encode(), declared="cp1252") == Encoding("cp1252", 100)
    assert decided(b"\xff\xfea\0", declared="latin-1") == Encoding("latin-1", 100)


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (b"PK\x03\x04\x14", "ZIP"),
        (b"\xd0\xcf\x11\xe0\xa1", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n", "picture"),
        (b"GIF89a", "picture"),
        (b"\xff\xd8\xff\xe0", "picture"),
        (b"\x7fELF", "program"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"SQLite format 3\0", "database"),
        (b"{\\rtf1", "Word"),
        (b"\n <!DOCTYPE HTML>", "web page"),
        (b"<html lang=en>", "web page"),
        (b'<?xml version="1.0"?>', "XML"),
    ],
)
def test_what_is_no_text_is_refused_with_what_it_looks_like(begin: bytes, words: str) -> None:
    for data in (begin, begin + b"x,y\n" * 100):
        found = decided(data)
        assert isinstance(found, Refusal)
        assert (found.code, words in found.reason) == ("not_text", True)


def test_an_archive_is_no_text_whatever_was_declared() -> None:
    assert refused(b"PK\x03\x04x", declared="utf-8") == "not_text"


def test_control_characters_and_zeros_are_no_text() -> None:
    assert refused(bytes(range(1, 9)) * 20 + b"ab") == "not_text"
    assert refused(b"\0" * 2_000) == "not_text"


@pytest.mark.parametrize("data", [b"a\0,b\n" * 1 + b"c,d\n" * 20, b"a\x02b,some more\n" * 20, b"a\x1fb\x01\n" * 9])
def test_a_stray_control_character_makes_no_binary(data: bytes) -> None:
    assert name(data) == "utf-8"


def test_escapes_that_mean_nothing_are_ascii() -> None:
    assert name(b"a~{b,c\n" * 3) == "utf-8"
    assert name(b"a\x1b(x,c\n") == "utf-8"


def test_escapes_mean_nothing_in_a_file_with_letters_beyond_ascii() -> None:
    assert decided(b"a~{b~},\x1b$B\n" * 40_000, "Orl\u00e9ans\n".encode()) == Encoding("utf-8", 100)


@pytest.mark.parametrize("chunks", [[b"a,caf\xe9"], [b"a,caf\xe9", b",b\n"], [b"a,caf\xe9\n"]])
def test_a_byte_that_is_no_utf_8_is_seen_wherever_a_chunk_or_the_file_ends(chunks: list[bytes]) -> None:
    assert survey(chunks).bad == 1


def test_random_bytes_are_told_or_refused_but_never_break() -> None:
    assert refused(bytes(range(128, 256)) * 40) in (None, "encoding_unknown", "not_text")


@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(0, 5), max_size=30))
def test_any_chunks_of_any_bytes_give_one_answer(data: bytes, sizes: list[int]) -> None:
    chunks, place = [], 0
    for size in sizes:
        chunks.append(data[place : place + size])
        place += size

    assert isinstance(decided(*chunks, data[place:]), Encoding | Refusal)
    one, other = survey([data]), survey([*chunks, data[place:]])
    assert (one.good, one.bad) == (other.good, other.bad) or marked(data)


def test_a_hopeless_file_is_not_read_to_its_end() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield "\u00e9".encode("cp1252") * 65_536

    survey(endless())

    assert taken == SAMPLE_BYTES // 65_536


def test_a_marked_file_is_not_read_to_its_end() -> None:
    def endless() -> Iterator[bytes]:
        yield b"\xef\xbb\xbfa"
        raise AssertionError("the mark has said it all")

    assert decide(survey(endless())) == Encoding("utf-8-sig", 100)


def test_what_is_kept_of_a_file_is_bounded() -> None:
    found = Survey()
    for _ in range(30):
        found.see(("\u00e9" * 100 + "\n").encode() * 2_000)

    assert len(found.head) <= SAMPLE_BYTES
    assert len(found.foreign) <= SAMPLE_BYTES


def test_a_survey_is_fast() -> None:
    data = FRENCH.encode() * 1_000

    began = time.perf_counter()
    survey(data[at : at + 1_000_000] for at in range(0, len(data), 1_000_000))

    assert time.perf_counter() - began < 1
