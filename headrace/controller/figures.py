"""What the controller's state says to Prometheus. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.controller.census import Counts
from headrace.metrics import catalogue
from headrace.metrics.family import Figure, Service
from headrace.model.tenancy import own_name, tenant_of


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands: its objects by kind, those of them whose last turn failed, ended files by function."""

    is_leading: bool
    silent_seconds: float
    objects: Mapping[str, int]
    failing: Mapping[str, int]
    counts: Mapping[str, Counts]


def figures(standing: Standing) -> Sequence[Figure]:
    """Of objects what it sees; of turns and files what it did: only the one that leads has any."""
    own = (Service.CONTROLLER.value,)
    found = [
        Figure(catalogue.LEADING, standing.is_leading, own),
        Figure(catalogue.KUBE_SILENT, standing.silent_seconds, own),
        *(Figure(catalogue.OBJECTS, number, (kind,)) for kind, number in standing.objects.items()),
    ]
    if not standing.is_leading:
        return found
    found += [Figure(catalogue.OBJECTS_FAILING, number, (kind,)) for kind, number in standing.failing.items()]
    for function, counts in standing.counts.items():
        labels = (own_name(function), tenant_of(function))
        found.append(Figure(catalogue.FILES_DONE, counts.done, labels))
        found.append(Figure(catalogue.FILES_FAILED, counts.failed, labels))
    return found
