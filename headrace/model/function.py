"""A function: what an author writes in function.yaml, and the Kubernetes object of the same shape."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from headrace.model.metadata import Name, Namespace, ObjectMetadata
from headrace.model.pods import Toleration, Volume
from headrace.model.quantity import (
    MAX_QUANTITY,
    QUANTITY_PATTERN,
    parse_bytes,
    parse_millicores,
    parse_nanos,
    parse_quantity,
)
from headrace.model.tenancy import qualified
from headrace.model.value import Value

MOST = 2**31 - 1  # of what is counted in whole numbers, as Kubernetes counts them
MAX_QUANTITY_LENGTH = 32
MOST_ENTRIES = 100  # of a mapping: the API server bounds what its rules may cost


def _quantity(text: str) -> str:
    if parse_quantity(text) == 0:
        raise ValueError(f"found {text!r}, allowed > 0; write what is needed")
    if parse_nanos(text) >= MAX_QUANTITY * 10**9:
        raise ValueError(f"found {text!r}, allowed < {MAX_QUANTITY} (2^63 - 1); write less")
    return text


Quantity = Annotated[
    str,
    AfterValidator(_quantity),
    Field(
        max_length=MAX_QUANTITY_LENGTH, json_schema_extra={"pattern": QUANTITY_PATTERN, "format": "quantity"}
    ),
]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
NamePart = Annotated[str, Field(pattern=r"^[^/]+$")]  # of a file's name, which has no folders
NameStart = Annotated[str, Field(pattern=r"^[^/]")]  # of a file's name, with the folders that it lies in
MIG_PROFILE = r"^[1-7]g\.[1-9][0-9]{0,2}gb$"  # compute slices and gigabytes, as NVIDIA names them
MAX_SCRIPT_BYTES = 256 * 1024  # a script is inlined where the function is rendered
Seconds = Annotated[float, Field(allow_inf_nan=False)]


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

    port: int = Field(
        ge=1,
        le=65535,
        description="the port that the image serves on; PORT in its environment, unless the function sets it",
    )
    path: str = Field(default="/", pattern=r"^/[!-~]*$", description="the path that files are posted to")


class Run(Value):
    """How a file is worked: exactly one of handler, script and http."""

    handler: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
        description="`module:Class` in the function's folder; loaded once, called with batches of files",
    )
    script: str | None = Field(
        default=None,
        min_length=1,
        description="a file of the function's folder (at most 256 KiB), run by /bin/sh once a file",
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SCRIPT_BYTES,
        description="the script's text, for an object that has no folder beside it, as on Kubernetes; "
        "with `script` only",
    )
    http: Http | None = Field(
        default=None, description="the image serves; each file is posted to it, and the answer is the result"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        found = [name for name in ("handler", "script", "http") if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}, allowed exactly one of handler, script, http; "
                "write one of them"
            )
        return self

    @model_validator(mode="after")
    def _source_of_a_script(self) -> Self:
        if self.source is not None and self.script is None:
            raise ValueError(
                "found source without script, allowed with script only; name the script or drop source"
            )
        return self


class Input(Value):
    """Files that start the function: a bucket, a prefix and any of the suffixes."""

    bucket: Bucket = Field(description="logical name of a bucket; a stack maps it to the real one")
    prefix: str = Field(
        default="", description="what keys begin with, a folder with its `/` at the end; empty: any"
    )
    suffix: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="keys end with one of these; none: any"
    )
    existing: Existing = Field(
        default=Existing.IGNORE,
        description="`ignore` leaves objects alone that are older than the function, `process` works them",
    )

    def takes(self, key: str) -> bool:
        """Whether a key of this bucket starts the function."""
        return key.startswith(self.prefix) and (not self.suffix or key.endswith(self.suffix))


class Destination(Value):
    """Where results go: files of the output folder that match."""

    bucket: Bucket = Field(description="logical name of a bucket; a stack maps it to the real one")
    prefix: str = Field(
        default="",
        description="put before the result's key: prefix + the input's folder below its own prefix + name",
    )
    keep_folders: bool = Field(
        default=True,
        description="whether the input's folders are kept in the result's key; `false`: prefix + name, as "
        "OSCAR has it, where equally named results of two folders overwrite each other",
    )
    suffix: tuple[NamePart, ...] = Field(
        default=(), description="only files whose name ends with one of these; none: any"
    )
    name_prefix: tuple[NameStart, ...] = Field(
        default=(),
        description="only files whose name, with its folders below the output folder, begins with one of "
        "these; none: any",
    )

    def takes(self, name: str) -> bool:
        """Whether a file of this name below the output folder is published here, as OSCAR filters: any, any.

        https://github.com/grycap/faas-supervisor/blob/master/faassupervisor/storage/config.py
        """
        return (not self.name_prefix or name.startswith(self.name_prefix)) and (
            not self.suffix or name.endswith(self.suffix)
        )


class Resources(Value):
    """What one worker of the function needs."""

    cpu: Quantity = Field(default="1", description="cores, as a Kubernetes quantity")
    memory: Quantity = Field(default="1Gi", description="main memory; a worker above it is killed")
    ephemeral_storage: Quantity = Field(default="1Gi", description="disk for staged inputs and outputs")

    @property
    def memory_bytes(self) -> int:
        return parse_bytes(self.memory)

    @property
    def cpu_millicores(self) -> int:
        return parse_millicores(self.cpu)

    @property
    def ephemeral_storage_bytes(self) -> int:
        return parse_bytes(self.ephemeral_storage)


class Gpu(Value):
    """An ordered wish: the first way that the cluster has and that satisfies the rest is taken."""

    count: int = Field(default=1, ge=1, le=MOST, description="GPUs of one worker")
    memory: Quantity | None = Field(default=None, description="memory needed on each GPU; none: any")
    access: tuple[Access, ...] = Field(
        default=(Access.PASSTHROUGH,), min_length=1, description="ways to a GPU, the best liked first"
    )
    isolation: Isolation = Field(
        default=Isolation.NONE, description="what must be kept apart from others on the same GPU"
    )
    profile: str | None = Field(
        default=None,
        pattern=MIG_PROFILE,
        description="the MIG profile that `mig` takes, like 1g.5gb; none: the smallest with the memory",
    )

    @model_validator(mode="after")
    def _profile_of_mig(self) -> Self:
        if self.profile is not None and Access.MIG not in self.access:
            raise ValueError(
                f"found profile {self.profile} without mig in access, allowed with it only; add mig to "
                "access or drop the profile"
            )
        return self


class Batch(Value):
    """Files given to a handler in one call, or posted to a server at once."""

    max_files: int = Field(
        default=1,
        ge=1,
        le=MOST,
        description="files in one call, or posted at once, at most; a script takes one",
    )
    linger_seconds: Seconds = Field(default=0.0, ge=0, description="how long a call waits for more files")


class Scale(Value):
    """How many workers, and how long a file may wait for one."""

    min_workers: int = Field(default=0, ge=0, le=MOST, description="workers kept while no file waits")
    max_workers: int = Field(default=50, ge=1, le=MOST, description="workers, at most")
    max_wait_seconds: Seconds = Field(
        default=60.0, ge=0, description="how long a file may wait beyond the boot of one node"
    )
    idle_seconds: Seconds = Field(default=60.0, ge=0, description="how long a worker without files is kept")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_workers > self.max_workers:
            raise ValueError(
                f"found minWorkers {self.min_workers} above maxWorkers {self.max_workers}, "
                "allowed minWorkers <= maxWorkers; lower one or raise the other"
            )
        return self


class DeliveryPolicy(Value):
    """How long a file may take and how often it is tried."""

    timeout_seconds: Seconds = Field(default=600.0, gt=0, description="for one file's attempt")
    attempts: int = Field(default=3, ge=1, le=MOST, description="failed attempts before a file is given up")


class Profile(StrEnum):
    """Kubernetes' pod security standards."""

    RESTRICTED = "restricted"
    BASELINE = "baseline"


class Security(Value):
    """How the user's container is confined."""

    profile: Profile = Field(default=Profile.RESTRICTED, description="Kubernetes' pod security standard")
    run_as_user: int | None = Field(default=None, ge=1, le=MOST, description="user id; none: the image's own")
    writable_root: bool = Field(default=False, description="whether the image's own files may be written")


class OnDelete(StrEnum):
    """What becomes of waiting files when the function is deleted."""

    KEEP = "keep"  # they stay in the queue, for a function of the same name
    PURGE = "purge"
    REFUSE = "refuse"  # the function is not deleted while files wait


class FunctionSpec(Value):
    """The `spec` of a function."""

    run: Run = Field(description="how a file is worked: exactly one of `handler`, `script`, `http`")
    input: tuple[Input, ...] = Field(min_length=1, description="the files that start the function")
    output: tuple[Destination, ...] = Field(default=(), description="where its results go; none: nowhere")
    image: str | None = Field(
        default=None, min_length=1, description="the container image; none: only on a host that allows it"
    )
    resources: Resources = Field(default=Resources(), description="what one worker needs")
    gpu: Gpu | None = Field(default=None, description="the GPUs that one worker needs; none: no GPU")
    batch: Batch = Field(default=Batch(), description="files given to a handler or to a server at once")
    scale: Scale = Field(default=Scale(), description="how many workers, and how long a file may wait")
    delivery: DeliveryPolicy = Field(
        default=DeliveryPolicy(), description="how long a file may take and how often it is tried"
    )
    environment: Mapping[EnvironmentName, str] = Field(
        default_factory=dict,
        max_length=MOST_ENTRIES,
        description="variables of the function's process; values are strings",
    )
    secrets: tuple[Name, ...] = Field(
        default=(), description="names of secrets whose entries become variables of the function's process"
    )
    priority: int = Field(
        default=0,
        ge=-(10**9),
        le=10**9,
        description="the higher goes first where resources are short",
    )
    node_selector: Mapping[str, str] = Field(
        default_factory=dict, max_length=MOST_ENTRIES, description="labels that a node must have"
    )
    tolerations: tuple[Toleration, ...] = Field(default=(), description="taints that the pods tolerate")
    volumes: tuple[Volume, ...] = Field(default=(), description="existing claims to mount")
    image_pull_secrets: tuple[str, ...] = Field(default=(), description="names of secrets for the registry")
    suspend: bool = Field(default=False, description="files are queued, but none is worked")
    on_delete: OnDelete = Field(
        default=OnDelete.KEEP, description="what becomes of waiting files when the function is deleted"
    )
    security: Security = Field(default=Security(), description="how the user's container is confined")


class Metadata(ObjectMetadata):
    """The part of Kubernetes' metadata that an author writes."""

    name: Name = Field(description="the function's name, and its folder's")
    namespace: Namespace | None = Field(default=None, description="Kubernetes namespace; none: the stack's")


class Function(Value):
    """One function."""

    api_version: Literal["headrace.dev/v1alpha1"] = Field(description="the version of this format")
    kind: Literal["Function"] = Field(description="the kind of the object")
    metadata: Metadata = Field(description="name and labels")
    spec: FunctionSpec = Field(description="what the function does")

    _tenant: str = PrivateAttr(default="")  # no part of its document: nobody says of himself whose he is

    @property
    def name(self) -> str:
        """Its name wherever functions of several tenants meet; in its namespace it is metadata.name."""
        return qualified(self._tenant, self.metadata.name)

    def owned_by(self, tenant: str) -> "Function":
        """The same as a tenant's; empty: as the stack's own."""
        if tenant == self._tenant:
            return self
        owned = self.model_copy()
        owned._tenant = tenant  # noqa: SLF001  (of its own kind)
        return owned

    @property
    def bucket_names(self) -> tuple[str, ...]:
        """The logical names of every bucket that it reads or writes, each once."""
        spec = self.spec
        return tuple(dict.fromkeys([*(i.bucket for i in spec.input), *(o.bucket for o in spec.output)]))

    def inputs_for(self, bucket: str, key: str) -> tuple[Input, ...]:
        """The inputs that take this object; `bucket` is the logical name."""
        return tuple(i for i in self.spec.input if i.bucket == bucket and i.takes(key))


def digest_of(function: Function, files: Mapping[str, bytes]) -> str:
    """The digest of a function and of its folder's files (relative name -> content)."""
    digest = hashlib.sha256(function.spec.to_json())
    for name in sorted(files):
        for part in (name.encode("utf-8", "surrogateescape"), files[name]):
            digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()
