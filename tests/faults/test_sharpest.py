"""The ten faults that would hurt most, each once: the short form of `test_faults.py`."""

import pytest

from tests.faults import admins, broker, database, servers, services, storage  # noqa: F401 - they list their faults
from tests.faults.drill import Drill
from tests.faults.fault import FAULTS, survive

SHARPEST = (
    "broker_is_killed",
    "broker_refuses_to_publish",
    "queues_are_purged",
    "every_job_a_hundred_times",
    "sessions_are_ended",
    "answer_to_a_commit_is_lost",
    "importer_frozen_past_its_lease",
    "importer_dies_at_import_finished",
    "connection_is_reset_in_a_download",
    "a_bit_of_a_blob_flips",
)


@pytest.mark.parametrize("name", SHARPEST)
def test_it_heals_by_itself(drill: Drill, name: str) -> None:
    survive(drill, [FAULTS[name]], seed=7)
