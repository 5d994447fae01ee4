"""What Flux, Argo CD and Pulumi's operator take, as far as the examples go: fields by name, no others.

Written by hand after the definitions of fluxcd/kustomize-controller 1.9, fluxcd/source-controller 1.9,
argoproj/argo-cd 3.5 and pulumi/pulumi-kubernetes-operator 2.9, which are too large to keep here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

Duration = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")]
Text = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """Nothing but what is named."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(Part):
    name: Text
    namespace: Text


class Named(Part):
    name: Text


# Flux


class SourceRef(Part):
    kind: Literal["GitRepository", "OCIRepository", "Bucket"]
    name: Text


class KustomizationSpec(Part):
    source_ref: SourceRef
    path: str
    interval: Duration
    prune: bool
    timeout: Duration | None = None
    retry_interval: Duration | None = None
    wait: bool = False
    depends_on: list[Named] = []


class Kustomization(Part):
    api_version: Literal["kustomize.toolkit.fluxcd.io/v1"]
    kind: Literal["Kustomization"]
    metadata: Metadata
    spec: KustomizationSpec


class GitSpec(Part):
    url: Annotated[str, Field(pattern=r"^(http|https|ssh)://.*$")]
    interval: Duration
    ref: Mapping[Literal["branch", "tag", "semver", "name", "commit"], Text]
    timeout: Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$")] = "60s"
    ignore: str = ""


class GitRepository(Part):
    api_version: Literal["source.toolkit.fluxcd.io/v1"]
    kind: Literal["GitRepository"]
    metadata: Metadata
    spec: GitSpec


class OciSpec(Part):
    url: Annotated[str, Field(pattern=r"^oci://.*$")]
    interval: Duration
    ref: Mapping[Literal["digest", "semver", "semverFilter", "tag"], Text]
    timeout: Duration = "60s"


class OciRepository(Part):
    api_version: Literal["source.toolkit.fluxcd.io/v1"]
    kind: Literal["OCIRepository"]
    metadata: Metadata
    spec: OciSpec


# Argo CD


class Source(Part):
    repo_url: Text = Field(alias="repoURL")
    target_revision: Text
    path: Text


class Destination(Part):
    server: Text
    namespace: Text


class Automated(Part):
    prune: bool
    self_heal: bool


class Backoff(Part):
    duration: Duration
    factor: int
    max_duration: Duration


class Retry(Part):
    limit: int
    backoff: Backoff


class SyncPolicy(Part):
    automated: Automated
    sync_options: list[Annotated[str, Field(pattern=r"^[A-Za-z]+=(true|false)$")]]
    retry: Retry


class ApplicationSpec(Part):
    project: Text
    source: Source
    destination: Destination
    sync_policy: SyncPolicy


class Application(Part):
    api_version: Literal["argoproj.io/v1alpha1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationSpec


# The Pulumi Kubernetes Operator


class SecretKey(Part):
    name: Text
    key: Text


class EnvironmentRef(Part):
    type: Literal["Secret"]
    secret: SecretKey


class PodSpec(Part):
    init_containers: list[dict[str, Any]]
    containers: list[dict[str, Any]]
    volumes: list[dict[str, Any]]


class PodTemplate(Part):
    spec: PodSpec


class WorkspaceSpec(Part):
    image: Annotated[str, Field(pattern=r"^.+@sha256:[0-9a-f]{64}$")]
    security_profile: Literal["restricted", "baseline"]
    resources: dict[str, dict[str, str]]
    pod_template: PodTemplate


class WorkspaceTemplate(Part):
    spec: WorkspaceSpec


class StackSpec(Part):
    stack: Annotated[str, Field(pattern=r"^organization/[a-z-]+/[a-z-]+$")]
    project_repo: Text
    branch: Annotated[str, Field(pattern=r"^refs/heads/.+$")]
    repo_dir: str = ""
    backend: Text
    env_refs: Mapping[str, EnvironmentRef]
    config: Mapping[str, str]
    prerequisites: list[Named] = []
    refresh: bool
    continue_resync_on_commit_match: bool
    resync_frequency_seconds: Annotated[int, Field(ge=60)]
    destroy_on_finalize: bool
    service_account_name: Text
    workspace_template: WorkspaceTemplate


class Stack(Part):
    api_version: Literal["pulumi.com/v1"]
    kind: Literal["Stack"]
    metadata: Metadata
    spec: StackSpec


Synced = Kustomization | GitRepository | OciRepository | Application | Stack
SYNCED: TypeAdapter[Synced] = TypeAdapter(Annotated[Synced, Field(discriminator="kind")])
