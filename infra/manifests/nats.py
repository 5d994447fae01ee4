"""The queue's server: its configuration without any secret, its users' rights, its pod."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.model.quantity import parse_bytes
from headrace.model.tenancy import own_name, qualified, tenant_of
from infra import names
from infra.manifests.parts import (
    Amounts,
    Manifest,
    container_security,
    probes,
    server_pod,
)

PORT, MONITOR_PORT = 4222, 8222
# Of the server, not of each account: that of a tenant which was taken out still lies on the disk, and no look
# at all accounts would ever be good again. It listens for clients once its streams are read.
# https://docs.nats.io/running-a-nats-service/nats_admin/monitoring#health-healthz
HEALTH = "/healthz?js-server-only=true"
ACCOUNT = "HEADRACE"
EVENTS, WORKER, SCALER, CONTROLLER, OPERATOR = "events", "worker", "scaler", "controller", "operator"
USERS = (EVENTS, WORKER, SCALER, CONTROLLER, OPERATOR)
API, STATUS = "api", "status"  # of stacks that have them
CONFIGURATION, CERTIFICATES, DATA = "/etc/nats/config", "/etc/nats/tls", "/data"
FILE = "nats.conf"
MAX_PAYLOAD_BYTES = 1024 * 1024  # a task is below 4 KiB: keys have at most 1024 bytes
MAX_MEMORY_BYTES = 64 * 1024 * 1024  # of streams in memory, of which Headrace makes none
AMOUNTS = Amounts(cpu="100m", memory="128Mi", most_memory="1Gi")
GO_MEMORY = "768MiB"  # Go collects earlier near this

# https://docs.nats.io/reference/reference-protocols/nats_api_reference
_API = "$JS.API"
_LOOK = (
    f"{_API}.INFO",
    f"{_API}.STREAM.INFO.*",
    f"{_API}.CONSUMER.INFO.*.*",
    f"{_API}.DIRECT.GET.*",
)
_OPEN = (  # a function's stream and its consumer
    f"{_API}.STREAM.CREATE.*",
    f"{_API}.STREAM.UPDATE.*",
    f"{_API}.CONSUMER.CREATE.*.*",
    f"{_API}.CONSUMER.CREATE.*.*.>",
    f"{_API}.CONSUMER.DURABLE.CREATE.*.*",
)
_COUNT = (f"{_API}.STREAM.LIST",)  # over all streams of an account
_PUT = ("tasks.*.*",)
_TELL = ("finished.*", "standing.*")
_WORK = (f"{_API}.CONSUMER.MSG.NEXT.*.*", "$JS.ACK.>")
_REMOVE = (f"{_API}.STREAM.MSG.DELETE.*",)
_INBOX = ("_INBOX.>",)  # answers come here


@dataclass(frozen=True, slots=True)
class Rights:
    """The subjects that a user may publish on and subscribe to."""

    publish: Sequence[str]
    subscribe: Sequence[str]


def rights() -> Mapping[str, Rights]:
    """What each user of the account may do, by its name."""
    return {
        EVENTS: Rights((*_LOOK, *_COUNT, *_OPEN, *_PUT), _INBOX),
        WORKER: Rights((*_LOOK, *_WORK, *_REMOVE, *_TELL), _INBOX),
        SCALER: Rights(_LOOK, (*_INBOX, *_TELL)),
        CONTROLLER: Rights((*_LOOK, *_OPEN, f"{_API}.STREAM.DELETE.*"), (*_INBOX, *_TELL)),
        OPERATOR: Rights(
            # A restore opens the streams that it fills, before their functions come.
            (*_LOOK, *_COUNT, *_OPEN, *_PUT, *_REMOVE, f"{_API}.CONSUMER.PAUSE.*.*"),
            (*_INBOX, *_TELL),
        ),
        # It puts the tasks of what it is sent, and takes out those whose jobs are deleted.
        API: Rights((*_LOOK, *_COUNT, *_OPEN, *_PUT, *_REMOVE), _INBOX),
        # It puts what a person replays.
        STATUS: Rights((*_LOOK, *_COUNT, *_PUT, f"{_API}.CONSUMER.PAUSE.*.*"), (*_INBOX, *_TELL)),
    }


def users(tenants: Sequence[str], own: Sequence[str] = USERS) -> tuple[str, ...]:
    """Every user of the server: `own` of the stack's account, then the same of each tenant's."""
    return tuple(qualified(tenant, user) for tenant in ("", *tenants) for user in own)


def password_variable(user: str) -> str:
    """The variable of the server's process that holds a user's password."""
    tenant = tenant_of(user)
    of_tenant = f"TENANT_{tenant.replace('-', '_')}_" if tenant else ""  # no name of a namespace has a _
    return f"{of_tenant}{own_name(user)}_PASSWORD".upper()


def configuration(*, storage: str, tenants: Sequence[str] = (), own: Sequence[str] = USERS) -> str:
    """The server's file; `own`: the users of each account.

    Passwords are variables of its process: letters and digits, so never quoted.
    JSON's values are also this format's. The system's account is named so that nobody gets into it: it has no
    user. Where there are tenants each account may fill an equal part of the disk, so that none stops another.
    https://docs.nats.io/running-a-nats-service/configuration
    """
    bytes_in_all = parse_bytes(storage) * 9 // 10
    part = f"{{ max_file: {bytes_in_all // (1 + len(tenants))} }}" if tenants else "enabled"
    accounts = "".join(_account(tenant, part, own) for tenant in ("", *tenants))
    return f"""\
server_name: "headrace"
listen: "0.0.0.0:{PORT}"
http: "0.0.0.0:{MONITOR_PORT}"
max_payload: {MAX_PAYLOAD_BYTES}
tls {{
  cert_file: "{CERTIFICATES}/tls.crt"
  key_file: "{CERTIFICATES}/tls.key"
  min_version: "1.3"
}}
jetstream {{
  store_dir: "{DATA}"
  max_memory_store: {MAX_MEMORY_BYTES}
  max_file_store: {bytes_in_all}
}}
system_account: "SYSTEM"
accounts {{
  SYSTEM {{ users: [] }}
{accounts}}}
"""


def _account(tenant: str, jetstream: str, own: Sequence[str]) -> str:
    name = json.dumps(tenant) if tenant else ACCOUNT
    lines = "".join(_user(qualified(tenant, user), rights()[user]) for user in own)
    return f"  {name} {{\n    jetstream: {jetstream}\n    users: [\n{lines}    ]\n  }}\n"


def _user(name: str, allowed: Rights) -> str:
    publish, subscribe = json.dumps(list(allowed.publish)), json.dumps(list(allowed.subscribe))
    return (
        f'      {{ user: "{name}", password: ${password_variable(name)}, permissions: {{\n'
        f"        publish: {{ allow: {publish} }}\n"
        f"        subscribe: {{ allow: {subscribe} }} }} }}\n"
    )


def pod(
    image: str, *, secret: str, certificate: str, static_pools: Sequence[str], pull: Sequence[str]
) -> Manifest:
    """The server's pod; `secret` holds the passwords by variable, `certificate` its key pair."""
    volumes = [
        {"name": "config", "configMap": {"name": names.NATS}},
        {"name": "tls", "secret": {"secretName": certificate, "defaultMode": 0o440}},
        {"name": "data", "persistentVolumeClaim": {"claimName": names.NATS}},
    ]
    container = _container(image, secret)
    return server_pod(names.QUEUE, container, volumes, static_pools=static_pools, pull=pull)


def _container(image: str, secret: str) -> Manifest:
    return {
        "name": "nats",
        "image": image,
        "command": ["nats-server"],
        "args": ["--config", f"{CONFIGURATION}/{FILE}"],
        "env": [{"name": "GOMEMLIMIT", "value": GO_MEMORY}],
        "envFrom": [{"secretRef": {"name": secret}}],
        "ports": [
            {"name": "nats", "containerPort": PORT},
            {"name": "monitor", "containerPort": MONITOR_PORT},
        ],
        "resources": AMOUNTS.manifest,
        "securityContext": container_security(),
        **probes(live=HEALTH, ready=HEALTH, port="monitor"),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIGURATION, "readOnly": True},
            {"name": "tls", "mountPath": CERTIFICATES, "readOnly": True},
            {"name": "data", "mountPath": DATA},
        ],
    }
