"""A pool of nodes of one kind: what a person writes, and what each of its nodes offers."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from headrace.model.amounts import countable, listed, resource_name, spelt
from headrace.model.function import MAX_QUANTITY_LENGTH, MOST, MOST_ENTRIES, Quantity, Seconds
from headrace.model.gpu_sharing import VENDOR, PoolGpus
from headrace.model.labels import DEVICE_PLUGIN_CONFIG
from headrace.model.metadata import Name, ObjectMetadata
from headrace.model.quantity import QUANTITY_PATTERN, parse_nanos
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS, ResourceList
from headrace.model.value import ConsistentValue, Value

_MOST_RESOURCES = 16  # that a pool names: the API server bounds what its rules may cost
# What a node has where its pool does not say: the kubelet's own bound, and the disk of a plain cloud node.
UNSAID = {PODS: "110", EPHEMERAL_STORAGE: "20Gi"}


Amount = Annotated[
    Quantity,
    BeforeValidator(spelt),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": QUANTITY_PATTERN, "maxLength": MAX_QUANTITY_LENGTH},
            ]
        }
    ),
]
Amounts = Annotated[
    Mapping[Annotated[str, AfterValidator(resource_name)], Amount],
    Field(max_length=_MOST_RESOURCES),
    AfterValidator(countable),
]
Command = Annotated[tuple[str, ...], Field(min_length=1)]  # a program and its arguments


class Driver(StrEnum):
    """What sees and switches the nodes."""

    EKS = "eks"
    POWER = "power"  # IPMI, Wake-on-LAN, SSH
    KWOK = "kwok"  # simulated nodes on a real API server
    STATIC = "static"  # nodes that are always on
    LOCAL = "local"  # this machine, always on
    MEMORY = "memory"  # simulation


class Provides(StrEnum):
    """What a pool is switched on for."""

    NODES = "nodes"  # workers run on them
    GPU_SERVERS = "gpuServers"  # they serve GPUs to workers elsewhere


class TaintEffect(StrEnum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Hook(StrEnum):
    """A moment of a node's life at which a person's command is run; CLUES' name beside it.

    CLUES' REQUEST has no counterpart: a function's files are no request for a node.
    """

    PRE_POWER_ON = "prePowerOn"  # PRE_POWERON: before the order is given
    POST_POWER_ON = "postPowerOn"  # POST_POWERON: the order was given
    POWERED_ON = "poweredOn"  # POWEREDON: seen on as ordered
    PRE_POWER_OFF = "prePowerOff"  # PRE_POWEROFF: before the order is given
    POST_POWER_OFF = "postPowerOff"  # POST_POWEROFF: the order was given
    POWERED_OFF = "poweredOff"  # POWEREDOFF: seen off as ordered
    UNEXPECTED_POWER_ON = "unexpectedPowerOn"  # UNEXPECTED_POWERON: nobody here ordered it
    UNEXPECTED_POWER_OFF = "unexpectedPowerOff"  # UNEXPECTED_POWEROFF: it should be on
    POWER_ON_FAILED = "powerOnFailed"  # OFFERR: not on in time
    POWER_OFF_FAILED = "powerOffFailed"  # ONERR: not off in time
    UNKNOWN = "unknown"  # UNKNOWN: its driver can't say
    IDLE = "idle"  # IDLE: its last file was done
    BUSY = "busy"  # USED: a worker on it has a file


class Taint(Value):
    """As on a Kubernetes node."""

    key: str = Field(min_length=1, description="the taint's key")
    value: str = Field(default="", description="the taint's value")
    effect: TaintEffect = Field(description="what it does to pods that do not tolerate it")


class PowerSpec(Value):
    """How hosts of a pool with driver `power` are found and switched; the inventory says by what."""

    hosts: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.:&!*,-]*)?$",
        max_length=253,
        description="which of the inventory's hosts, as an Ansible pattern; none: the group that is named as "
        "the pool, with _ for each -",
    )
    at_once: int = Field(
        default=5, ge=1, le=MOST, description="hosts that are being switched at once, at most"
    )
    state_seconds: Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=30.0, gt=0, description="between two looks at how all hosts are"
    )
    order_seconds: Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=900.0, gt=0, description="how long an order may take; then it is given anew"
    )


class EksSpec(Value):
    """Which nodes of the stack's cluster on AWS are those of a pool with driver `eks`."""

    node_group: str = Field(
        pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,62}$",
        description="the managed node group whose instances are this pool's nodes, and no other pool's",
    )


class PoolMetadata(ObjectMetadata):
    """What names a pool."""

    name: Name = Field(description="the pool's name")


class NodePoolSpec(ConsistentValue):
    """The `spec` of a pool."""

    driver: Driver = Field(description="what sees and switches the nodes")
    provides: Provides = Field(
        default=Provides.NODES, description="`nodes` for workers, or `gpuServers` that serve remote GPUs"
    )
    capacity: Amounts = Field(
        min_length=1,
        description="what one node has, by resource, as Kubernetes quantities; unsaid: 110 pods and 20Gi of "
        "ephemeral-storage",
    )
    reserved: Amounts = Field(
        default_factory=dict, description="what the system and daemon sets take of each node, by resource"
    )
    gpu: PoolGpus | None = Field(
        default=None,
        description="the GPUs of one node and how they are shared out, instead of naming them in `capacity`",
    )
    power: PowerSpec | None = Field(
        default=None, description="with driver `power`: which hosts, and how they are switched"
    )
    eks: EksSpec | None = Field(default=None, description="with driver `eks`, required there: which nodes")
    labels: Mapping[str, str] = Field(
        default_factory=dict, max_length=MOST_ENTRIES, description="labels of each node"
    )
    taints: tuple[Taint, ...] = Field(default=(), description="taints of each node")
    price_per_hour: Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=1.0, ge=0, description="of one node; in any currency, the same for all pools"
    )
    boot_seconds: Seconds = Field(
        default=150.0, ge=0, description="from order to use, before any boot was seen; learned from then on"
    )
    min_nodes: int = Field(default=0, ge=0, le=MOST, description="nodes kept on while nothing waits")
    max_nodes: int = Field(ge=1, le=MOST, description="nodes, at most")
    spare_nodes: int = Field(default=0, ge=0, le=MOST, description="idle nodes kept on beyond what is needed")
    max_booting: int = Field(default=0, ge=0, le=MOST, description="nodes on their way at once; 0: no limit")
    hooks: Mapping[Hook, Command] = Field(
        default_factory=dict,
        description="moment -> a program and its arguments, run with HEADRACE_NODE and HEADRACE_POOL set",
    )

    def _faults(self) -> Iterator[str]:
        yield from self._beyond_most()
        yield from self._unfit_for_driver()
        yield from self._unfit_amounts()

    def _beyond_most(self) -> Iterator[str]:
        for name, count in (("minNodes", self.min_nodes), ("spareNodes", self.spare_nodes)):
            if count > self.max_nodes:
                yield (
                    f"found {name} {count} above maxNodes {self.max_nodes}, allowed {name} <= maxNodes; "
                    "lower one or raise the other"
                )

    def _unfit_for_driver(self) -> Iterator[str]:
        if self.driver in (Driver.LOCAL, Driver.STATIC) and self.min_nodes != self.max_nodes:
            yield (
                f"found minNodes {self.min_nodes} and maxNodes {self.max_nodes}, allowed the same number "
                f"with driver {self.driver}, whose nodes are always on; set both to how many there are"
            )
        if self.driver is Driver.LOCAL and self.max_nodes > 1:
            yield f"found maxNodes {self.max_nodes}, allowed 1 with driver local, this machine; set it to 1"
        if self.power is not None and self.driver is not Driver.POWER:
            yield (
                f"found power with driver {self.driver}, allowed with driver power, which it is for; drop "
                "it, or set the driver to power"
            )
        if (self.eks is not None) is not (self.driver is Driver.EKS):
            found = "eks" if self.eks is not None else "no eks"
            yield (
                f"found {found} with driver {self.driver}, allowed with driver eks, and only there; write "
                "eks.nodeGroup beside driver eks, or drop it"
            )

        if (self.eks is not None) is not (self.driver is Driver.EKS):
            found = "eks" if self.eks is not None else "no eks"
            yield (
                f"found {found} with driver {self.driver}, allowed with driver eks, and only there; write "
                "eks.nodeGroup beside driver eks, or drop it"
            )

    def _unfit_amounts(self) -> Iterator[str]:
        for name in (CPU, MEMORY):
            if self.provides is Provides.NODES and name not in self.capacity:
                yield f"found no {name} in capacity, allowed nodes that have it; write what one node has"
        for name in self.capacity if self.gpu is not None else ():
            if name.startswith(VENDOR):
                yield f"found {name} in capacity beside gpu, allowed one of them; drop it from capacity"
        full = {**UNSAID, **self.capacity}
        for name, amount in self.reserved.items():
            if parse_nanos(amount) > parse_nanos(full.get(name, "0")):
                yield (
                    f"found more {name} in reserved than in capacity, allowed reserved <= capacity; "
                    "lower one or raise the other"
                )


class NodePool(Value):
    """One pool."""

    api_version: Literal["headrace.dev/v1alpha1"] = Field(description="the version of this format")
    kind: Literal["NodePool"] = Field(description="the kind of the object")
    metadata: PoolMetadata = Field(description="the pool's name")
    spec: NodePoolSpec = Field(description="what its nodes are, and how many there may be")

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def hosts(self) -> str:
        """Which hosts of the inventory are its nodes, with driver `power`: an Ansible pattern."""
        named = self.spec.power.hosts if self.spec.power else ""
        return named or self.name.replace("-", "_")

    @property
    def allocatable(self) -> ResourceList:
        """What workers may use of one node: its capacity and GPUs without what is reserved."""
        gpus = self.spec.gpu.offers if self.spec.gpu else ()
        offered = ResourceList.of({offer.resource: offer.count for offer in gpus})
        return listed({**UNSAID, **self.spec.capacity}).minus(listed(self.spec.reserved)).plus(offered)

    @property
    def node_labels(self) -> Mapping[str, str]:
        """The labels of each node: its author's, and the one by which the device plugin shares its GPUs."""
        gpu = self.spec.gpu
        chosen = {DEVICE_PLUGIN_CONFIG: self.name} if gpu is not None and gpu.sharing is not None else {}
        return {**chosen, **self.spec.labels}
