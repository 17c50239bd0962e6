"""How a metric is declared: kind, labels with all their values, meaning, and what to do when it moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, Self, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics import MetricWrapperBase

PREFIX = "sftp_connector_"
# A value that is not on a label's list: one of a newer service, or of an event that means nothing.
OTHER = "other"
# Counters with so few series are there from the start: the first rise of one that appears with it is not seen.
_FEW = 20

M = TypeVar("M", bound=MetricWrapperBase)


@dataclass(frozen=True, slots=True)
class Label:
    """A label and all values that it may have."""

    name: str
    values: tuple[str, ...]
    told: str = ""  # the values in words, where they are many


class Family(Generic[M]):
    """The series of a metric that has labels."""

    def __init__(self, metric: M, labels: Sequence[Label]) -> None:
        self._metric = metric
        self._values = [frozenset(label.values) for label in labels]

    def labels(self, *values: str) -> M:
        """The series of these values, in the order of the labels; a value that is not on the list counts as other."""
        known = (value if value in most else OTHER for value, most in zip(values, self._values, strict=True))
        return self._metric.labels(*known)

    def forget(self) -> None:
        """Tell no series until it is set again."""
        self._metric.clear()


@dataclass(frozen=True, eq=False)
class Spec(Generic[M]):
    """A metric on the list. `advice` says what an operator does when it rises, or falls where that is the trouble."""

    kind: type[M]
    name: str
    services: tuple[str, ...]
    meaning: str
    advice: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """As it is served."""
        return PREFIX + self.name + ("_total" if self.kind is Counter else "")

    @property
    def unit(self) -> str:
        """What it is measured in, which its name ends with; nothing for what is counted."""
        return next((unit for unit in ("seconds", "bytes", "ratio") if self.name.endswith(unit)), "")

    def make(self, registry: CollectorRegistry | None) -> M:
        """The metric, on a registry or on none."""
        options: dict[str, Any] = {"buckets": self.buckets} if self.buckets else {}
        names = [label.name for label in self.labels]
        made = self.kind(PREFIX + self.name, self.meaning, names, registry=registry, **options)
        series = list(product(*(label.values for label in self.labels)))
        if self.kind is Counter and self.labels and len(series) <= _FEW:
            for values in series:
                made.labels(*values)
        return made


class One(Spec[M]):
    """A metric without labels."""

    @overload
    def __get__(self, metrics: None, owner: type) -> Self: ...
    @overload
    def __get__(self, metrics: "Declared", owner: type) -> M: ...
    def __get__(self, metrics: "Declared | None", owner: type) -> Self | M:
        if metrics is None:
            return self
        made: M = metrics.made[self]
        return made


class Many(Spec[M]):
    """A metric with labels."""

    @overload
    def __get__(self, metrics: None, owner: type) -> Self: ...
    @overload
    def __get__(self, metrics: "Declared", owner: type) -> Family[M]: ...
    def __get__(self, metrics: "Declared | None", owner: type) -> Self | Family[M]:
        return self if metrics is None else Family(metrics.made[self], self.labels)


class Declared:
    """Makes what its class declares; on the registry is what `service` tells, or everything if none is named."""

    def __init__(self, registry: CollectorRegistry, service: str = "") -> None:
        self.registry = registry
        self.service = service
        self.made: dict[Spec[Any], Any] = {
            spec: spec.make(registry if not service or service in spec.services else None) for spec in self.declared()
        }

    @classmethod
    def declared(cls) -> list[Spec[Any]]:
        """All metrics, in the order in which they are declared."""
        return [found for found in vars(cls).values() if isinstance(found, Spec)]
