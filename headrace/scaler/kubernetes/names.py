"""By which name the scaler knows a node: a cloud's Node object bears another, and a label says which."""

from collections.abc import Mapping

from headrace.kube.mirror import Mirror
from headrace.kube.naming import labels_of
from headrace.kube.port import Manifest
from headrace.model.labels import NODE


def name_of(node: Manifest) -> str:
    """The name by which the scaler starts and stops it."""
    return labels_of(node).get(NODE) or str(node["metadata"]["name"])


class NodeNames:
    """Both ways, as a mirror of nodes shows them. Whoever is not there is known by its own name."""

    def __init__(self, nodes: Mirror) -> None:
        self._nodes = nodes
        self._revision = -1
        self._known: Mapping[str, str] = {}
        self._objects: Mapping[str, str] = {}

    def known(self, node: str) -> str:
        """The scaler's name of a Node object."""
        self._look()
        return self._known.get(node, node)

    def object(self, name: str) -> str:
        """The name of the Node object that the scaler knows by `name`; of several, of the newest."""
        self._look()
        return self._objects.get(name, name)

    def _look(self) -> None:
        if self._nodes.revision == self._revision:
            return
        self._revision = self._nodes.revision
        marked = [node for node in self._nodes.items.values() if labels_of(node).get(NODE)]
        marked.sort(key=lambda node: str(node["metadata"].get("creationTimestamp", "")))
        self._known = {node["metadata"]["name"]: name_of(node) for node in marked}
        self._objects = {name_of(node): node["metadata"]["name"] for node in marked}
