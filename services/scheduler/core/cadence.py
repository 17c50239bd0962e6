"""When a connector's file is looked at next, and when Leadbay stops looking by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import TryAgain, advice

DAY = 86_400.0
_JITTER = 0.1
_SOON = 10.0
_SOON_LIMIT = 900.0
_CREDENTIAL_CODES = frozenset(
    {"login_refused", "password_expired", "login_unsupported", "key_unreadable", "secret_unreadable"}
)
_PROTECTING_CODES = frozenset({"login_refused", "password_expired", "login_unsupported", "host_key_changed"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Failures without a success between them, the present one included."""

    code: str
    failures: int = 1
    before: str | None = None  # how the look before it ended, if that brought nothing either
    lasts: timedelta = timedelta(0)  # since the first of them
    warned: timedelta | None = None  # since the admin was warned of a pause


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures in a row, and over how long a time, pause a connector. Half of both earns a warning."""

    failures: int
    time: timedelta

    @property
    def notice(self) -> timedelta:
        """How long before the pause the admin is warned."""
        return min(timedelta(days=1), self.time / 7)


@dataclass(frozen=True, slots=True)
class Next:
    """The next look: after so many seconds, or not until an admin acts."""

    delay: float
    pause: bool = False
    pauses_in: timedelta | None = None  # at the earliest, and the admin is to be warned of it now


def counts(code: str, *, dry_run: bool) -> bool:
    """Whether a run that ended with `code` changes when the connector is looked at.

    A dry run only does where going on would harm the customer's server or send it a password that it must not see.
    """
    return not dry_run or code in _PROTECTING_CODES


def after_success(interval: float, dice: float) -> Next:
    """The usual interval, spread by a tenth. `dice` is a random number in [0, 1)."""
    return Next(_spread(interval, dice))


def passes_soon(code: str) -> bool:
    """Whether the file was merely not ready: that is no failure, and such looks are counted apart from failures."""
    return advice(code).try_again is TryAgain.SOON


def after_unsettled(times: int, dice: float) -> Next:
    """A look within minutes at a file that was being written so many `times` since the last success."""
    return Next(_spread(min(_SOON * 2.0 ** min(times - 1, 10), _SOON_LIMIT), dice))


def trouble(
    code: str, *, failures: int, before: str | None, since: datetime | None, warned_at: datetime | None, now: datetime
) -> Trouble:
    """A look that failed with `code`, after `failures` others since `since`; the look before it ended with `before`."""
    if failures == 0:
        return Trouble(code)
    warned = None if warned_at is None else now - warned_at
    return Trouble(code, failures + 1, before, now - (since or now), warned)


def after_trouble(trouble: Trouble, interval: float, patience: Patience, dice: float) -> Next:
    """Back off, stop before harm is done, and stop at last where every look has failed for days.

    Servers lock accounts and ban addresses after a few refused logins, so the second in a row pauses the connector.
    Whoever is paused for failing long was warned well before.
    """
    delay = _spread(_wait(trouble, interval), dice)
    if _harms(trouble):
        return Next(delay, pause=True)
    if _exhausted(trouble, patience) and trouble.warned is not None and trouble.warned >= patience.notice:
        return Next(delay, pause=True)
    half = Patience((patience.failures + 1) // 2, patience.time / 2)
    if trouble.warned is None and _exhausted(trouble, half):
        return Next(delay, pauses_in=max(patience.time - trouble.lasts, patience.notice))
    return Next(delay)


def _wait(trouble: Trouble, interval: float) -> float:
    longest = max(DAY, interval)
    if _needs_a_change(trouble.code) and trouble.before is not None and _needs_a_change(trouble.before):
        return longest
    return min(interval * 2.0 ** min(trouble.failures, 20), longest)


def _harms(trouble: Trouble) -> bool:
    refused_twice = trouble.code in _CREDENTIAL_CODES and trouble.before in _CREDENTIAL_CODES
    return refused_twice or trouble.code == "host_key_changed"


def _exhausted(trouble: Trouble, patience: Patience) -> bool:
    return trouble.failures >= patience.failures and trouble.lasts >= patience.time


def _needs_a_change(code: str) -> bool:
    return advice(code).try_again is TryAgain.CHANGED


def _spread(seconds: float, dice: float) -> float:
    return seconds * (1 - _JITTER + 2 * _JITTER * dice)
