"""The documents of the API's answers, with OSCAR's names; their schemas are those of openapi.json."""

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """A document that is sent. Fields that are None are left out."""

    model_config = ConfigDict(frozen=True)

    def body(self) -> bytes:
        """As it is sent, without blanks, as OSCAR writes it."""
        return orjson.dumps(self.model_dump(mode="json", exclude_none=True))


class Backend(Answer):
    """What runs the services."""

    name: str
    version: str


class Info(Answer):
    """GET /system/info."""

    version: str
    git_commit: str = ""
    architecture: str
    kubernetes_version: str = ""
    serverless_backend: Backend


class MinioProvider(Answer):
    """How a client comes to the store; `reason`: why there is no key."""

    endpoint: str
    verify: bool = True
    access_key: str = ""
    secret_key: str = ""
    region: str
    reason: str | None = None


class ClusterConfig(Answer):
    """What OSCAR tells of its configuration, as far as it holds here."""

    name: str = "oscar"
    namespace: str
    services_namespace: str
    gpu_available: bool = False
    interLink_available: bool = False  # noqa: N815  (OSCAR's spelling)
    serverless_backend: str = "headrace"
    yunikorn_enable: bool = False
    kueue_enable: bool = False
    volume_enable: bool = False
    oidc_groups: tuple[str, ...] = ()
    minio_quota_enabled: bool = False


class Config(Answer):
    """GET /system/config."""

    config: ClusterConfig
    minio_provider: MinioProvider
    allowed_image_repositories: tuple[str, ...] = ()


class Amount(Answer):
    """Of one node: what it has."""

    capacity_cores: int | None = Field(default=None, description="in thousandths")
    capacity_bytes: int | None = None


class Node(Answer):
    """A node of the cluster, or this machine."""

    name: str
    cpu: Amount
    memory: Amount
    gpu: int = 0
    status: Literal["Ready", "NotReady"]


class Cluster(Answer):
    """The nodes that there are now: they come and go with the files."""

    nodes_count: int
    nodes: tuple[Node, ...]


class Oscar(Answer):
    """How many files there are: `jobs_count` in the queue."""

    deployment_name: str = "headrace"
    ready: bool = True
    jobs_count: int


class Status(Answer):
    """GET /system/status."""

    cluster: Cluster
    oscar: Oscar


class JobInfo(Answer):
    """A job; times in RFC 3339."""

    status: Literal["Pending", "Running", "Succeeded", "Failed"]
    creation_time: str | None = None
    start_time: str | None = None
    finish_time: str | None = None


class Jobs(Answer):
    """GET /system/logs/{service}: jobs by name."""

    jobs: Mapping[str, JobInfo]
    next_page: str | None = None
    remaining_jobs: int | None = None


class Ignored(Answer):
    """A record of a notification that became no task, and why."""

    bucket: str | None = None
    key: str | None = None
    reason: str


class Accepted(Answer):
    """POST /job/{service}: the tasks, each with the name of its job; `held`: why some are not queued yet."""

    tasks: tuple[str, ...]
    jobs: tuple[str, ...]
    ignored: tuple[Ignored, ...] = ()
    held: tuple[str, ...] = ()


class TaskOutput(Answer):
    """An output, and whether it lies under its key: published, missing, replaced."""

    name: str
    bucket: str
    key: str
    size: int
    state: Literal["published", "missing", "replaced"]


class TaskState(Answer):
    """GET /system/tasks/{service}/{id}. Times in seconds since the epoch."""

    service: str
    task: str
    stage: Literal["absent", "queued", "done", "failed", "superseded", "gone", "purged"]
    settled: bool
    bucket: str | None = None
    key: str | None = None
    received: float | None = None
    started: float | None = None
    ended: float | None = None
    ahead: int | None = Field(default=None, description="older tasks in the queue")
    paused: bool = False
    failures: tuple[str, ...] = Field(default=(), description="why attempts failed that were tried again")
    reason: str | None = Field(default=None, description="why there is no result")
    outputs: tuple[TaskOutput, ...] = ()


class Applied(Answer):
    """What of a service that was made or changed a person should know."""

    name: str
    token: str
    warnings: tuple[str, ...] = ()


class LogEntry(Answer):
    """A call of /run or /job."""

    timestamp: str
    status: int
    latency: str
    client_ip: str
    method: str
    path: str
    user: str
    raw: str


class SystemLogs(Answer):
    """GET /system/logs: the newest calls, the oldest first."""

    logs: tuple[LogEntry, ...]


class Problem(BaseModel):
    """Every answer that is no success."""

    model_config = ConfigDict(extra="allow")

    error: str
    reason: str


class ServiceDocument(BaseModel):
    """A service as OSCAR has it; the fields that every answer has. docs/from-oscar.md tells of all."""

    model_config = ConfigDict(extra="allow")

    name: str
    image: str
    memory: str
    cpu: str
    script: str
    token: str
    input: tuple[Mapping[str, Any], ...]
    output: tuple[Mapping[str, Any], ...]
    storage_providers: Mapping[str, Any]
    labels: Mapping[str, str]
