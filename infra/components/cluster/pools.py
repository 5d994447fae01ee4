"""Node pools, as objects that the scaler reads."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from headrace.model.pool import NodePoolSpec
from infra.manifests.parts import written
from infra.objects import Ground, declare


@dataclass(frozen=True, slots=True)
class PoolsArgs:
    """Pools by name, and where they are declared."""

    pools: Mapping[str, NodePoolSpec]
    ground: Ground


class Pools(pulumi.ComponentResource):
    """A NodePool a pool."""

    def __init__(self, name: str, args: PoolsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Pools", name, None, opts)
        ground = args.ground.under(self, *args.ground.after)
        for pool in sorted(args.pools):
            declare(ground, written("NodePool", pool, "pools", args.pools[pool]))
        self.register_outputs({})
