"""The pages about settings and codes say what the code reads and tells."""

from types import ModuleType

import pytest

from deploy import codes, configuration
from tests.faults import report
from tests.faults.fault import FAULTS


@pytest.mark.parametrize("page", [configuration, codes], ids=lambda page: page.PATH.name)
def test_a_generated_page_is_up_to_date(page: ModuleType) -> None:
    assert page.PATH.read_text() == page.table(), f"run: python -m {page.__name__}"


def test_every_fault_is_on_its_page() -> None:
    told = {line.split("|")[1].strip() for line in report.PATH.read_text().splitlines() if line.startswith("| ")}
    assert told == {"fault", *(name.replace("_", " ") for name in FAULTS)}, "run: make test-faults, and then the report"


def test_every_setting_has_a_meaning() -> None:
    assert "| None |" not in configuration.table()
