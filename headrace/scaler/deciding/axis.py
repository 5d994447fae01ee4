"""Amounts of resources as rows of whole numbers, by which thousands of nodes are reckoned with fast."""

from collections.abc import Iterable

from headrace.model.resources import ResourceList
from headrace.scaler.snapshot import NodeView, PoolView


class Axis:
    """One number a resource, in the order of `names`: those that some pool has."""

    def __init__(self, pools: Iterable[PoolView]) -> None:
        by_name = {pool.name: pool.capacity for pool in pools}
        self.names = sorted({name for capacity in by_name.values() for name, _ in capacity})
        self._rows: dict[ResourceList, list[int]] = {}
        self._whole = {name: self.row(capacity) for name, capacity in by_name.items()}

    def row(self, amounts: ResourceList) -> list[int]:
        """The amounts, not to be changed. A resource that no pool has is left out: it fits nowhere anyway."""
        if amounts not in self._rows:
            self._rows[amounts] = [amounts[name] for name in self.names]
        return self._rows[amounts]

    def whole(self, node: NodeView) -> list[int]:
        """All that its pool says of a node."""
        return list(self._whole[node.pool])

    def left(self, node: NodeView) -> list[int]:
        """The same without what workers can't use of it; below nothing where that is more."""
        if not node.taken.amounts:
            return self.whole(node)
        taken = dict(node.taken)  # other on each node, so that no row of it is kept
        whole = zip(self.names, self._whole[node.pool], strict=True)
        return [amount - taken.get(name, 0) for name, amount in whole]
