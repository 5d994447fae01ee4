"""What a person configures of a set of functions: which folders, with which images, secrets and buckets.

Each key stands in stacks/functions/Pulumi.<stack>.yaml as `headrace-functions:<key>`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from headrace.catalog.document import Route
from headrace.model.bucket import BucketName, OnBucketDelete
from headrace.model.function import EnvironmentName
from headrace.model.metadata import Name, Namespace
from headrace.model.value import ConsistentValue, Value
from infra.kubeconfig import ClusterUid, is_content


class FunctionBucket(Value):
    """A bucket that functions of this set name. The platform's stack says what it is called in the store."""

    on_delete: OnBucketDelete = Field(
        default=OnBucketDelete.REFUSE,
        description="`refuse`: it is not deleted while it holds data; `delete`: the data goes too",
    )
    notification_arn: str | None = Field(
        default=None,
        pattern=r"^arn:[!-~]+$",
        max_length=1024,
        description="where a store that was given sends its notifications",
    )


Entries = Annotated[Mapping[EnvironmentName, str], Field(min_length=1)]


class FunctionsOnAws(Value):
    """Where the platform is that the functions are for, if its stack has made it on AWS."""

    account: str = Field(
        pattern=r"^[0-9]{12}$", description="the account; credentials of any other are refused"
    )
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="the region")


class FunctionSettings(ConsistentValue):
    """A set of functions."""

    kubeconfig: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="path of a kubeconfig, or (as a secret) its content; never an ambient one. Required, but "
        "with `aws`, where the platform's stack tells it",
    )
    context: str | None = Field(
        default=None, min_length=1, description="the context in it; required as `kubeconfig` is"
    )
    cluster_uid: ClusterUid = ""
    aws: FunctionsOnAws | None = Field(
        default=None, description="a platform on AWS, where each function gets a role; none: it is elsewhere"
    )
    platform: str = Field(
        pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$",
        description="the platform's stack: organization/headrace/<stack>",
    )
    tenant: Namespace | None = Field(
        default=None,
        description="whose functions they are, by the platform's `tenants`; none: the stack's own",
    )
    functions: tuple[Name, ...] = Field(min_length=1, description="folders of functions, beside the program")
    images: Mapping[Name, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="images by function, where function.yaml names none or another is meant",
    )
    images_file: str = Field(
        default="",
        description="a file that `make images` wrote on this machine, from the program's folder; `images` "
        "goes before it",
    )
    buckets: Mapping[BucketName, FunctionBucket] = Field(
        default_factory=dict, description="buckets by logical name, where the defaults do not fit"
    )
    secrets: Mapping[Name, Entries] = Field(
        default_factory=dict,
        repr=False,
        description="secrets by name, each with its entries; set with `pulumi config set --secret --path`",
    )
    wait: bool = Field(default=True, description="whether `pulumi up` waits until every function is ready")

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """Keys that hold a secret with these values."""
        return tuple(dict.fromkeys(str(part[0]) for part in self.secret_parts))

    @property
    def secret_parts(self) -> tuple[Route, ...]:
        """The routes to all secrets in these values, from their keys."""
        content = self.kubeconfig is not None and is_content(self.kubeconfig)
        entries = (("secrets", name, entry) for name, each in self.secrets.items() for entry in each)
        return (*((("kubeconfig",),) if content else ()), *entries)

    def _faults(self) -> Iterator[str]:
        given = {"kubeconfig": self.kubeconfig, "context": self.context}
        if self.aws is None:
            for key in (key for key, value in given.items() if value is None):
                yield f"found no {key} and no aws, allowed with one of them; name the cluster, or write aws"
            return
        told = {**given, "clusterUid": self.cluster_uid or None}
        for key in (key for key, value in told.items() if value is not None):
            yield (
                f"found {key} beside aws, allowed without it, as the platform's stack tells the cluster; "
                "take it out"
            )
