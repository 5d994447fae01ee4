"""What a person configures of a platform: a stack's values as one strict model, defaults and rules included.

Each key stands in stacks/Pulumi.<stack>.yaml as `headrace:<key>`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from headrace.model.bucket import BucketName, OnBucketDelete
from headrace.model.function import Name, Profile, Quantity
from headrace.model.gpu_server import GpuServerSpec
from headrace.model.metadata import Namespace
from headrace.model.pool import Driver, NodePoolSpec
from headrace.model.value import Value
from infra import versions
from infra.host_settings import HostSettings
from infra.kubeconfig import ClusterUid, is_content
from infra.ranges import EVERYWHERE, Range


class ServiceType(StrEnum):
    """How a Kubernetes service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Images(Value):
    """Images by reference; a digest behind them pins what runs."""

    headrace: str = Field(
        default="", description="the services' image; empty: this version's, by imageRegistry"
    )
    nats: str = Field(default=versions.NATS, min_length=1, description="the queue's server")
    seaweedfs: str = Field(default=versions.SEAWEEDFS, min_length=1, description="the store's server")


class Disk(Value):
    """A volume that is claimed for a server."""

    storage: Quantity = Field(description="its size; it may grow later where the class allows that")
    storage_class: str = Field(
        default="",
        description="the class; empty: the cluster's default. Read when the volume is made, not later",
    )


class Entrance(Value):
    """How something is reached from outside the platform."""

    service: ServiceType = Field(default=ServiceType.CLUSTER_IP, description="the type of its service")
    clients: tuple[Range, ...] = Field(
        default=(), description="address ranges that may connect, besides the platform's own pods"
    )


class SeaweedStore(Value):
    """A SeaweedFS server that the stack runs."""

    disk: Disk = Field(default=Disk(storage="20Gi"), description="where the objects lie")
    entrance: Entrance = Field(default=Entrance(), description="who else may reach S3")


class GivenStore(Value):
    """An S3 endpoint that is there already."""

    endpoint: str = Field(pattern=r"^https?://[^/\s]+$", description="http(s)://host:port")
    region: str = Field(default="us-east-1", description="the region that requests are signed for")
    access_key: str = Field(min_length=1, description="the key's name")
    secret_key: str = Field(
        min_length=1, repr=False, description="set it with `pulumi config set --secret --path`"
    )
    addresses: tuple[Range, ...] = Field(
        default=EVERYWHERE, min_length=1, description="address ranges where the endpoint is"
    )


class Store(Value):
    """Where objects are: exactly one of the two."""

    seaweedfs: SeaweedStore | None = Field(default=None, description="a server that the stack runs")
    s3: GivenStore | None = Field(default=None, description="an endpoint that is there already")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        found = [name for name in ("seaweedfs", "s3") if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, allowed exactly one of seaweedfs, s3; "
                "write one of them"
            )
        return self


class Queue(Value):
    """The NATS server."""

    disk: Disk = Field(default=Disk(storage="5Gi"), description="where the tasks lie")


class Replicas(Value):
    """A service of which one replica leads and the others stand by."""

    replicas: int = Field(default=2, ge=1, le=5, description="pods at once")


class Receiver(Replicas):
    """The receiver of notifications; every replica takes them."""

    listing_seconds: float = Field(
        default=300.0, gt=0, allow_inf_nan=False, description="between two listings"
    )
    entrance: Entrance = Field(default=Entrance(), description="who else may notify it")


class BucketSettings(Value):
    """A bucket of the stack."""

    name: BucketName | None = Field(default=None, description="its name in the store; none: the logical one")


class PlatformBucket(Value):
    """The bucket of records and staged outputs."""

    name: BucketName = Field(default="headrace", description="its name in the store")
    on_delete: OnBucketDelete = Field(
        default=OnBucketDelete.REFUSE,
        description="`refuse`: `pulumi destroy` stops at once while any bucket of the stack holds data; "
        "`delete`: the data goes too",
    )


class RcudaClient(Value):
    """rCUDA's client tree on the nodes: the operator's own archive, unpacked; Headrace brings none."""

    folder: str = Field(default="/opt/rcuda", pattern=r"^/", description="where it is, with lib/ in it")
    protocol: Literal["TCP", "IB"] | None = Field(
        default=None, description="what versions before 20.07 must be told; none: a later version"
    )


class RemoteGpus(Value):
    """GPUs of servers, published to Kubernetes by Headrace's DRA driver."""

    networks: tuple[Range, ...] = Field(
        min_length=1,
        description="address ranges of the GPU servers, which have no authentication of their own: only "
        "workers with remote GPUs, the publisher and the nodes' plugins may connect there",
    )
    servers: Mapping[Name, GpuServerSpec] = Field(
        default_factory=dict,
        description="servers by name, each the `spec` of a GpuServer, besides those that Ansible writes",
    )
    namespace: Namespace = Field(
        default="headrace-gpu",
        description="of the nodes' plugins: they write to folders of their nodes, which Kubernetes lets only "
        "a namespace without a pod security standard do",
    )
    kubelet: str = Field(default="/var/lib/kubelet", pattern=r"^/", description="the kubelets' root folder")
    node_selector: Mapping[str, str] = Field(
        default_factory=dict, description="labels of the nodes that have a plugin; none: all"
    )
    rcuda: RcudaClient = Field(default=RcudaClient(), description="rCUDA's client on the nodes")
    lupine: str = Field(default="/opt/lupine", pattern=r"^/", description="Lupine's client on the nodes")
    replicas: int = Field(default=2, ge=1, le=5, description="publishers at once, of which one leads")


class DevicePlugin(Value):
    """NVIDIA's device plugin, which the stack does not install but tells how GPUs are shared."""

    namespace: Namespace = Field(description="where it runs, and so where its configuration has to be")
    config_map: str = Field(
        default="headrace-device-plugin",
        min_length=1,
        description="the configuration's name, which the plugin is to be started with (config.name)",
    )


class Network(Value):
    """Where pods of the platform may connect to beyond one another."""

    api_server: tuple[Range, ...] = Field(
        default=EVERYWHERE, min_length=1, description="address ranges of the API server"
    )
    api_server_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        default=(443, 6443), min_length=1, description="its ports, behind the service and in front of it"
    )
    dns: tuple[Range, ...] = Field(
        default=(), description="address ranges of name servers that are no pods of kube-system"
    )


class Rotation(Value):
    """Raise a number, and `pulumi up` makes those secrets anew and restarts what uses them."""

    passwords: int = Field(default=1, ge=1, description="the queue's and the store's passwords, the tokens")
    authority: int = Field(default=1, ge=1, description="the authority, and so every certificate")
    certificates: int = Field(default=1, ge=1, description="the servers' certificates")


class StackSettings(Value):
    """A platform."""

    kubeconfig: str = Field(
        min_length=1,
        repr=False,
        description="path of a kubeconfig, or (as a secret) its content; never an ambient one",
    )
    context: str = Field(min_length=1, description="the context in it")
    cluster_uid: ClusterUid = ""
    namespace: Namespace = Field(default="headrace", description="of the services, the queue and the store")
    functions_namespace: Namespace = Field(
        default="headrace-functions", description="of functions, their buckets, secrets and workers"
    )
    functions_security: Profile = Field(
        default=Profile.RESTRICTED,
        description="the pod security standard that the functions' namespace enforces",
    )
    image_registry: str = Field(
        default="",
        description="where `make images` pushed to; empty: what it calls an image that is only here",
    )
    images: Images = Field(default=Images(), description="images by reference")
    image_pull_secrets: tuple[str, ...] = Field(
        default=(), description="secrets for the registry, which are there in both namespaces"
    )
    queue: Queue = Field(default=Queue(), description="the queue")
    store: Store = Field(default=Store(seaweedfs=SeaweedStore()), description="the store")
    receiver: Receiver = Field(default=Receiver(), description="the receiver of notifications")
    scaler: Replicas = Field(default=Replicas(), description="what decides on workers and nodes")
    controller: Replicas = Field(default=Replicas(), description="what makes functions' objects real")
    platform_bucket: PlatformBucket = Field(default=PlatformBucket(), description="the platform's own bucket")
    buckets: Mapping[BucketName, BucketSettings] = Field(
        default_factory=dict, description="buckets by logical name whose name in the store differs"
    )
    pools: Mapping[Name, NodePoolSpec] = Field(
        default_factory=dict, description="node pools by name, each the `spec` of a NodePool"
    )
    remote_gpus: RemoteGpus | None = Field(
        default=None, description="GPUs of servers for workers elsewhere; none: there are none"
    )
    device_plugin: DevicePlugin | None = Field(
        default=None, description="NVIDIA's device plugin; needed where a pool shares its GPUs"
    )
    hosts: HostSettings | None = Field(
        default=None,
        description="hosts on premises that Ansible sets up before the rest; none: there are none",
    )
    network: Network = Field(default=Network(), description="where the platform may connect to")
    rotation: Rotation = Field(default=Rotation(), description="when secrets were last made anew")
    wait: bool = Field(default=True, description="whether `pulumi up` waits until everything is ready")
    protect: bool = Field(
        default=False,
        description="whether Pulumi refuses to delete or replace what holds data, empty or not: namespaces, "
        "kinds, queue and store with their volumes, the platform's bucket. Write true for production",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = tuple(self._faults())
        if faults:
            raise ValueError("; and ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.namespace == self.functions_namespace:
            yield (
                f"found {self.namespace!r} as namespace and as functionsNamespace, allowed two different "
                "ones; rename one"
            )
        yield from self._gpu_faults()
        real = list(self.bucket_names.values())
        for logical, name in self.bucket_names.items():
            if name == self.platform_bucket.name:
                yield (
                    f"found buckets.{logical} at {name!r}, which is the platform's own; rename one of them"
                )
            elif real.count(name) > 1:
                yield f"found buckets.{logical} at {name!r}, where another bucket is too; rename one of them"

    def _gpu_faults(self) -> Iterator[str]:
        sharing = [name for name, pool in self.pools.items() if pool.gpu and pool.gpu.sharing]
        if sharing and self.device_plugin is None:
            yield (
                f"found pools that share their GPUs ({', '.join(sharing)}) and no devicePlugin, allowed with "
                "one; write the namespace of NVIDIA's device plugin there"
            )
        gpus = self.remote_gpus
        if gpus is not None and gpus.namespace in (self.namespace, self.functions_namespace):
            yield (
                f"found remoteGpus.namespace {gpus.namespace!r}, which is another of the stack's, allowed "
                "one of its own; rename it"
            )
        for name, server in (gpus.servers if gpus else {}).items():
            if server.pool is not None and server.pool not in self.pools:
                yield (
                    f"found remoteGpus.servers.{name} in pool {server.pool!r}, allowed "
                    f"{', '.join(self.pools) or 'none, as there are no pools'}; add the pool or name another"
                )
        yield from self._host_faults()

    def _host_faults(self) -> Iterator[str]:
        for name, pool in self.pools.items():
            if pool.driver is Driver.POWER and (self.hosts is None or self.hosts.power is None):
                yield (
                    f"found pools.{name} with driver power and no hosts.power, allowed with it; write "
                    "hosts.power, by which the scaler reaches the hosts"
                )
        names = self.hosts.gpu_servers if self.hosts else ()
        if names and self.remote_gpus is None:
            yield (
                f"found hosts.gpuServers ({', '.join(names)}) and no remoteGpus, allowed with it; write "
                "remoteGpus.networks, which says where the servers are"
            )
        for name in names:
            if self.remote_gpus and name in self.remote_gpus.servers:
                yield (
                    f"found {name} in hosts.gpuServers and in remoteGpus.servers, allowed in one; take one "
                    "out"
                )

    @property
    def bucket_names(self) -> dict[str, str]:
        """Logical name -> name in the store, where they are configured."""
        return {logical: bucket.name or logical for logical, bucket in self.buckets.items()}

    @property
    def protected_names(self) -> dict[str, str]:
        """Names that a protected stack keeps, by setting: under others it would be another, empty one."""
        names = {
            "namespace": self.namespace,
            "functionsNamespace": self.functions_namespace,
            "platformBucket.name": self.platform_bucket.name,
        }
        return names if self.protect else {}

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """Keys that hold a secret with these values."""
        found = {
            "kubeconfig": is_content(self.kubeconfig),
            "store": self.store.s3 is not None,
            "hosts": self.hosts is not None and self.hosts.holds_secrets,
        }
        return tuple(key for key, holds in found.items() if holds)

    @property
    def headrace_image(self) -> str:
        """The services' image."""
        return self.images.headrace or versions.headrace(self.image_registry)

    @property
    def static_pools(self) -> tuple[str, ...]:
        """Pools whose nodes are always on, in order of names."""
        return tuple(sorted(name for name, pool in self.pools.items() if pool.driver is Driver.STATIC))
