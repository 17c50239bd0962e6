"""What an admin enters to log in with, sealed for the one place where it may be used."""

from dataclasses import dataclass

from nacl.public import PublicKey

from services.scheduler.asked import Refusal
from shared.contracts import Endpoint, FieldProblem, LoginAsked
from shared.errors import advice
from shared.sealing import Place, pack_key, seal


@dataclass(frozen=True, slots=True)
class Login:
    """A sealed password, or a sealed private key with its passphrase; the other one is empty."""

    sealed_password: str = ""
    sealed_key: str = ""


class Logins:
    """Seals to the fetchers' public key."""

    def __init__(self, seal_key: PublicKey) -> None:
        self._seal_key = seal_key

    def sealed(self, asked: LoginAsked, place: Place) -> Login | None:
        """What the form brings along; None when it leaves the login as it is."""
        if asked.password is not None:
            return Login(sealed_password=seal(asked.password.get_secret_value(), place, self._seal_key))
        if asked.private_key is None:
            return None
        passphrase = None if asked.passphrase is None else asked.passphrase.get_secret_value()
        packed = pack_key(asked.private_key.get_secret_value(), passphrase)
        return Login(sealed_key=seal(packed, place, self._seal_key))


def stored_login(endpoint: Endpoint) -> Login:
    """What a connector logs in with."""
    return Login(endpoint.sealed_password, endpoint.sealed_key)


def login_place(endpoint: Endpoint) -> tuple[str, int, str]:
    """What a login is for; the sealed one opens nowhere else."""
    return endpoint.host, endpoint.port, endpoint.username


def missing_login() -> Refusal:
    """Nothing to log in with was given, and what is stored, if anything, is for another place."""
    problem = FieldProblem(field="password", code="password_required", message=advice("password_required").action)
    return Refusal("password_required", (problem,))
