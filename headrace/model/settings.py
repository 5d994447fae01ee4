"""What a running service is told: where the store and the queue are, and which buckets are meant."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from operator import not_
from typing import Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError, model_validator

from headrace.model.api import ApiSettings
from headrace.model.function import Function, Resources
from headrace.model.metadata import Namespace
from headrace.model.status_page import StatusSettings
from headrace.model.tenancy import tenant_of
from headrace.model.tenant import Tenant
from headrace.model.trace import TraceSettings
from headrace.model.value import ConsistentValue, Value

_QUEUE = r"^https?://[^/]+/.+$"  # the URL of a queue of SQS
# What an AWS region's names end with, by how the region's own begins; all others take the first.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
_AWS_DOMAINS = {"": "amazonaws.com", "cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}


class StorageSettings(Value):
    """An S3 endpoint and its key. Kept in a file of mode 0600, never passed as an argument.

    Without a key the process's own credentials are taken: those that AWS's libraries find, such as a pod's
    identity.
    """

    endpoint: str = ""  # http://host:port; empty: AWS's own for the region
    access_key: str = ""
    secret_key: str = Field(default="", repr=False)
    session_token: str = Field(default="", repr=False)  # beside a key that is not for long
    region: str = "us-east-1"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.access_key) != bool(self.secret_key):
            given, missing = ("accessKey", "secretKey") if self.access_key else ("secretKey", "accessKey")
            raise ValueError(f"found {given} without {missing}; give both, or neither for the process's own")
        return self

    @property
    def address(self) -> str:
        """Where the store answers."""
        if self.endpoint:
            return self.endpoint
        begins = max((each for each in _AWS_DOMAINS if self.region.startswith(each)), key=len)
        return f"https://s3.{self.region}.{_AWS_DOMAINS[begins]}"

    @property
    def has_key(self) -> bool:
        """Whether the document names the key; if not, it is the process's own."""
        return bool(self.access_key)


class QueueLogin(Value):
    """How a service logs in to a tenant's account of the queue."""

    user: str
    password: str = Field(repr=False)


class QueueSettings(Value):
    """A NATS server. Kept in a file of mode 0600.

    Without a login of `accounts` a service speaks for the stack's own functions alone.
    """

    url: str  # nats://host:port, tls://host:port
    token: str = Field(default="", repr=False)
    user: str = ""
    password: str = Field(default="", repr=False)
    ca_file: str = ""  # the authority that signed the server's certificate; empty: no TLS, or a public one
    tls_hostname: str = ""  # the name in the server's certificate, where the url has another
    lease_seconds: float = Field(default=30.0, gt=0)
    max_leased: int = Field(default=1024, gt=0)  # of a function at once, at least
    accounts: Mapping[Namespace, QueueLogin] = Field(default_factory=dict, exclude_if=not_)  # by tenant

    @property
    def passwords(self) -> tuple[str, ...]:
        """Values that no log may show; those that are not set are empty."""
        return self.token, self.password, *(each.password for each in self.accounts.values())

    def of_account(self, tenant: str) -> "QueueSettings":
        """The same, logged in to one account alone; empty: the stack's own."""
        changes: dict[str, object] = {"accounts": {}}
        if tenant:
            login = self.accounts[tenant]
            changes |= {"token": "", "user": login.user, "password": login.password}
        return self.model_copy(update=changes)

    def most_leased(self, function: Function) -> int:
        """How many tasks may be leased at once: four batches for each worker that there may be."""
        spec = function.spec
        return max(self.max_leased, 4 * spec.scale.max_workers * spec.batch.max_files)


class ReceiverSettings(Value):
    """Where `events` listens and the bearer token that a notification must carry."""

    host: str = "127.0.0.1"
    port: int
    token: str = Field(repr=False)
    listing_seconds: float = Field(default=300.0, gt=0)  # between two listings


class SqsSettings(ConsistentValue):
    """The SQS queue of S3's events that `events` reads, by the process's own credentials."""

    queue_url: str = Field(pattern=_QUEUE)  # https://sqs.<region>.amazonaws.com/<account>/<name>
    dead_letter_url: str = Field(pattern=_QUEUE)  # takes what can never be a task, with the reason
    region: str = Field(min_length=1)
    endpoint: str = Field(default="", pattern=r"^(https?://[^/]+)?$")  # empty: AWS's own for the region
    receivers: int = Field(default=4, ge=1, le=32)  # polls at once, in each process
    poll_seconds: int = Field(default=20, ge=1, le=20)  # that one poll waits for a message; AWS allows 20
    # How long a message that was received is hidden from others. Half of it is for its tasks, the rest for
    # telling the queue; one that a killed process held comes again after it. More than a poll, as AWS says:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/working-with-visibility-timeouts.html
    visibility_seconds: int = Field(default=60, ge=5, le=3600)

    def _faults(self) -> Iterator[str]:
        if self.queue_url == self.dead_letter_url:
            yield f"queueUrl and deadLetterUrl are both {self.queue_url}: name two queues"
        if self.visibility_seconds <= self.poll_seconds:
            yield (
                f"visibilitySeconds is {self.visibility_seconds}; it must be more than pollSeconds, "
                f"{self.poll_seconds}"
            )
        for name, url in (("queueUrl", self.queue_url), ("deadLetterUrl", self.dead_letter_url)):
            if urlsplit(url).path.endswith(".fifo"):
                yield f"{name} is {url}, a FIFO queue; it must be a standard queue"


class RunnerKind(StrEnum):
    """Where a worker's runner is."""

    PROCESS = "process"  # a child process of the worker, on the same machine
    CONTAINER = "container"  # in the user's container of the same pod


class WorkerSettings(Value):
    """How workers run functions."""

    runner: RunnerKind = RunnerKind.PROCESS
    work_directory: str  # staged inputs and outputs of the tasks in hand; with `container` the shared volume
    secrets_directory: str  # <name>.env files of mode 0600; with `container` a folder a secret
    prefetch_seconds: float = Field(default=2.0, gt=0)
    lost_leases: int = Field(default=10, gt=0)  # starts that killed their worker before a task fails
    retry_seconds: float = Field(default=1.0, ge=0)  # before the second attempt; doubles from then on


class SidecarSettings(Value):
    """The supervisor that stands beside the user's container in each worker pod."""

    image: str
    resources: Resources = Resources(cpu="100m", memory="256Mi", ephemeral_storage="64Mi")
    settings_secret: str = "headrace-worker"  # noqa: S105  (a name: its `settings.json` is the sidecar's settings)
    run_as_user: int = Field(default=65532, ge=1)
    image_pull_secrets: tuple[str, ...] = ()
    priority_class: str = ""
    metrics: bool = Field(default=False, exclude_if=not_)  # whether it answers GET /metrics


class HostsSettings(Value):
    """Hosts that are switched by Ansible. Its inventory may name files beside it as {{ inventory_dir }}/…"""

    inventory: str  # a file or a folder
    vault_password_file: str = ""  # empty: nothing is encrypted
    collections: str = ""  # where headrace.hosts is installed; empty: where Ansible looks by itself


class EksSettings(Value):
    """A cluster of Amazon EKS. Credentials are those that boto3 finds by itself: in a pod, its identity's."""

    cluster: str
    region: str
    endpoint: str = ""  # of all services, an emulator's; empty: AWS's own


class KubernetesSettings(Value):
    """Where functions are objects and workers are pods."""

    namespace: str  # of Function and Bucket objects, worker pods and functions' secrets
    platform_namespace: str  # of the services, their leases and what the scaler remembers
    kubeconfig: str = ""  # a file; empty: the pod's own service account. Never an ambient one
    name_servers: tuple[str, ...] = ()  # address ranges of those that are no pods of kube-system
    sidecar: SidecarSettings | None = None  # who starts workers needs it
    hosts: HostsSettings | None = None  # none: this stack switches no hosts
    eks: EksSettings | None = None  # none: this stack has no node groups on AWS
    gpu_networks: tuple[str, ...] = ()  # address ranges of GPU servers; none: this stack has no remote GPUs
    tenants: tuple[Tenant, ...] = ()  # share by weight, each within its quota; in namespaces of their own

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where functions may be: the stack's own, then the tenants'."""
        return (self.namespace, *(each.name for each in self.tenants))

    def tenant_in(self, namespace: str) -> str:
        """By which tenant's name functions of a namespace are known; empty: by none, they are the stack's."""
        return "" if namespace == self.namespace else namespace

    def namespace_of(self, name: str) -> str:
        """The namespace of a function or worker, by its name."""
        return tenant_of(name) or self.namespace

    def declared(self, tenant: str) -> Tenant | None:
        """What is declared of a tenant."""
        return next((each for each in self.tenants if each.name == tenant), None)


class Settings(Value):
    """Everything a service needs, in one document.

    Functions come from a folder or, with `kubernetes`, from the API server; a worker in a pod reads its one
    function from a folder that is mounted there.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # a faulty value may be a secret

    storage: StorageSettings
    queue: QueueSettings
    receiver: ReceiverSettings
    worker: WorkerSettings
    sqs: SqsSettings | None = None  # none: notifications come by HTTP alone
    trace: TraceSettings | None = Field(default=None, exclude_if=not_)  # none: nothing is traced
    api: ApiSettings | None = Field(default=None, exclude_if=not_)  # none: this stack has no HTTP interface
    status: StatusSettings | None = Field(default=None, exclude_if=not_)  # none: it has no status page
    functions_directory: str = ""
    kubernetes: KubernetesSettings | None = None
    platform_bucket: str = "headrace"
    buckets: Mapping[str, str] = Field(default_factory=dict)  # logical name -> real name, where they differ
    tenant: str = Field(default="", exclude_if=not_)  # of a worker: whose it is; empty: the stack's own

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that no log may show; those that are not set are empty."""
        return (
            self.storage.secret_key,
            self.storage.session_token,
            *self.queue.passwords,
            self.receiver.token,
            *(self.api.passwords if self.api else ()),
            *(self.status.passwords if self.status else ()),
            *(self.trace.headers.values() if self.trace else ()),
        )

    def buckets_of(self, tenant: str) -> Mapping[str, str]:
        """Logical names and the store's, of a tenant's functions or of the stack's own."""
        return buckets_of(tenant, self.buckets, self.kubernetes)

    def real_bucket(self, logical: str, tenant: str = "") -> str:
        """The store's name of a bucket that a tenant's function names, or one of the stack's own."""
        return real_bucket(logical, tenant, self.buckets, self.kubernetes)


def buckets_of(tenant: str, own: Mapping[str, str], place: KubernetesSettings | None) -> Mapping[str, str]:
    """Logical names and the store's: of a tenant, or `own` of the stack and of a tenant's own worker."""
    declared = place.declared(tenant) if place is not None and tenant else None
    return own if declared is None else declared.buckets


def real_bucket(logical: str, tenant: str, own: Mapping[str, str], place: KubernetesSettings | None) -> str:
    """The store's name of a bucket; what a tenant may not name is called as if it were its own."""
    return buckets_of(tenant, own, place).get(logical, f"{tenant}-{logical}" if tenant else logical)


def places_of(error: ValidationError) -> str:
    """Where a settings document is faulty; only the places, as a faulty value may be a secret."""
    return ", ".join(".".join(map(str, each["loc"])) or "document" for each in error.errors())
