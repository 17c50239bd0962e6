"""The decision log: what became of a run on its way, in plain words, beside what its own row says.

`select * from run_story(run)` tells both in order. A look that is due, finds the file as it was and ends notes nothing.
"""

from typing import Literal
from uuid import UUID

from shared.database import Db

Step = Literal[
    "asked again",  # an admin wanted what was under way already
    "waits",  # for room at the server
    "let in",
    "sent again",  # its worker fell silent
    "stored",
    "awaits turn",  # of the organisation's imports
    "has turn",
    "claimed",  # by an importer
    "put off",  # what the importer needs is away
    "sent back",  # to be fetched anew
    "fenced",  # an importer came too late, and nothing of its work was kept
]
# The lock makes whoever removes the run wait, and then find this as well.
_NOTE = (
    "insert into decisions (org_id, run_id, connector_id, step, detail)"
    " select org_id, id, connector_id, %s, %s from runs where id = %s for key share"
)


def note(db: Db, run_id: UUID, step: Step, detail: str = "") -> None:
    """Note a step in the transaction that takes it; nothing is noted of a run that is not there."""
    db.execute(_NOTE, [step, detail, run_id])
