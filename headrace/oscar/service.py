"""OSCAR's Service as version 4 has it, with the fields of 2 and 3 that files still carry. Typed and frozen.

Names are OSCAR's; `null` and a field left out are the same. What a field means is said in docs/fdl.md there:
https://github.com/grycap/oscar/blob/master/docs/fdl.md
https://github.com/grycap/oscar/blob/v3.6.5/pkg/types/service.go (replicas, delegation, rescheduler_threshold)
https://github.com/grycap/oscar/blob/v2.6.2/pkg/types/service.go (environment.Variables)
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MEMORY = "256Mi"  # OSCAR's default
CPU = "0.2"  # likewise
MOST = 2**31 - 1
_WHOLE = re.compile(r"[-+]?[0-9]{1,10}")


def kind_of(value: object) -> str:
    """A value's kind for people; never its content, which may be secret."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else "a text" if isinstance(value, str) else "a number or boolean"


def _text(value: object) -> str:
    """Also of a number or boolean, as YAML without quotes means it: `cpu: 1.0`, `SEND: false`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        hint = " (a placeholder in brackets?)" if isinstance(value, list | tuple) else ""
        raise ValueError(f"found {kind_of(value)}{hint}, allowed a text; write one, in quotes")  # noqa: TRY004  (pydantic's)
    if any(char == "\0" or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError("found a character that no text may have (NUL, or half of one); remove it")
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"found {kind_of(value)} that is neither, allowed true or false; write one of them")


def _whole(value: object) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _WHOLE.fullmatch(text) or abs(int(text)) > MOST:
        raise ValueError(f"found {kind_of(value)}, allowed a whole number up to {MOST}; write one in digits")
    return int(text)


def _entries(value: object) -> object:
    """A lone value stands for a list of one, as OSCAR's own examples write `api_port: 80`."""
    return value if isinstance(value, list | tuple | Mapping) else (value,)


def _empty(value: object) -> object:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_text)]
Value = Annotated[Text, BeforeValidator(_empty)]  # of a mapping: `KEY:` is an empty text
Flag = Annotated[bool, BeforeValidator(_flag)]
Whole = Annotated[int, BeforeValidator(_whole)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_entries)]
Wholes = Annotated[tuple[Whole, ...], BeforeValidator(_entries)]
Opaque = Mapping[str, Any]  # what OSCAR's API writes, and nobody reads


class OscarValue(BaseModel):
    """Frozen; built by its own names or by OSCAR's, written with OSCAR's."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Storage(OscarValue):
    """A place in a store: of `input`, `output` and `mount`."""

    storage_provider: Text = ""
    path: Text = ""
    suffix: Texts = ()
    prefix: Texts = ()
    options: Text = ""


class Synchronous(OscarValue):
    """Replicas kept for requests."""

    min_scale: Whole = 0
    max_scale: Whole = 0


class Expose(OscarValue):
    """An API or page of the image's, reachable from outside; without a port there is none."""

    min_scale: Whole = 1
    max_scale: Whole = 10
    api_port: Wholes = ()
    cpu_threshold: Whole = 80
    rewrite_target: Flag = False
    node_port: Wholes = Field(default=(), alias="nodePort")
    default_command: Flag = False
    set_auth: Flag = False
    auth_type: Text = "basic"
    health_path: Text = "/"
    probe_mode: Text = "legacy"


class Environment(OscarValue):
    """Variables of the script's process; version 2 and 3 write `Variables`."""

    variables: Mapping[Text, Value] = Field(default_factory=dict)
    secrets: Mapping[Text, Value] = Field(default_factory=dict)


class Replica(OscarValue):
    """A service elsewhere that jobs may go to."""

    type: Text = ""
    cluster_id: Text = ""
    service_name: Text = ""
    url: Text = ""
    ssl_verify: Flag = True
    priority: Whole = 0
    headers: Mapping[Text, Value] = Field(default_factory=dict)


class Federation(OscarValue):
    """Services of several clusters that share jobs."""

    group_id: Text = ""
    topology: Text = ""
    delegation: Text = ""
    rescheduler_threshold: Whole = 0
    members: tuple[Replica, ...] = ()


class Volume(OscarValue):
    """A volume that OSCAR makes, or mounts where it is there."""

    name: Text = ""
    size: Text = ""
    mount_path: Text = ""
    lifecycle_policy: Text = ""


class KserveInference(OscarValue):
    """A model that a server of KServe's loads."""

    model_format: Text = ""
    runtime: Text = ""


class KserveLlm(OscarValue):
    """A language model."""

    runtime_image: Text = ""


class Kserve(OscarValue):
    """A model server beside the service."""

    type: Text = ""
    inference: KserveInference | None = None
    llm_inference: KserveLlm | None = None
    storage_uri: Text = ""
    api_version: Text = "v1"
    min_scale: Whole = 0
    max_scale: Whole = 1
    cpu: Text = CPU
    memory: Text = MEMORY
    args: Texts = ()
    env: Mapping[Text, Value] = Field(default_factory=dict)
    enable_gpu: Flag = False
    set_auth: Flag = True


class Cluster(OscarValue):
    """Another cluster of OSCAR's, with a login."""

    endpoint: Text = ""
    auth_user: Text = ""
    auth_password: Text = ""
    ssl_verify: Flag = False


class Provider(OscarValue):
    """Credentials of a store; which fields it has depends on its kind."""

    endpoint: Text = ""
    verify: Flag = False
    access_key: Text = ""
    secret_key: Text = ""
    region: Text = ""
    oneprovider_host: Text = ""
    token: Text = ""
    space: Text = ""
    hostname: Text = ""
    login: Text = ""
    password: Text = ""
    host: Text = ""
    auth_host: Text = ""
    account: Text = ""
    rse: Text = ""
    refresh_token: Text = ""
    oidc_audience: Text = ""
    token_endpoint: Text = ""


class Providers(OscarValue):
    """By kind, then by the name that `storage_provider` puts behind the dot."""

    s3: Mapping[Text, Provider] = Field(default_factory=dict)
    minio: Mapping[Text, Provider] = Field(default_factory=dict)
    onedata: Mapping[Text, Provider] = Field(default_factory=dict)
    webdav: Mapping[Text, Provider] = Field(default_factory=dict)
    rucio: Mapping[Text, Provider] = Field(default_factory=dict)


class Service(OscarValue):
    """One service; `script` is its text in the API's JSON, and a file's path in an FDL file."""

    name: Text = ""
    cluster_id: Text = ""
    memory: Text = ""
    cpu: Text = ""
    total_memory: Text = ""
    total_cpu: Text = ""
    ephemeral_storage_request: Text = ""
    enable_gpu: Flag = False
    enable_sgx: Flag = False
    image_prefetch: Flag = False
    synchronous: Synchronous = Synchronous()
    federation: Federation | None = None
    replicas: tuple[Replica, ...] = ()
    delegation: Text = ""
    rescheduler_threshold: Whole = 0
    log_level: Text = ""
    image: Text = ""
    alpine: Flag = False
    token: Text = ""
    file_stage_in: Flag = False
    input: tuple[Storage, ...] = ()
    output: tuple[Storage, ...] = ()
    script: Text = ""
    image_pull_secrets: Texts = ()
    expose: Expose = Expose()
    environment: Environment = Environment()
    annotations: Mapping[Text, Value] = Field(default_factory=dict)
    vo: Text = ""
    labels: Mapping[Text, Value] = Field(default_factory=dict)
    storage_providers: Providers = Providers()
    clusters: Mapping[Text, Cluster] = Field(default_factory=dict)
    owner: Text = ""
    namespace: Text = ""
    interlink_node_name: Text = ""
    visibility: Text = ""
    allowed_users: Texts = ()
    isolation_level: Text = ""
    bucket_list: Texts = ()
    mount: Storage = Storage()
    volume: Volume | None = None
    volume_status: Opaque = Field(default_factory=dict)
    deployment: Opaque = Field(default_factory=dict)
    kserve: Kserve | None = None

    def to_json(self) -> bytes:
        """As OSCAR's API answers; parts that there are none of are left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()

    def with_script(self, text: str) -> "Service":
        """The same with the script's text in place of its path."""
        return self.model_copy(update={"script": text})
