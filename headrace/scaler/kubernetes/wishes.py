"""What people want of nodes, as annotations of the nodes say it."""

from collections.abc import Mapping

from headrace.kube.mirror import Mirror
from headrace.kube.naming import annotations_of
from headrace.model.labels import ENABLED
from headrace.scaler.kubernetes.names import name_of

_WORDS = {"true": True, "false": False}


class NodeWishes:
    """See the scaler's port Wishes. `nodes`: a mirror of nodes."""

    def __init__(self, nodes: Mirror) -> None:
        self._nodes = nodes

    def enabled(self) -> Mapping[str, bool]:
        """See the port. An annotation that says neither true nor false is none."""
        said = {name_of(node): annotations_of(node).get(ENABLED, "") for node in self._nodes.items.values()}
        return {name: _WORDS[word] for name, word in said.items() if word in _WORDS}
