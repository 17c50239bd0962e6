"""What an admin says of how a file is to be read is kept, told, and tried on the stored file without a download."""

from typing import Any

import pytest

from shared.contracts import (
    Created,
    CsvOptions,
    FetchRequested,
    ImportRequested,
    Refused,
    SyncCancelled,
    SyncQueued,
    Updated,
)
from tests.integration.scheduler.builders import CHECKSUM, FORM, Desk, kinds, only

SEMICOLONS = {"encoding": "CP1252", "delimiter": ";", "quote": ""}


def test_a_new_connector_keeps_its_options_and_shows_them(desk: Desk) -> None:
    desk.ask("sftp_connector.create", **FORM, csv=SEMICOLONS)
    created = only(desk.taken(), Created)
    assert created.connector.csv == CsvOptions(encoding="cp1252", delimiter=";", quote="")
    assert desk.connector(created.connector.id)["csv_options"] == {"encoding": "cp1252", "delimiter": ";", "quote": ""}


def test_a_form_without_options_leaves_all_to_be_detected(desk: Desk) -> None:
    desk.ask("sftp_connector.create", **FORM)
    created = only(desk.taken(), Created)
    assert created.connector.csv == CsvOptions()
    assert desk.connector(created.connector.id)["csv_options"] == {}


def test_wrong_options_are_named(desk: Desk) -> None:
    wrong = {"encoding": "klingon", "delimiter": "\n", "quote": "x"}
    desk.ask("sftp_connector.create", **FORM, csv=wrong)
    (refused,) = desk.taken()
    assert isinstance(refused, Refused)
    assert {problem.field for problem in refused.errors} == {"csv.encoding", "csv.delimiter", "csv.quote"}


def test_other_options_have_the_stored_file_read_again_without_a_download(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    desk.give_file(connector_id)
    # When the options change
    desk.ask("sftp_connector.update", connector_id=str(connector_id), csv={"delimiter": ";"})
    # Then the stored file goes to the importers
    updated, queued, job = desk.taken()
    assert isinstance(updated, Updated)
    assert updated.connector.csv == CsvOptions(delimiter=";")
    assert isinstance(queued, SyncQueued)
    assert isinstance(job, ImportRequested)
    assert (job.checksum, job.run_id) == (CHECKSUM, queued.run_id)


@pytest.mark.parametrize("change", [{"name": "Leads"}, {"csv": None}, {"csv": {"delimiter": ";"}}], ids=str)
def test_what_stays_as_it_was_has_nothing_read_again(desk: Desk, change: dict[str, Any]) -> None:
    connector_id = desk.created(csv={"delimiter": ";"})
    desk.give_file(connector_id)
    (run_id,) = desk.open_runs(connector_id)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), **change)
    assert kinds(desk.taken()) == [Updated, SyncQueued]
    assert desk.open_runs(connector_id) == [run_id]
    assert desk.connector(connector_id)["csv_options"] == {"delimiter": ";"}


def test_empty_options_have_it_detected_again(desk: Desk) -> None:
    connector_id = desk.created(csv={"delimiter": ";"})
    desk.give_file(connector_id)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), csv={})
    owed = desk.taken()
    assert only(owed, Updated).connector.csv == CsvOptions()
    assert only(owed, ImportRequested).checksum == CHECKSUM


def test_other_options_cancel_the_run_that_reads_with_the_old_ones(desk: Desk) -> None:
    connector_id = desk.created()
    (old_run,) = desk.open_runs(connector_id)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), csv={"delimiter": ";"})
    owed = desk.taken()
    assert only(owed, SyncCancelled).run_id == old_run
    assert desk.open_runs(connector_id) == [only(owed, FetchRequested).run_id]


def test_a_password_that_changes_with_the_options_is_tried_at_once(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    desk.give_file(connector_id)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), csv={"delimiter": ";"}, password="new")
    # The whole file is brought again, so that it is read with the new options even if it did not change.
    assert only(desk.taken(), FetchRequested).known is None


def test_a_paused_connector_s_file_is_read_again_when_it_is_resumed(desk: Desk) -> None:
    connector_id = desk.insert_connector(state="paused")
    desk.give_file(connector_id)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), csv={"delimiter": ";"})
    assert kinds(desk.taken()) == [Updated]
    desk.ask("sftp_connector.resume", connector_id=str(connector_id))
    assert only(desk.taken(), ImportRequested).checksum == CHECKSUM
