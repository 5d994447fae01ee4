"""What a person configures of a platform: a stack's values as one strict model, defaults and rules included.

Each key stands in stacks/Pulumi.<stack>.yaml as `headrace:<key>`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from headrace.catalog.document import Route
from headrace.model.bucket import BucketName, OnBucketDelete
from headrace.model.function import Profile
from headrace.model.labels import HEADRACE
from headrace.model.metadata import Name, Namespace
from headrace.model.pool import Driver, NodePoolSpec
from headrace.model.tenant import Tenant
from headrace.model.trace import TraceSettings
from headrace.model.value import ConsistentValue, Value
from infra import versions
from infra.aws.estate import Estate
from infra.aws_settings import AwsSettings, Protection
from infra.gpu_settings import DevicePlugin, RemoteGpus
from infra.host_settings import HostSettings
from infra.kubeconfig import ClusterUid, is_content
from infra.monitoring_settings import Monitoring
from infra.names import API, CONTROLLER, RECEIVER, SCALER, STATUS, VOLUMES
from infra.ranges import EVERYWHERE, Range
from infra.service_settings import Api, Receiver, Replicas, Status
from infra.stack_rules import faults_of, has_gpus
from infra.store_settings import BucketSettings, Disk, GivenStore, SeaweedStore, Store
from infra.tenant_settings import TenantSettings


class Images(Value):
    """Images by reference; a digest behind them pins what runs."""

    headrace: str = Field(
        default="", description="the services' image; empty: this version's, by imageRegistry"
    )
    nats: str = Field(default=versions.NATS, min_length=1, description="the queue's server")
    seaweedfs: str = Field(default=versions.SEAWEEDFS, min_length=1, description="the store's server")
    device_plugin: str = Field(
        default=versions.DEVICE_PLUGIN, min_length=1, description="NVIDIA's device plugin, on AWS"
    )


class Queue(Value):
    """The NATS server."""

    disk: Disk = Field(default=Disk(storage="5Gi"), description="where the tasks lie")


class PlatformBucket(Value):
    """The bucket of records and staged outputs."""

    name: BucketName | None = Field(
        default=None,
        description="its name in the store; none: `headrace`, on AWS one with account and region",
    )
    on_delete: OnBucketDelete = Field(
        default=OnBucketDelete.REFUSE,
        description="`refuse`: `pulumi destroy` stops at once while any bucket of the stack holds data; "
        "`delete`: the data goes too",
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


class StackSettings(ConsistentValue):
    """A platform."""

    kubeconfig: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="path of a kubeconfig, or (as a secret) its content; never an ambient one. Required, but "
        "with `aws`, where the stack makes the cluster",
    )
    context: str | None = Field(
        default=None, min_length=1, description="the context in it; required as `kubeconfig` is"
    )
    cluster_uid: ClusterUid = ""
    aws: AwsSettings | None = Field(
        default=None,
        description="a cluster and a store that the stack makes on AWS; none: they are there already",
    )
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
        default=(),
        description="secrets for the registry, which are there in both namespaces and in each tenant's",
    )
    queue: Queue = Field(default=Queue(), description="the queue")
    store: Store | None = Field(
        default=None, description="the store; none: a SeaweedFS server as its defaults are, on AWS S3"
    )
    receiver: Receiver = Field(default=Receiver(), description="the receiver of notifications")
    scaler: Replicas = Field(default=Replicas(), description="what decides on workers and nodes")
    controller: Replicas = Field(default=Replicas(), description="what makes functions' objects real")
    api: Api | None = Field(
        default=None, description="the HTTP interface, which speaks OSCAR's API; none: there is none"
    )
    monitoring: Monitoring | None = Field(
        default=None, description="a Prometheus that reads the services; none: nothing is declared for one"
    )
    trace: TraceSettings | None = Field(
        default=None, description="a collector of OpenTelemetry traces; none: nothing is traced"
    )
    status: Status | None = Field(default=None, description="the status page; none: there is none")
    platform_bucket: PlatformBucket = Field(default=PlatformBucket(), description="the platform's own bucket")
    buckets: Mapping[BucketName, BucketSettings] = Field(
        default_factory=dict,
        description="buckets by logical name whose name in the store differs; on AWS all that functions "
        "name, as the stack makes them",
    )
    tenants: Mapping[Namespace, TenantSettings] = Field(
        default_factory=dict,
        description="tenants by name, each with a namespace of that name, a key of the store and an account "
        "of the queue of its own; none: all functions are in `functionsNamespace`",
    )
    pools: Mapping[Name, NodePoolSpec] = Field(
        default_factory=dict, description="node pools by name, each the `spec` of a NodePool"
    )
    remote_gpus: RemoteGpus | None = Field(
        default=None, description="GPUs of servers for workers elsewhere; none: there are none"
    )
    device_plugin: DevicePlugin | None = Field(
        default=None,
        description="NVIDIA's device plugin; needed where a pool shares its GPUs, but on AWS, where the "
        "stack installs it",
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
        "kinds, queue and store with their volumes, the platform's bucket. Write true for production; "
        "on AWS `aws.protection: protect`, the default there, says so too",
    )

    def _faults(self) -> Iterator[str]:
        return faults_of(self)

    @property
    def platform_bucket_name(self) -> str:
        """The platform's own bucket in the store."""
        return self.platform_bucket.name or (self.aws.place.bucket_name("platform") if self.aws else HEADRACE)

    @property
    def bucket_names(self) -> dict[str, str]:
        """Logical name -> name in the store, of the stack's own functions, where they are configured."""
        return {logical: bucket.name or self._real(logical) for logical, bucket in self.buckets.items()}

    def _real(self, name: str) -> str:
        return self.aws.place.bucket_name(name) if self.aws else name

    @property
    def function_namespaces(self) -> tuple[str, ...]:
        """Where functions are: the stack's own, then the tenants' in order of names."""
        return (self.functions_namespace, *sorted(self.tenants))

    @property
    def declared_tenants(self) -> tuple[Tenant, ...]:
        """The tenants as services know them, in order of names."""
        return tuple(self.tenants[name].called(name, self.buckets_of(name)) for name in sorted(self.tenants))

    def buckets_of(self, tenant: str) -> dict[str, str]:
        """Logical name -> name in the store, of a tenant; empty: those of the stack's own functions."""
        if not tenant:
            return self.bucket_names
        declared = self.tenants[tenant].buckets
        return {logical: each.name or self._real(f"{tenant}-{logical}") for logical, each in declared.items()}

    @property
    def all_buckets(self) -> dict[str, str]:
        """The same of the stack's own functions, and of each tenant's as `tenant/logical name`."""
        theirs = {
            f"{tenant}/{logical}": real
            for tenant in sorted(self.tenants)
            for logical, real in self.buckets_of(tenant).items()
        }
        return {**self.bucket_names, **theirs}

    def estate_on(self, aws: AwsSettings) -> Estate:
        """What it has on AWS, but for what only AWS can name."""
        return Estate(
            account=aws.place,
            platform_bucket=self.platform_bucket_name,
            buckets=self.all_buckets,
            node_groups=sorted(pool.eks.node_group for pool in self.pools.values() if pool.eks is not None),
        )

    @property
    def deletes_data(self) -> bool:
        """Whether what buckets hold goes with them."""
        return self.platform_bucket.on_delete is OnBucketDelete.DELETE

    @property
    def seaweedfs(self) -> SeaweedStore | None:
        """The server that the stack runs; None: the store is another."""
        if self.store is None:
            return None if self.aws else SeaweedStore()
        return self.store.seaweedfs

    @property
    def given_store(self) -> GivenStore | None:
        """The endpoint that is there already; None: the store is another."""
        return self.store.s3 if self.store else None

    @property
    def storage_class(self) -> str:
        """Of volumes that name none; empty: the cluster's default."""
        return VOLUMES if self.aws else ""

    @property
    def gpu_pools(self) -> tuple[str, ...]:
        """Pools whose nodes have NVIDIA's GPUs, in order of names."""
        return tuple(sorted(name for name, pool in self.pools.items() if has_gpus(pool)))

    @property
    def is_protected(self) -> bool:
        """Whether Pulumi keeps what holds data on the cluster: who keeps AWS's buckets keeps that as well."""
        return self.protect or (self.aws is not None and self.aws.protection is Protection.PROTECT)

    @property
    def protected_names(self) -> dict[str, str]:
        """Names that a protected stack keeps, by setting: under others it would be another, empty one."""
        names = {
            "namespace": self.namespace,
            "functionsNamespace": self.functions_namespace,
            "platformBucket.name": self.platform_bucket_name,
        }
        return names if self.is_protected else {}

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """Keys that hold a secret with these values."""
        return tuple(dict.fromkeys(str(part[0]) for part in self.secret_parts))

    @property
    def secret_parts(self) -> tuple[Route, ...]:
        """The routes to all secrets in these values, from their keys."""
        content = self.kubeconfig is not None and is_content(self.kubeconfig)
        return (
            *((("kubeconfig",),) if content else ()),
            *((("store", "s3", "secretKey"),) if self.given_store else ()),
            *(("api", *part) for part in (self.api.secret_parts if self.api else ())),
            *(("status", *part) for part in (self.status.secret_parts if self.status else ())),
            *(("trace", "headers", name) for name in (self.trace.headers if self.trace else ())),
            *(("hosts", *part) for part in (self.hosts.secret_parts if self.hosts else ())),
        )

    @property
    def services(self) -> Mapping[str, Replicas]:
        """Headrace's own services of this stack, by name, in the order in which they start."""
        always = {CONTROLLER: self.controller, SCALER: self.scaler, RECEIVER: self.receiver}
        chosen = {API: self.api, STATUS: self.status}
        return {**always, **{name: each for name, each in chosen.items() if each is not None}}

    @property
    def headrace_image(self) -> str:
        """The services' image."""
        registry = self.image_registry or (self.aws.place.registry if self.aws else "")
        return self.images.headrace or versions.headrace(registry)

    @property
    def static_pools(self) -> tuple[str, ...]:
        """Pools whose nodes are always on, in order of names."""
        return tuple(sorted(name for name, pool in self.pools.items() if pool.driver is Driver.STATIC))
