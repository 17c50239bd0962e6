"""A due connector needs a look at its server, unless only the mapping changed: then its stored file will do."""

import dataclasses
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.scheduler.core.planning import Connector, Fetch, FileVersion, Reimport, look, plan
from shared.contracts import CsvOptions, Endpoint, Known

NOW = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)
DAILY = timedelta(days=1)
FILE = FileVersion(
    checksum="ab" * 32,
    blob="org/1/" + "ab" * 32,
    size=1234,
    mtime=1_740_000_000,
    looked_at=NOW - timedelta(minutes=15),
    compared_at=NOW - timedelta(hours=3),
    mapping_version=4,
)
CONNECTOR = Connector(
    id=UUID(int=1),
    org_id=UUID(int=2),
    name="CRM export",
    endpoint=Endpoint(host="sftp.acme.com", port=22, username="crm", path="/leads.csv", sealed_password="k.box"),
    state="active",
    interval_seconds=900,
    failures=0,
    last_code=None,
    paused_code=None,
    due_at=NOW,
    file=FILE,
    csv=CsvOptions(),
)
NEVER_FETCHED = dataclasses.replace(CONNECTOR, file=None)


def test_a_file_never_seen_is_fetched_whole() -> None:
    assert plan(NEVER_FETCHED, 4, NOW, DAILY) == Fetch(known=None, full_check=True)


def test_a_file_never_seen_is_fetched_also_without_a_mapping() -> None:
    assert plan(NEVER_FETCHED, 0, NOW, DAILY) == Fetch(known=None, full_check=True)


def test_a_known_file_is_looked_at_with_what_is_known_of_it() -> None:
    known = Known(checksum=FILE.checksum, size=1234, mtime=1_740_000_000, looked_at=FILE.looked_at)

    assert plan(CONNECTOR, 4, NOW, DAILY) == Fetch(known, full_check=False)


def test_of_a_packed_file_the_size_of_the_archive_is_known_and_where_it_lay() -> None:
    file = dataclasses.replace(FILE, remote_size=99, path="/leads-2025.csv.gz")

    step = look(dataclasses.replace(CONNECTOR, file=file), NOW, DAILY)

    assert step.known is not None
    assert (step.known.size, step.known.path, step.known.checksum) == (99, "/leads-2025.csv.gz", FILE.checksum)


def test_several_names_of_one_address_are_one_server() -> None:
    assert CONNECTOR.server == "sftp.acme.com"
    assert dataclasses.replace(CONNECTOR, server_address="192.0.2.7").server == "192.0.2.7"


def test_a_file_that_is_to_be_read_in_another_way_is_imported_again_also_without_a_mapping() -> None:
    file = dataclasses.replace(FILE, mapping_version=-1)

    assert plan(dataclasses.replace(CONNECTOR, file=file), 0, NOW, DAILY) == Reimport(file)


@pytest.mark.parametrize("version", [0, 3, 5])
def test_a_file_of_another_mapping_is_imported_again_without_a_connection(version: int) -> None:
    assert plan(CONNECTOR, version, NOW, DAILY) == Reimport(FILE)


def test_the_first_mapping_brings_in_the_file_that_had_none() -> None:
    file = dataclasses.replace(FILE, mapping_version=0)

    assert plan(dataclasses.replace(CONNECTOR, file=file), 1, NOW, DAILY) == Reimport(file)


@pytest.mark.parametrize(("age", "due"), [(timedelta(hours=23, minutes=59), False), (DAILY, True), (2 * DAILY, True)])
def test_bytes_are_compared_once_a_day_whatever_size_and_time_say(age: timedelta, *, due: bool) -> None:
    file = dataclasses.replace(FILE, compared_at=NOW - age)

    assert look(dataclasses.replace(CONNECTOR, file=file), NOW, DAILY).full_check is due


def test_a_look_never_imports_a_stored_file() -> None:
    file = dataclasses.replace(FILE, mapping_version=1)

    assert look(dataclasses.replace(CONNECTOR, file=file), NOW, DAILY).known is not None
