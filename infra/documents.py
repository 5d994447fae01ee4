"""The settings documents that services read at start, from a stack's settings and what was made for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headrace.manifests.worker_pod import FUNCTIONS, SETTINGS, worker_settings
from headrace.model.api import ApiSettings, ApiUser, StoreKey
from headrace.model.labels import AUTHORITY_KEY
from headrace.model.quantity import parse_bytes
from headrace.model.settings import (
    EksSettings,
    HostsSettings,
    KubernetesSettings,
    QueueLogin,
    QueueSettings,
    ReceiverSettings,
    Settings,
    SidecarSettings,
    SqsSettings,
    StorageSettings,
)
from headrace.model.status_page import StatusSettings
from headrace.model.tenancy import qualified
from headrace.model.tenant import Tenant
from headrace.model.trace import TraceSettings
from infra import names
from infra.logins import QUEUE_USERS, identity_of
from infra.manifests import nats, seaweedfs
from infra.manifests.parts import USER, WORKER_PRIORITY
from infra.manifests.services import API_PORT, RECEIVER_PORT, SPOOL, STATUS_PORT
from infra.service_settings import Api, ApiAccount, Status
from infra.settings import StackSettings

_PAGE = (names.STATUS, names.OPERATOR)  # who is told of the status page


@dataclass(frozen=True, slots=True)
class Made:
    """Secrets of the stack, plain; passwords and keys by user."""

    queue_passwords: Mapping[str, str] = field(repr=False)
    store_keys: Mapping[str, str] = field(repr=False)
    receiver_token: str = field(repr=False)
    authority: str  # a certificate, not secret
    api_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)  # those that were not given
    api_token_key: str = field(default="", repr=False)
    status_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Queues:
    """Addresses of the queues of S3's events on AWS."""

    events: str
    dead_letters: str


def document(
    reader: str,
    stack: StackSettings,
    made: Made,
    hosts: HostsSettings | None = None,
    *,
    queues: Queues | None = None,
    tenant: str = "",
) -> Settings:
    """What a reader is told. Only the receiver has the token that notifications must carry.

    `hosts`: where the scaler finds what it switches hosts by. `queues`: what the receiver reads, on AWS.
    `tenant`: whose workers it is for.
    """
    token = made.receiver_token if reader == names.RECEIVER else ""
    return Settings(
        storage=_storage(qualified(tenant, reader), stack, made.store_keys),
        queue=_queue(reader, stack, made.queue_passwords, tenant),
        receiver=ReceiverSettings(
            host="0.0.0.0",  # noqa: S104  (a network policy says who may connect)
            port=RECEIVER_PORT,
            token=token,
            listing_seconds=stack.receiver.listing_seconds,
        ),
        worker=worker_settings(),
        sqs=_sqs(stack, queues) if reader == names.RECEIVER else None,
        trace=_trace(reader, stack.trace),
        api=_api(stack.api, made) if reader == names.API and stack.api else None,
        status=_status(stack.status, made) if reader in _PAGE and stack.status else None,
        functions_directory=FUNCTIONS if reader == names.WORKER else "",
        kubernetes=_kubernetes(stack, hosts, _told_of(reader, stack, tenant)),
        platform_bucket=stack.platform_bucket_name,
        buckets=stack.buckets_of(tenant),
        tenant=tenant,
    )


def _queue(reader: str, stack: StackSettings, passwords: Mapping[str, str], tenant: str) -> QueueSettings:
    """A service has a login to every tenant's account, a worker to its own tenant's alone."""
    user = qualified(tenant, QUEUE_USERS[reader])
    others = sorted(stack.tenants) if reader != names.WORKER else ()
    logins = {each: qualified(each, user) for each in others}
    return QueueSettings(
        url=f"tls://{names.host(names.NATS, stack.namespace)}:{nats.PORT}",
        user=user,
        password=passwords[user],
        ca_file=f"{SETTINGS}/{AUTHORITY_KEY}",
        accounts={each: QueueLogin(user=name, password=passwords[name]) for each, name in logins.items()},
    )


def _api(api: Api, made: Made) -> ApiSettings:
    return ApiSettings(
        host="0.0.0.0",  # noqa: S104  (a network policy says who may connect)
        port=API_PORT,
        users=tuple(_user(name, api.users[name], made) for name in sorted(api.users)),
        token_key=made.api_token_key,
        spool_directory=SPOOL,
        upload_bytes=parse_bytes(api.upload),
        spool_bytes=parse_bytes(api.spool),
        stall_seconds=api.stall_seconds,
        run_seconds=api.run_seconds,
        store_endpoint=api.store_endpoint,
    )


def _user(name: str, account: ApiAccount, made: Made) -> ApiUser:
    identity = identity_of(name)
    return ApiUser(
        name=name,
        password=password_of(name, account, made),
        tenant=account.tenant,
        store=StoreKey(access_key=identity, secret_key=made.store_keys[identity])
        if account.store_key
        else None,
    )


def _status(status: Status, made: Made) -> StatusSettings:
    return StatusSettings(
        host="0.0.0.0",  # noqa: S104  (a network policy says who may connect)
        port=STATUS_PORT,
        title=status.title,
        token=made.status_token,
        names=status.names,
        proxy=status.proxy,
        refresh_seconds=status.refresh_seconds,
    )


def password_of(name: str, account: ApiAccount, made: Made) -> str:
    """The password of a user of the API: the one that was given, or the one that was made."""
    return account.password if account.password is not None else made.api_passwords[name]


def _sqs(stack: StackSettings, queues: Queues | None) -> SqsSettings | None:
    if stack.aws is None or queues is None:
        return None
    return SqsSettings(queue_url=queues.events, dead_letter_url=queues.dead_letters, region=stack.aws.region)


def _storage(identity: str, stack: StackSettings, keys: Mapping[str, str]) -> StorageSettings:
    if stack.aws is not None:
        return StorageSettings(region=stack.aws.region)  # by the pod's own identity
    given = stack.given_store
    if given is None:
        endpoint = f"http://{names.host(names.SEAWEEDFS, stack.namespace)}:{seaweedfs.PORT}"
        return StorageSettings(endpoint=endpoint, access_key=identity, secret_key=keys[identity])
    return StorageSettings(
        endpoint=given.endpoint,
        access_key=given.access_key,
        secret_key=given.secret_key,
        region=given.region,
    )


def _trace(reader: str, trace: TraceSettings | None) -> TraceSettings | None:
    """For who traces; the controller opens the workers' way to the collector, and logs in nowhere."""
    if reader == names.CONTROLLER and trace is not None:
        return trace.model_copy(update={"headers": {}})
    return trace if reader in (names.RECEIVER, names.WORKER) else None


def _eks(stack: StackSettings) -> EksSettings | None:
    if stack.aws is None:
        return None
    return EksSettings(cluster=stack.aws.place.own(), region=stack.aws.region)


def _told_of(reader: str, stack: StackSettings, tenant: str) -> tuple[Tenant, ...]:
    """Services know all tenants. A worker's settings lie in its tenant's namespace: they tell of no other."""
    known = stack.declared_tenants
    return known if reader != names.WORKER else tuple(each for each in known if each.name == tenant)


def _kubernetes(
    stack: StackSettings, hosts: HostsSettings | None, tenants: tuple[Tenant, ...]
) -> KubernetesSettings:
    pull: Sequence[str] = stack.image_pull_secrets
    return KubernetesSettings(
        namespace=stack.functions_namespace,
        platform_namespace=stack.namespace,
        name_servers=stack.network.dns,
        hosts=hosts,
        eks=_eks(stack),
        gpu_networks=stack.remote_gpus.networks if stack.remote_gpus else (),
        tenants=tenants,
        sidecar=SidecarSettings(
            image=stack.headrace_image,
            settings_secret=names.own(names.WORKER),
            run_as_user=USER,
            image_pull_secrets=tuple(pull),
            priority_class=WORKER_PRIORITY,
            metrics=stack.monitoring is not None,
        ),
    )
