"""The store's server: who may do what, whom it tells of changes, its pod."""

import json
from collections.abc import Mapping, Sequence

from headrace.model.keys import WORKERS_AREAS
from headrace.model.tenancy import qualified
from headrace.model.tenant import Tenant
from infra import names
from infra.manifests.parts import (
    Amounts,
    Manifest,
    container_security,
    probes,
    server_pod,
)
from infra.prefixes import everything_but

PORT = 8333
CONFIGURATION, DATA = "/etc/seaweedfs", "/data"
AMOUNTS = Amounts(cpu="100m", memory="512Mi", most_memory="2Gi", disk="256Mi")
GO_MEMORY = "512MiB"  # Go collects earlier near this, which is no bound: 2 GiB passed at a peak of 1.2 GiB
TELLING: Mapping[str, object] = {  # how the filer tells of a change, and how long it tries
    "timeout_seconds": 10,
    "max_retries": 3,
    "backoff_seconds": 1,
    "workers": 16,
    "buffer_size": 100_000,
    "event_types": ["create", "update", "rename"],
}
# Each bucket is a collection with volumes of its own: many small ones are wanted, not few large ones.
VOLUMES, VOLUMES_AT_ONCE, VOLUME_MEBIBYTES = 100_000, 2, 512

# Only who makes and deletes buckets is an administrator.
# https://github.com/seaweedfs/seaweedfs/wiki/Amazon-S3-API
OBJECTS = ("Read", "Write", "List", "Tagging")
KEPT = ("Read", "Write", "List")  # of what the platform keeps of a tenant's functions, which has no tags
ACTIONS: Mapping[str, Sequence[str]] = {
    names.RECEIVER: OBJECTS,
    names.WORKER: OBJECTS,
    names.SCALER: ("Read", "List"),
    names.CONTROLLER: ("Admin",),
    names.OPERATOR: ("Admin",),
    names.API: OBJECTS,
}


def of_worker(tenant: Tenant, *, platform_bucket: str) -> Sequence[str]:
    """Its buckets, and the keys of its functions in the platform's, which begin with its name and a dot."""
    places = [f"{platform_bucket}/{area}/{qualified(tenant.name, '')}*" for area in WORKERS_AREAS]
    return [*of_buckets(tenant), *(f"{action}:{place}" for place in places for action in KEPT)]


def of_status(*, platform_bucket: str) -> Sequence[str]:
    """It looks at everything, and writes what is the platform's: how things went, and what is replayed."""
    return ["Read", "List", f"Write:{platform_bucket}"]


def of_buckets(tenant: Tenant) -> Sequence[str]:
    """A tenant's buckets, and nothing of what the platform keeps."""
    return [f"{action}:{bucket}" for bucket in sorted(tenant.buckets.values()) for action in OBJECTS]


def files(
    keys: Mapping[str, str],
    allowed: Mapping[str, Sequence[str]],
    *,
    endpoint: str,
    token: str,
    platform_bucket: str,
) -> dict[str, str]:
    """Its configuration, file by file; of each identity the secret key and what it may do.

    Every file that it looks for is written, so that it reads none elsewhere.
    """
    return {
        "s3.json": _identities(keys, allowed),
        "notification.toml": _notification(endpoint, token, platform_bucket),
        "master.toml": f"[master.volume_growth]\ncopy_1 = {VOLUMES_AT_ONCE}\n",
        "filer.toml": f"[leveldb2]\nenabled = true\ndir = {json.dumps(f'{DATA}/filer')}\n",
        "security.toml": "",
        "volume.toml": "",
    }


def _identities(keys: Mapping[str, str], allowed: Mapping[str, Sequence[str]]) -> str:
    return json.dumps(
        {
            "identities": [
                {
                    "name": name,
                    "credentials": [{"accessKey": name, "secretKey": keys[name]}],
                    "actions": list(actions),
                }
                for name, actions in allowed.items()
            ]
        }
    )


def _notification(endpoint: str, token: str, platform_bucket: str) -> str:
    """https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook"""
    settings = {
        "enabled": True,
        "endpoint": endpoint,
        "bearer_token": token,
        **TELLING,
        "path_prefixes": list(everything_but(platform_bucket)),
    }
    # JSON's numbers, strings and arrays are also TOML's.
    return "[notification.webhook]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items())


def pod(image: str, *, secret: str, static_pools: Sequence[str], pull: Sequence[str]) -> Manifest:
    """Master, volumes, filer and S3 in one process; all but S3 is bound to the pod's own loopback."""
    volumes = [
        {"name": "config", "secret": {"secretName": secret, "defaultMode": 0o440}},
        {"name": "data", "persistentVolumeClaim": {"claimName": names.SEAWEEDFS}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},  # its sockets
    ]
    return {
        **server_pod(names.STORE, _container(image), volumes, static_pools=static_pools, pull=pull),
        "terminationGracePeriodSeconds": 15,  # beyond SIGTERM it was seen to hang half closed for minutes
    }


def _container(image: str) -> Manifest:
    return {
        "name": "seaweedfs",
        "image": image,
        "command": ["weed"],
        "args": _arguments(),
        "env": [{"name": "GOMEMLIMIT", "value": GO_MEMORY}],
        "ports": [{"name": "s3", "containerPort": PORT}],
        "resources": AMOUNTS.manifest,
        "securityContext": container_security(),
        **probes(live="/healthz", ready="/healthz", port="s3"),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIGURATION, "readOnly": True},
            {"name": "data", "mountPath": DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (SeaweedFS says so)
        ],
    }


def _arguments() -> list[str]:
    flags: dict[str, object] = {
        "dir": DATA,
        "ip": "127.0.0.1",
        # By name: what it opens itself, as a notification's call, is bound to an address that stands here.
        # https://github.com/seaweedfs/seaweedfs/blob/master/weed/util/outbound_dial.go
        "ip.bind": "localhost",
        "disableHttp": "true",  # of master and filer: those pages ask for no key
        "master.peers": "none",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": VOLUME_MEBIBYTES,
        "volume.max": VOLUMES,
        "volume.minFreeSpace": "256MiB",
        "filer": "true",
        "s3": "true",
        "s3.ip.bind": "0.0.0.0",  # noqa: S104  (a network policy says who may connect)
        "s3.port": PORT,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": f"{CONFIGURATION}/s3.json",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",  # S3 refuses that too
    }
    return [
        "-logtostderr=true",
        f"-config_dir={CONFIGURATION}",
        "server",
        *(f"-{name}={value}" for name, value in flags.items()),
    ]
