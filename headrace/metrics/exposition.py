"""The page that Prometheus reads: what was counted, and what is read from a service's state when it is asked.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from headrace import __version__
from headrace.metrics.catalogue import BUILD, FAMILIES
from headrace.metrics.family import Family, Figure, Kind, Service

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class Exposition:
    """A service's metrics: a Meter, and the page of what it counted."""

    def __init__(self, service: Service) -> None:
        _without_creation_times()
        self._state = _State(service)
        self._registry = CollectorRegistry()
        self._registry.register(self._state)
        ProcessCollector(registry=self._registry)
        counted = [each for each in FAMILIES if service in each.services and not each.is_read]
        self._counters = {each.name: self._counter(each) for each in counted if each.kind is Kind.COUNTER}
        self._histograms = {
            each.name: self._histogram(each) for each in counted if each.kind is Kind.HISTOGRAM
        }

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.help, family.labels, registry=self._registry)

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(
            family.name, family.help, family.labels, registry=self._registry, buckets=family.buckets
        )

    def count(self, family: Family, *labels: str, by: float = 1.0) -> None:
        """See the port. Raises KeyError for a family that this service does not count."""
        counter = self._counters[family.name]
        (counter.labels(*labels) if family.labels else counter).inc(by)

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """See the port. Raises KeyError likewise."""
        histogram = self._histograms[family.name]
        (histogram.labels(*labels) if family.labels else histogram).observe(value)

    def page(self, figures: Sequence[Figure] = ()) -> bytes:
        """Everything, as text, with what the service's state says now.

        Raises ValueError for a figure that the service may not tell.
        """
        self._state.figures = figures
        return prometheus_client.generate_latest(self._registry)


def _without_creation_times() -> None:
    """In the whole process: the library would tell of each series when it began as another series."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's is not typed


class _State(Collector):
    """What was read last."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.figures: Sequence[Figure] = ()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        build = Figure(BUILD, 1.0, (self._service.value, __version__))
        yield from _grouped(self._service, (build, *self.figures))


def _grouped(
    service: Service, figures: Iterable[Figure]
) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    """By metric. Raises ValueError for a figure that the service may not tell."""
    found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
    for figure in figures:
        family = figure.family
        if service not in family.services or not family.is_read:
            raise ValueError(f"{service} told {family.name}, which is not read from its state")
        if family.name not in found:
            made = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
            found[family.name] = made(family.name, family.help, labels=family.labels)
        found[family.name].add_metric(figure.labels, figure.value)
    yield from found.values()
