"""The fields of forms: what an admin may type, and how it is understood."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.fields import ConnectorName, Delimiter, DoneMarker, Encoding, FilePath, Host, Port, UrlTemplate, Username

HOST: TypeAdapter[str] = TypeAdapter(Host)
PORT: TypeAdapter[int] = TypeAdapter(Port)
USERNAME: TypeAdapter[str] = TypeAdapter(Username)
PATH: TypeAdapter[str] = TypeAdapter(FilePath)
MARKER: TypeAdapter[str] = TypeAdapter(DoneMarker)
NAME: TypeAdapter[str] = TypeAdapter(ConnectorName)
ENCODING: TypeAdapter[str] = TypeAdapter(Encoding)
DELIMITER: TypeAdapter[str] = TypeAdapter(Delimiter)
LINK: TypeAdapter[str] = TypeAdapter(UrlTemplate)


def refusal(field: TypeAdapter[Any], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        field.validate_python(value)
    (problem,) = caught.value.errors()
    return problem["msg"]


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("sftp.acme.com", "sftp.acme.com"),
        ("  SFTP.Acme.COM. ", "sftp.acme.com"),
        ("crm_export-1.acme.com", "crm_export-1.acme.com"),
        ("localhost", "localhost"),
        ("203.0.113.7", "203.0.113.7"),
        ("soci\u00e9t\u00e9.fr", "xn--socit-esab.fr"),
        ("\uff53ftp.acme.com", "sftp.acme.com"),
        ("127\u30020\u30020\u30021", "127.0.0.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
    ],
)
def test_a_host_is_understood_as_the_resolver_takes_it(typed: str, understood: str) -> None:
    assert HOST.validate_python(typed) in (understood, understood.replace("203.0.113.7", "cb00:7107"))


@pytest.mark.parametrize(
    "typed",
    [
        *("", "   ", ".", "...", "a..b", "a b.com", "-oProxyCommand=whoami", "a-.com", "sftp://acme.com", "acme.com/x"),
        *("acme.com:22", "[::1]:22", "crm@acme.com", "$(id).com", "a;b", "a,b", "*.svc", "a" * 64 + ".com", "a" * 300),
        *("a\0.com", "a\n.com", "a.com\nb", "a\r.com", "a\t.com", "\x1b[31m.com", "a\u2028b.com"),
        *("acme\u00ad.com", "acme\u200b.com", "acme\u202e.com", "\u00e9" * 60 + ".com"),
    ],
)
def test_what_is_no_host_name_is_refused(typed: str) -> None:
    assert refusal(HOST, typed)


def test_a_host_with_a_port_is_told_where_the_port_belongs() -> None:
    assert "Port field" in refusal(HOST, "acme.com:2222")


@given(typed=st.text(max_size=80))
def test_any_text_is_either_refused_or_a_plain_host(typed: str) -> None:
    try:
        host = HOST.validate_python(typed)
    except ValidationError:
        return
    assert host.isascii()
    assert host.isprintable()
    assert host == host.lower()
    assert not set(host) & set(" /\\@$;&|'\"`<>()[]%")
    assert HOST.validate_python(host) == host


@pytest.mark.parametrize("port", [1, 22, 2222, 65535])
def test_a_port_lies_in_its_range(port: int) -> None:
    assert PORT.validate_python(port) == port


@pytest.mark.parametrize("port", [0, -1, 65536, "22; x", None, 22.5])
def test_what_is_no_port_is_refused(port: object) -> None:
    assert refusal(PORT, port)


@pytest.mark.parametrize(
    "path", ["/leads.csv", "/a b/le\u00e4ds.csv", "/exports/../x", "/$(id)", "/a;b'\"", "//x", "/" + "x" * 1023]
)
def test_a_full_path_is_taken_as_it_is(path: str) -> None:
    assert PATH.validate_python(path) == path


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("", "at least 1"),
        ("leads.csv", "begins with /"),
        ("C:\\leads.csv", "begins with /"),
        ("../etc/passwd", "begins with /"),
        ("/", "not a folder"),
        ("/exports/", "not a folder"),
        ("/a\nb", "control characters"),
        ("/a\0b", "control characters"),
        ("/a\x1b[31m", "control characters"),
        ("/a\x85b", "control characters"),
        ("/a\u2029b", "control characters"),
        ("/" + "x" * 1024, "at most 1024"),
    ],
)
def test_a_path_that_cannot_be_a_file_is_refused_with_advice(path: str, advice: str) -> None:
    assert advice in refusal(PATH, path)


@pytest.mark.parametrize("name", ["crm", "dom\\user", "user@acme.com", "a b", "$(id)", "\u00e9l\u00e9onore"])
def test_a_user_name_is_taken_as_it_is(name: str) -> None:
    assert USERNAME.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "\x1b", "x" * 256])
def test_a_user_name_is_printable_and_bounded(name: str) -> None:
    assert refusal(USERNAME, name)


def test_a_connector_may_go_without_a_name_but_not_with_one_that_breaks_a_line() -> None:
    assert NAME.validate_python("") == ""
    assert refusal(NAME, "My\nCRM")
    assert refusal(NAME, "x" * 101)


@pytest.mark.parametrize("name", ["utf-8", "CP1252", "latin_1", "UTF-16", "ISO-8859-15", "mac_roman", "gb18030"])
def test_an_encoding_is_kept_as_it_was_given_in_lower_case(name: str) -> None:
    assert ENCODING.validate_python(name) == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        *("", "klingon", "..", "os.path", "x" * 41, "utf-8\0", "utf-8\n", "utf\u20118"),
        *("hex", "zlib", "rot13", "base64_codec"),
        *("idna", "punycode", "unicode_escape", "undefined"),
    ],
)
def test_what_is_no_encoding_of_files_is_refused(name: str) -> None:
    assert refusal(ENCODING, name)


@pytest.mark.parametrize("text", [",", ";", "\t", "|", "||", " ", "\x1f", "~^~"])
def test_a_delimiter_is_taken_as_it_is(text: str) -> None:
    assert DELIMITER.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "\n", "\r", "\0", ";\n", '"', "'", ",,,,,"])
def test_what_cannot_part_cells_is_refused(text: str) -> None:
    assert refusal(DELIMITER, text)


@pytest.mark.parametrize("template", ["https://crm.acme.com/{value}", "http://crm/{value}?tab=1"])
def test_a_link_has_a_place_for_the_id(template: str) -> None:
    assert LINK.validate_python(template) == template


@pytest.mark.parametrize(
    ("template", "advice"),
    [
        ("https://crm.acme.com/", "{value}"),
        ("javascript:alert({value})", "http://"),
        (" https://crm/{value}", "http://"),
        ("https://crm/{value}\n", "control characters"),
        ("https://crm/{value}" + "x" * 2000, "at most 2000"),
    ],
)
def test_another_text_is_no_link(template: str, advice: str) -> None:
    assert advice in refusal(LINK, template)


@pytest.mark.parametrize("typed", ["", ".done", "-ok", "/exports/ready", "/exports/leads.csv.done"])
def test_a_done_marker_is_an_ending_or_a_full_path(typed: str) -> None:
    assert MARKER.validate_python(typed) == typed


@pytest.mark.parametrize("typed", ["ready/leads", "../leads.done", "/exports/", "/", ".done\n", "\0", "x" * 1025])
def test_what_names_no_file_is_no_done_marker(typed: str) -> None:
    assert refusal(MARKER, typed)
