"""Opens the sealed password or private key of an endpoint."""

from uuid import UUID

import structlog

from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.login import Password, PrivateKey
from shared.contracts import Endpoint
from shared.errors import SecretUnreadable
from shared.sealing import Opener, Place, unpack_key

log = structlog.get_logger()


def credentials(opener: Opener, endpoint: Endpoint, org_id: UUID, subject_id: UUID) -> Password | PrivateKey:
    """What logs in at the endpoint; LookFailed when it was not sealed for it, or not to a key that is known here."""
    place = Place(org_id, subject_id, endpoint.host, endpoint.port, endpoint.username)
    try:
        if endpoint.sealed_key:
            return PrivateKey(*unpack_key(opener.open(endpoint.sealed_key, place)))
        return Password(opener.open(endpoint.sealed_password, place))
    except SecretUnreadable as error:
        log.error("secret.unreadable", reason=str(error))
        raise LookFailed("login", "secret_unreadable") from None
