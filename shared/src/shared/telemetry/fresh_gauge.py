"""A gauge that exports no sample instead of an old value."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class FreshGauge(Collector):
    """A gauge of values that are read at intervals, from a database or a broker. Thread-safe.

    It has no sample before the first reading, after `clear`, and once the last reading is older than `max_age` seconds:
    an old value would hide that nothing can be read.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        registry: CollectorRegistry,
        max_age: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self._name, self._documentation, self._labels = name, documentation, tuple(labels)
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {}
        self._read_at = clock()
        registry.register(self)

    def set(self, value: float) -> None:
        """Set the value of a gauge without labels."""
        self.replace({(): value})

    def replace(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Replace all samples; `values` maps the labels' values to the value of the sample."""
        with self._lock:
            self._values, self._read_at = dict(values), self._clock()

    def clear(self) -> None:
        """Remove all samples, because nothing could be read."""
        self.replace({})

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric family without samples, for the registry."""
        return [GaugeMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric family, with its samples unless they are too old."""
        (family,) = self.describe()
        with self._lock:
            if self._clock() - self._read_at <= self._max_age:
                for labels, value in self._values.items():
                    family.add_metric(labels, value)
        return [family]
