"""Secrets onto a cluster; whoever reads them restarts. What a run leaves undone, the next one does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headrace.kube.kinds import DAEMON_SETS, DEPLOYMENTS, NAMESPACES, SECRETS, STATEFUL_SETS, Kind
from headrace.kube.naming import Key, annotations_of, key_of, version_of
from headrace.kube.port import Kube, Manifest, Selection
from headrace.model.errors import ChangedError, ConfigurationError, NotFoundError
from headrace.model.labels import GROUP
from infra.gitops.claiming import MANAGER, Claim, another_came
from infra.gitops.making import FROM, Wanted, is_reader
from infra.manifests.parts import SETTINGS_MARK

UNREAD = f"{GROUP}/unread"  # on a Secret that changed, until its readers were told to restart
# What `kubectl rollout restart` writes; Flux and Argo CD leave it alone.
RESTARTED = "kubectl.kubernetes.io/restartedAt"
_WORKLOADS: Mapping[str, Kind] = {each.name: each for each in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS)}


class Change(StrEnum):
    """What became of a Secret."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "unchanged"
    GONE = "removed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, by namespace and name; `restarted`: workloads as Kind namespace/name."""

    changes: Mapping[Key, Change]
    restarted: Sequence[str]


async def found(kube: Kube, namespace: str, name: str) -> Manifest | None:
    """A Secret, if it is there."""
    return await _got(kube, SECRETS, namespace, name)


async def refuse_foreign(kube: Kube, wanted: Wanted) -> None:
    """Raises ConfigurationError where a Secret is there that was not made for this stack by this command."""
    there = [await found(kube, *key_of(each)) for each in wanted.secrets]
    foreign = [each for each in there if each and annotations_of(each).get(FROM) != wanted.origin]
    if foreign:
        names = ", ".join("/".join(key_of(each)) for each in foreign)
        raise ConfigurationError(
            f"secrets of {wanted.origin}: found {names}, which this command did not make, allowed its own: "
            "where `pulumi up` keeps them, leave them to it. To put others in their place, and restart all "
            "that reads them, take --take-over"
        )


async def apply(kube: Kube, wanted: Wanted, before: Manifest | None, moment: str) -> Outcome:
    """Have the cluster hold what is wanted; `before`: the Secret of credentials that it was made from.

    `moment`: now, as ISO 8601. Raises ConfigurationError where another run came between, and what the port
    says.
    """
    for each in wanted.namespaces:
        await _create_once(kube, each)
    claim = Claim(kube, wanted.credentials, before)
    await claim.keep()
    put = {key_of(each): await _put(kube, each, claim) for each in wanted.secrets}
    changes = {key: each.change for key, each in put.items()}
    restarted = await _restart(kube, wanted, changes, moment)
    for each in wanted.secrets:
        if changes[key_of(each)] is Change.CHANGED:
            await _write(kube, each, put[key_of(each)].version)  # without the mark
    gone = await _remove_stale(kube, wanted, claim)
    await claim.check()
    return Outcome(changes | gone, restarted)


async def _create_once(kube: Kube, namespace: Manifest) -> None:
    """Files may come after their secrets; what they say of the namespace stays theirs."""
    if await _got(kube, NAMESPACES, "", key_of(namespace)[1]) is None:
        await kube.create(NAMESPACES, namespace)


@dataclass(frozen=True, slots=True)
class _Put:
    """What became of a Secret, and its version after that."""

    change: Change
    version: str


async def _put(kube: Kube, secret: Manifest, claim: Claim) -> _Put:
    """The Secret as wanted; one that changed is marked until its readers know."""
    namespace, name = key_of(secret)
    there = await _got(kube, SECRETS, namespace, name)
    notes = annotations_of(secret)
    if there and there.get("data") == secret["data"] and _own_notes(there) == notes:
        return _Put(Change.SAME, version_of(there))
    await claim.hold()  # after the Secret was read: another run's later write changes its version
    if there is None:
        return _Put(Change.NEW, await _write(kube, secret, ""))
    marked = {**secret, "metadata": {**secret["metadata"], "annotations": {**notes, UNREAD: "true"}}}
    return _Put(Change.CHANGED, await _write(kube, marked, version_of(there)))


async def _write(kube: Kube, secret: Manifest, version: str) -> str:
    """Its version after that; `version`: the one that it has to have, empty: none."""
    condition = {"resourceVersion": version} if version else {}
    try:
        written = await kube.apply(
            SECRETS, {**secret, "metadata": {**secret["metadata"], **condition}}, manager=MANAGER
        )
    except ChangedError as error:
        raise another_came(secret) from error
    return version_of(written)


def _own_notes(secret: Manifest) -> Mapping[str, str]:
    return {key: value for key, value in annotations_of(secret).items() if key in (FROM, UNREAD)}


async def _restart(kube: Kube, wanted: Wanted, changes: Mapping[Key, Change], moment: str) -> Sequence[str]:
    changed = [key for key, change in changes.items() if change is Change.CHANGED]
    readers = [each for each in wanted.workloads if any(is_reader(each, *key) for key in changed)]
    told = [await _restarted(kube, each, moment) for each in readers]
    return [each for each in told if each]


async def _restarted(kube: Kube, workload: Manifest, moment: str) -> str:
    """Restart it where it is as in the files already; otherwise they are yet to come, and restart it."""
    kind, (namespace, name) = _WORKLOADS[workload["kind"]], key_of(workload)
    there = await _got(kube, kind, namespace, name)
    if there is None or _mark(there) != _mark(workload):
        return ""
    change = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: moment}}}}}
    await kube.patch(kind, name, change, namespace=namespace)
    return f"{kind.name} {namespace}/{name}"


def _mark(workload: Manifest) -> str | None:
    return annotations_of(workload["spec"]["template"]).get(SETTINGS_MARK)


async def _remove_stale(kube: Kube, wanted: Wanted, claim: Claim) -> dict[Key, Change]:
    """Secrets that an earlier run made for this stack, and that it no longer wants."""
    own = [*wanted.secrets, *([wanted.credentials] if wanted.credentials else ())]
    keys = {key_of(each) for each in own}
    gone = {}
    for namespace in sorted(wanted.spaces):
        for each in (await kube.list(SECRETS, Selection(namespace))).items:
            if annotations_of(each).get(FROM) == wanted.origin and key_of(each) not in keys:
                await claim.hold()
                await kube.delete(SECRETS, key_of(each)[1], namespace=namespace)
                gone[key_of(each)] = Change.GONE
    return gone


async def _got(kube: Kube, kind: Kind, namespace: str, name: str) -> Manifest | None:
    try:
        return await kube.get(kind, name, namespace=namespace or None)
    except NotFoundError:
        return None
