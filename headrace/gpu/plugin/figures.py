"""What a node's plugin tells Prometheus. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from headrace.gpu.plugin.plan import Preparation
from headrace.metrics import catalogue
from headrace.metrics.family import Figure
from headrace.model.gpu_server import Backend


def figures(prepared: Iterable[Preparation], *, is_registered: bool) -> Sequence[Figure]:
    """Of the claims that are prepared here, and whether the kubelet knows the plugin."""
    claims = Counter(each.backend for each in prepared)
    return (
        Figure(catalogue.GPU_REGISTERED, is_registered),
        *(Figure(catalogue.GPU_CLAIMS, claims[backend], (backend.value,)) for backend in Backend),
    )
