"""The objects that the scaler reads, as values: functions, pools, workers."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from headrace.catalog.deployed import function_of, pool_of
from headrace.kube.mirror import Mirror
from headrace.kube.mirrors import View
from headrace.kube.naming import is_ending
from headrace.kube.parsed import Parsed
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, digest_of
from headrace.model.judging import judge
from headrace.model.pool import NodePool
from headrace.model.settings import KubernetesSettings
from headrace.scaler.kubernetes.pods import WorkerPod, worker_pod_of


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function, the digest of its spec, and whether the controller has made ready what its workers need."""

    function: Function
    digest: str
    ready: bool


class Functions:
    """The functions among Function objects; of those of a tenant, those that it may have."""

    def __init__(self, view: View, place: KubernetesSettings) -> None:
        self._parsed = Parsed(view, partial(_deployed_of, place), mark=_mark_of_function)
        self._of: Sequence[Deployed] = ()
        self._by_name: Mapping[str, Deployed] = {}

    @property
    def by_name(self) -> Mapping[str, Deployed]:
        """By their names where tenants meet."""
        values = self._parsed.values
        if values is not self._of:
            self._of, self._by_name = values, {each.function.name: each for each in values}
        return self._by_name


def pools_in(mirror: Mirror) -> Parsed[NodePool]:
    """The pools of a mirror of NodePool objects."""
    return Parsed(mirror, lambda pool: None if is_ending(pool) else pool_of(pool))


class Workers(Parsed[WorkerPod]):
    """The workers among the pods of a mirror, also those that are ending.

    Those of namespaces whose functions can't be seen are out of reach: it is not known what they are for.
    """

    def __init__(self, mirror: Mirror, place: KubernetesSettings, functions: View) -> None:
        super().__init__(
            mirror, partial(_worker_of, {each: place.tenant_in(each) for each in place.namespaces})
        )
        self._place = place
        self._functions = functions

    @property
    def values(self) -> Sequence[WorkerPod]:
        """In the order of names; the very same as before while nothing has changed and all can be seen."""
        found, hidden = super().values, self._functions.left_out
        return [self._marked(each, hidden) for each in found] if hidden else found

    def _marked(self, pod: WorkerPod, hidden: Collection[str]) -> WorkerPod:
        is_hidden = self._place.namespace_of(pod.function) in hidden
        return replace(pod, out_of_reach=True) if is_hidden else pod


def _worker_of(tenants: Mapping[str, str], pod: Manifest) -> WorkerPod | None:
    tenant = tenants.get(pod["metadata"]["namespace"])
    return None if tenant is None else worker_pod_of(pod, tenant)


def _deployed_of(place: KubernetesSettings, manifest: Manifest) -> Deployed | None:
    """A Function object as workers see it; one that is ending gets none. Raises ConfigurationError."""
    if is_ending(manifest):
        return None
    function = function_of(manifest, place)
    if refusal := judge(function, place):
        raise ConfigurationError(refusal)
    digest = digest_of(function, {})
    return Deployed(function, digest, ready=_ready_digest(manifest) == digest)


def _mark_of_function(manifest: Manifest) -> Hashable:
    """Figures in its status change all the time, and are no change of the function."""
    return manifest["metadata"].get("generation"), is_ending(manifest), _ready_digest(manifest)


def _ready_digest(manifest: Manifest) -> str:
    digest: str = (manifest.get("status") or {}).get("digest", "")
    return digest
