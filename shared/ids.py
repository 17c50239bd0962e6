"""Time-ordered ids: large inserts in key order touch few index pages."""

from datetime import datetime
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def first_id_of(moment: datetime) -> UUID:
    """What every id made at that moment or later is at least, and no earlier one is."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
