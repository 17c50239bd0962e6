"""The picture in the README is drawn from the figures that lie beside the script, the same each time."""

import json
from xml.etree import ElementTree

from deploy.grafana.__main__ import OVERVIEW
from tests.monitoring.picture import FIGURES, PICTURE
from tests.monitoring.svg import picture


def test_the_picture_is_drawn_from_its_figures() -> None:
    drawn = picture(OVERVIEW, json.loads(FIGURES.read_text()))

    assert drawn == PICTURE.read_text(), "run `python -m tests.monitoring.picture`"


def test_it_is_a_picture_and_shows_every_panel() -> None:
    root = ElementTree.parse(PICTURE).getroot()

    written = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {panel.title for panel in OVERVIEW} <= written


def test_what_is_written_in_it_cannot_break_it() -> None:
    name = 'a <b> & "c"'

    assert name in (text.text for text in ElementTree.fromstring(picture(OVERVIEW, {"Rows": {name: [[0, 1]]}})).iter())
