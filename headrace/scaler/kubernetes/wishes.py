"""What people want of nodes, as annotations of the nodes say it, or of their pools where there is no node."""

from collections.abc import Mapping

from headrace.kube.mirror import Mirror
from headrace.kube.naming import annotations_of
from headrace.model.labels import ENABLED, enabled_of
from headrace.scaler.kubernetes.names import name_of

_WORDS = {"true": True, "false": False}
_OF_A_NODE = enabled_of("")


class NodeWishes:
    """See the scaler's port Wishes. `nodes` and `pools`: mirrors of both."""

    def __init__(self, nodes: Mirror, pools: Mirror) -> None:
        self._nodes = nodes
        self._pools = pools

    def enabled(self) -> Mapping[str, bool]:
        """See the port. An annotation that says neither true nor false is none; a node's own goes first."""
        said = {
            key.removeprefix(_OF_A_NODE): word
            for pool in self._pools.items.values()
            for key, word in annotations_of(pool).items()
            if key.startswith(_OF_A_NODE)
        }
        for node in self._nodes.items.values():
            if word := annotations_of(node).get(ENABLED):
                said[name_of(node)] = word
        return {name: _WORDS[word] for name, word in said.items() if word in _WORDS}
