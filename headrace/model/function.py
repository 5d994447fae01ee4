"""A function: what an author writes in function.yaml, and the Kubernetes object of the same shape."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from headrace.model.quantity import parse_bytes, parse_millicores
from headrace.model.value import Value

API_VERSION = "headrace.dev/v1alpha1"


def _quantity(text: str) -> str:
    parse_bytes(text)
    return text


Quantity = Annotated[str, AfterValidator(_quantity)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,37}[a-z0-9])?$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Access(StrEnum):
    """A way to a GPU, from `gpu.access`."""

    PASSTHROUGH = "passthrough"
    TIMESLICE = "timeslice"
    MPS = "mps"
    MIG = "mig"
    REMOTE = "remote"


class Isolation(StrEnum):
    """What a function needs to be kept apart from others on the same GPU."""

    NONE = "none"
    MEMORY = "memory"
    FULL = "full"


class Existing(StrEnum):
    """What to do with objects that are older than the function."""

    IGNORE = "ignore"
    PROCESS = "process"


class Http(Value):
    """The image serves; each file is posted to it."""

    port: int = Field(ge=1, le=65535)
    path: str = Field(default="/", pattern=r"^/")


class Run(Value):
    """How a file is worked: exactly one of handler, script and http."""

    handler: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:Class in the function's folder; loaded once, called with batches of files",
    )
    script: str | None = Field(default=None, min_length=1, description="a file run by /bin/sh, once a file")
    http: Http | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        found = [name for name in ("handler", "script", "http") if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(f"run takes exactly one of handler, script, http; found {found or 'none'}")
        return self


class Input(Value):
    """Files that start the function: a bucket, a prefix and any of the suffixes (none: all)."""

    bucket: Bucket
    prefix: str = ""
    suffix: tuple[str, ...] = ()
    existing: Existing = Existing.IGNORE

    def takes(self, key: str) -> bool:
        """Whether a key of this bucket starts the function."""
        return key.startswith(self.prefix) and (not self.suffix or key.endswith(self.suffix))


class Destination(Value):
    """Where results go: files of the output folder that match a suffix (none: all)."""

    bucket: Bucket
    prefix: str = ""
    suffix: tuple[str, ...] = ()
    name_prefix: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether a file's name (without folders) is published here, as OSCAR filters: any, any."""
        return (not self.name_prefix or name.startswith(self.name_prefix)) and (
            not self.suffix or name.endswith(self.suffix)
        )


class Resources(Value):
    """What one worker of the function needs."""

    cpu: Quantity = "1"
    memory: Quantity = "1Gi"
    ephemeral_storage: Quantity = "1Gi"

    @property
    def memory_bytes(self) -> int:
        return parse_bytes(self.memory)

    @property
    def cpu_millicores(self) -> int:
        return parse_millicores(self.cpu)


class Gpu(Value):
    """An ordered wish: the first way that the cluster has and that satisfies the rest is taken."""

    count: int = Field(default=1, ge=1)
    memory: Quantity | None = None
    access: tuple[Access, ...] = Field(default=(Access.PASSTHROUGH,), min_length=1)
    isolation: Isolation = Isolation.NONE


class Batch(Value):
    """Files given to a handler in one call."""

    max_files: int = Field(default=1, ge=1)
    linger_seconds: float = Field(default=0.0, ge=0)


class Scale(Value):
    """How many workers, and how long a file may wait for one."""

    min_workers: int = Field(default=0, ge=0)
    max_workers: int = Field(default=50, ge=1)
    max_wait_seconds: float = Field(default=60.0, ge=0)
    idle_seconds: float = Field(default=60.0, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_workers > self.max_workers:
            raise ValueError(f"minWorkers {self.min_workers} is above maxWorkers {self.max_workers}")
        return self


class DeliveryPolicy(Value):
    """How long a file may take and how often it is tried."""

    timeout_seconds: float = Field(default=600.0, gt=0)
    attempts: int = Field(default=3, ge=1)


class Profile(StrEnum):
    """Kubernetes' pod security standards."""

    RESTRICTED = "restricted"
    BASELINE = "baseline"


class Security(Value):
    """How the user's container is confined."""

    profile: Profile = Profile.RESTRICTED
    run_as_user: int | None = Field(default=None, ge=1)
    writable_root: bool = False


class Toleration(Value):
    """As in a pod's spec."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Volume(Value):
    """An existing claim, mounted into the user's container."""

    name: Name
    claim: str = Field(min_length=1)
    mount_path: str = Field(pattern=r"^/")
    read_only: bool = True


class OnDelete(StrEnum):
    """What becomes of waiting files when the function is deleted."""

    KEEP = "keep"
    PURGE = "purge"


class FunctionSpec(Value):
    """The `spec` of a function."""

    run: Run
    input: tuple[Input, ...] = Field(min_length=1)
    output: tuple[Destination, ...] = ()
    image: str | None = Field(default=None, min_length=1)
    resources: Resources = Resources()
    gpu: Gpu | None = None
    batch: Batch = Batch()
    scale: Scale = Scale()
    delivery: DeliveryPolicy = DeliveryPolicy()
    environment: Mapping[EnvironmentName, str] = Field(default_factory=dict)
    secrets: tuple[Name, ...] = ()
    priority: int = 0
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    volumes: tuple[Volume, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    suspend: bool = False
    on_delete: OnDelete = OnDelete.KEEP
    security: Security = Security()


class Metadata(Value):
    """The part of Kubernetes' metadata that an author writes."""

    name: Name
    namespace: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Function(Value):
    """One function."""

    api_version: Literal["headrace.dev/v1alpha1"]
    kind: Literal["Function"]
    metadata: Metadata
    spec: FunctionSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    def inputs_for(self, bucket: str, key: str) -> tuple[Input, ...]:
        """The inputs that take this object; `bucket` is the logical name."""
        return tuple(i for i in self.spec.input if i.bucket == bucket and i.takes(key))


def digest_of(function: Function, files: Mapping[str, bytes]) -> str:
    """The digest of a function and of its folder's files (relative name -> content)."""
    digest = hashlib.sha256(function.spec.to_json())
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()
