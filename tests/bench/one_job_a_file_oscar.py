"""OSCAR's Jobs: one for each file, of the form that its service makes on a notification, and its function.

In OSCAR's favour its service is left out, which reads the function anew for each event; so are the volume
with its programs, which the image has, and the question to a registry at each start.
https://github.com/grycap/oscar/blob/master/pkg/handlers/job.go
https://github.com/grycap/oscar/blob/master/pkg/types/service.go
"""

import json
import uuid
from typing import Any

from headrace.model.settings import StorageSettings
from tests.bench.one_job_a_file_ground import BUCKETS, DEBIAN, FILE_SECONDS, OSCAR, SCRIPT
from tests.e2e.kubernetes.site import Site

NAMESPACE, SERVICE = "oscar-svc", "sleep"
FOLDER = "oscar"  # of its inputs and its results; no function of Headrace takes them
SLOT = "headrace.test/slot"  # what a node has N of; the scheduler does the rest
LABELS = {"oscar_service": SERVICE}
REQUEST = "300m"  # as much as a worker of Headrace's asks for with its sidecar; the limit is no hindrance
KEPT_SECONDS = 2592000  # a Job that has ended stays for a month, as OSCAR configures it
SUPERVISED = "echo $EVENT | /oscar/bin/supervisor"
BARE = f"sleep {FILE_SECONDS}"
WATCHDOG = {  # OSCAR sets them in each of its containers
    "fprocess": "/oscar/bin/supervisor",
    "max_inflight": "1",
    "write_debug": "true",
    "exec_timeout": "0",
    "read_timeout": "300",
    "write_timeout": "300",
    "healthcheck_interval": "5",
}


def prepare(site: Site, storage: StorageSettings) -> None:
    """The namespace of its services, and the one function in it."""
    site.box.kubectl("create", "namespace", NAMESPACE)
    site.box.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "data": {"function_config.yaml": json.dumps(_config(storage)), "script.sh": SCRIPT},
        }
    )


def give_slots(site: Site, slots: int) -> None:
    """So many Jobs run at once."""
    content = json.dumps({"status": {"capacity": {SLOT: str(slots)}, "allocatable": {SLOT: str(slots)}}})
    site.box.kubectl(
        "patch", "node", site.box.node, "--subresource=status", "--type=merge", f"--patch={content}"
    )


def clear(site: Site) -> None:
    """Order that all Jobs and their pods go."""
    site.box.kubectl("delete", "jobs", "--all", f"--namespace={NAMESPACE}", "--wait=false")


def log(site: Site) -> str:
    """The end of what the containers of its Jobs said."""
    return site.box.kubectl(
        "logs", f"--namespace={NAMESPACE}", f"--selector=oscar_service={SERVICE}", "--tail=20"
    )


def job(site: Site, key: str, *, supervised: bool) -> dict[str, Any]:
    """The Job of one file."""
    name = f"{SERVICE}-{uuid.uuid4()}"
    container = {
        "name": "oscar-container",
        "image": site.images[OSCAR if supervised else DEBIAN],
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh"],
        "args": ["-c", SUPERVISED if supervised else BARE],
        "env": _variables(name, key),
        "resources": {"requests": {"cpu": REQUEST}, "limits": {"cpu": "1", "memory": "256Mi", SLOT: "1"}},
        "volumeMounts": [{"name": "oscar-config", "readOnly": True, "mountPath": "/oscar/config"}],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "oscar-config", "configMap": {"name": SERVICE}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }


def _config(storage: StorageSettings) -> dict[str, Any]:
    """JSON is YAML."""
    source, target = BUCKETS
    credentials = {
        "endpoint": storage.endpoint,
        "access_key": storage.access_key,
        "secret_key": storage.secret_key,
        "region": storage.region,
    }
    return {
        "name": SERVICE,
        "input": [{"storage_provider": "minio.default", "path": f"{source}/{FOLDER}"}],
        "output": [{"storage_provider": "minio.default", "path": f"{target}/{FOLDER}"}],
        "storage_providers": {"minio": {"default": credentials}},
    }


def _variables(name: str, key: str) -> list[dict[str, Any]]:
    told = {**WATCHDOG, "EVENT": json.dumps(_event(key)), "JOB_UUID": name}
    node = {"name": "RESOURCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    return [*({"name": each, "value": value} for each, value in told.items()), node]


def _event(key: str) -> dict[str, Any]:
    """As MinIO notifies."""
    bucket = BUCKETS[0]
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "s3:ObjectCreated:Put",
        "userIdentity": {"principalId": "bench"},
        "requestParameters": {"principalId": "bench", "region": "", "sourceIPAddress": "127.0.0.1"},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "size": 1024},
        },
    }
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"{bucket}/{key}", "Records": [record]}
