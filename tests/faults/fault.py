"""What a fault is, the list of all, and the exercise that each has to pass."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass

from tests.faults.check import deviations
from tests.faults.drill import Drill, NotHealed
from tests.faults.looking import look

Inject = Callable[[Drill], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` breaks something when it is entered and has mended it when it is left."""

    name: str
    part: str  # of the system, that it hits
    how: str  # it is injected, in words
    inject: Inject
    # Seconds from then until everything is imported; a file that changed under a look is looked at again after ten.
    bound: float
    amid: bool  # it comes while files are under way, not before
    events_lost: bool  # it takes events that were published
    revived: int  # services that may die of it
    parked: bool  # it may leave messages in dead-letter queues
    alone: bool  # it heals only where nothing else is broken


FAULTS: dict[str, Fault] = {}


def fault(
    *,
    bound: float,
    amid: bool = False,
    events_lost: bool = False,
    revived: int = 0,
    parked: bool = False,
    alone: bool = False,
) -> Callable[[Inject], Inject]:
    """Put a fault on the list, under the name of its function."""

    def listed(inject: Inject) -> Inject:
        name, part, how = inject.__name__, inject.__module__.rpartition(".")[2], inject.__doc__
        assert how is not None, f"{name} does not say what it injects"
        FAULTS[name] = Fault(name, part, how.splitlines()[0], inject, bound, amid, events_lost, revived, parked, alone)
        return inject

    return listed


def survive(drill: Drill, faults: Iterable[Fault], seed: int) -> float:
    """Break and heal, and check the ledger; the seconds from healed to imported. NotHealed names every deviation."""
    faults = list(faults)
    drill.begin(seed)
    drill.mixed = len(faults) > 1
    before = drill.handles()
    _suffer(drill, faults)
    healed = time.monotonic()
    drill.until_imported()
    seconds = time.monotonic() - healed
    # It works as ever
    drill.change()
    drill.until_imported()
    drill.settle()
    found = look(drill, before, parked=any(fault.parked for fault in faults))
    found.seconds, found.bound = seconds, sum(fault.bound for fault in faults)
    if drill.revived > sum(fault.revived for fault in faults):
        found.sick.append(f"services died {drill.revived} times")
    wrong = deviations(drill.ledger, found, events_lost=any(fault.events_lost for fault in faults))
    if wrong:
        names = " and ".join(fault.name for fault in faults)
        raise NotHealed(f"after {names}, seed {seed}:\n" + "\n".join(wrong))
    return seconds


def _suffer(drill: Drill, faults: list[Fault]) -> None:
    with ExitStack() as injected:
        for fault in faults:
            if not fault.amid:
                injected.enter_context(fault.inject(drill))
        drill.change()
        if amid := [fault for fault in faults if fault.amid]:
            # Another fault may keep all work from beginning
            with suppress(NotHealed) if drill.mixed else nullcontext():
                drill.until_stage("fetching", "stored", "importing", seconds=5)
            for fault in amid:
                injected.enter_context(fault.inject(drill))
                drill.linger()
            drill.put_next()
        drill.linger()
