"""Time-ordered ids: large inserts in key order touch few index pages."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562)."""
    return uuid_utils.compat.uuid7()
