"""How a node is emptied before it goes: cordoned, then drained; for every driver that stops nodes.

The order stands in the node's object, so that whoever leads next completes it. A pass does what can be done
now and waits for nothing; it is repeated until the node is empty. Every pod is asked to leave but those that
belong to the node itself. Budgets are respected for good; a pod that was told to end and does not holds a
node no longer than the bound.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.kube.kinds import NODES
from headrace.kube.naming import is_ending, key_of, uid_of
from headrace.kube.port import Kube, Manifest
from headrace.model import labels
from headrace.model.errors import ChangedError, NotFoundError, TransientError
from headrace.nodes.cluster import is_over, stays, stopping_since

DRAIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Drain:
    """How far a node is. `asked`: pods that may leave and have not; `ending`: pods that were told to end."""

    asked: tuple[Manifest, ...]
    ending: tuple[Manifest, ...]
    overdue: bool

    @property
    def done(self) -> bool:
        """Whether the node may go."""
        return not self.asked and (self.overdue or not self.ending)

    @property
    def told(self) -> str:
        """The pods that are left, for people; at most ten."""
        names = ["/".join(key_of(pod)) for pod in (*self.asked, *self.ending)]
        return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def drain_of(node: Manifest, pods: Iterable[Manifest], *, now: float, bound: float = DRAIN_SECONDS) -> Drain:
    """What is left on a node; `now`: seconds since the epoch, `bound`: seconds from the order on."""
    left = [pod for pod in pods if not is_over(pod) and not stays(pod)]
    ending = tuple(pod for pod in left if is_ending(pod))
    asked = tuple(pod for pod in left if not is_ending(pod))
    since = stopping_since(node)
    return Drain(asked, ending, overdue=since is not None and now - since > bound)


async def cordon(kube: Kube, node: Manifest, *, now: float) -> Manifest | None:
    """Write down the order to stop that very node, and keep pods off it; None where it is gone."""
    change = {
        "metadata": {"uid": uid_of(node), "annotations": {labels.STOPPING: f"{now:.3f}"}},
        "spec": {"unschedulable": True},
    }
    try:
        return await kube.patch(NODES, node["metadata"]["name"], change)
    except (NotFoundError, ChangedError):
        return None  # that node is gone; what bears its name now was not meant


async def evict(kube: Kube, drain: Drain) -> str:
    """Ask all to leave; why some can't now, or nothing. Raises ConfigurationError where we may not ask."""
    refused = []
    for pod in drain.asked:
        namespace, name = key_of(pod)
        try:
            await kube.evict(name, namespace=namespace, uid=uid_of(pod))
        except ChangedError:
            continue  # it is gone
        except TransientError as error:
            refused.append(str(error))
    return "; ".join(refused)
