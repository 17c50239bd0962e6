"""When a connector's file is looked at next, and when Leadbay stops looking by itself."""

from dataclasses import dataclass

from shared.errors import TryAgain, advice

DAY = 86_400.0
_JITTER = 0.1
_SOON = 30.0
_SOON_LIMIT = 900.0
_CREDENTIAL_CODES = frozenset({"login_refused", "secret_unreadable"})
_PROTECTING_CODES = frozenset({"login_refused", "host_key_changed"})


@dataclass(frozen=True, slots=True)
class Next:
    """The next look: after so many seconds, or not until an admin acts."""

    delay: float
    pause: bool = False


def counts(code: str, *, dry_run: bool) -> bool:
    """Whether a run that ended with `code` changes when the connector is looked at.

    A dry run only does where going on would harm the customer's server or send it a password that it must not see.
    """
    return not dry_run or code in _PROTECTING_CODES


def after_success(interval: float, dice: float) -> Next:
    """The usual interval, spread by a tenth. `dice` is a random number in [0, 1)."""
    return Next(_spread(interval, dice))


def after_trouble(code: str, failures: int, interval: float, dice: float, *, before: str | None = None) -> Next:
    """Back off after `failures` looks in a row (1 or more) that brought nothing.

    The last one ended with `code`, the one before it with `before`. Servers lock accounts and ban addresses after a
    few refused logins, so the second refusal in a row pauses the connector.
    """
    refused_twice = code in _CREDENTIAL_CODES and before in _CREDENTIAL_CODES
    pause = code == "host_key_changed" or refused_twice
    if advice(code).try_again is TryAgain.SOON:
        return Next(_spread(min(_SOON * 2 ** min(failures - 1, 10), _SOON_LIMIT), dice))
    return Next(_spread(min(interval * 2 ** min(failures, 20), max(DAY, interval)), dice), pause)


def _spread(seconds: float, dice: float) -> float:
    return seconds * (1 - _JITTER + 2 * _JITTER * dice)
