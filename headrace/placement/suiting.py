"""Which pools suit a function, and what a worker of it needs of a node: Kubernetes' rules."""

from collections.abc import Iterable

from headrace.model.function import Function, Resources
from headrace.model.pods import Toleration
from headrace.model.pool import NodePool, Provides, Taint, TaintEffect
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS, ResourceList
from headrace.placement.ways import Way


def tolerates(tolerations: Iterable[Toleration], taint: Taint) -> bool:
    """Whether one of the tolerations matches the taint.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: Toleration, taint: Taint) -> bool:
    return (
        toleration.effect in (None, taint.effect.value)
        and toleration.key in (None, "", taint.key)
        and (toleration.operator == "Exists" or (toleration.value or "") == taint.value)
    )


def tolerations_of(function: Function, way: Way) -> tuple[Toleration, ...]:
    """The function's own, and those of the taints that are keyed by the device which its workers request.

    As Kubernetes' admission plugin ExtendedResourceToleration adds them, which not every cluster runs.
    https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#extendedresourcetoleration
    """
    own = function.spec.tolerations
    return (*own, *(each for each in way.tolerations if each not in own))


def suits(function: Function, pool: NodePool, way: Way) -> bool:
    """Whether workers that go this way may run on the pool's nodes, by labels and taints, as Kubernetes does.

    Whether there is room for one is not asked. GPU servers take no workers.
    """
    spec, tolerations = function.spec, tolerations_of(function, way)
    barring = [taint for taint in pool.spec.taints if taint.effect is not TaintEffect.PREFER_NO_SCHEDULE]
    return (
        pool.spec.provides is Provides.NODES
        and (way.pools is None or pool.name in way.pools)
        and spec.node_selector.items() <= pool.node_labels.items()
        and all(tolerates(tolerations, taint) for taint in barring)
    )


def listed(needs: Resources) -> ResourceList:
    """What a container asks for."""
    return ResourceList.of(
        {
            CPU: needs.cpu_millicores,
            MEMORY: needs.memory_bytes,
            EPHEMERAL_STORAGE: needs.ephemeral_storage_bytes,
        }
    )


def request_of(function: Function, way: Way) -> ResourceList:
    """What one worker needs of its node by this way, without the platform's sidecar."""
    return listed(function.spec.resources).plus(ResourceList.of({PODS: 1})).plus(way.request)
