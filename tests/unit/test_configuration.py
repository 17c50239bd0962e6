"""The page about settings says what the code reads."""

from deploy.configuration import PATH, table


def test_the_configuration_page_is_up_to_date() -> None:
    assert PATH.read_text() == table(), "run: python -m deploy.configuration"


def test_every_setting_has_a_meaning() -> None:
    assert "| None |" not in table()
