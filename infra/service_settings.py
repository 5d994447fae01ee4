"""What a person configures of Headrace's own services: how many pods each has, and who may reach them."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from headrace.catalog.document import Route
from headrace.model.function import Quantity
from headrace.model.metadata import Name, Namespace
from headrace.model.quantity import parse_bytes
from headrace.model.status_page import Names, StatusProxy
from headrace.model.value import ConsistentValue, Value
from infra.store_settings import Entrance


class Replicas(Value):
    """A service of which one replica leads and the others stand by."""

    replicas: int = Field(default=2, ge=1, le=5, description="pods at once")


class Entered(Replicas):
    """A service that others than the platform's own pods may reach."""

    entrance: Entrance = Field(default=Entrance(), description="who may reach it")


class Receiver(Entered):
    """The receiver of notifications; every replica takes them."""

    listing_seconds: float = Field(
        default=300.0, gt=0, allow_inf_nan=False, description="between two listings"
    )
    entrance: Entrance = Field(default=Entrance(), description="who else may notify it")


class ApiAccount(Value):
    """Who may call the API."""

    tenant: Namespace | None = Field(
        default=None,
        description="whose functions alone this user sees and makes; none: an administrator, who sees all",
    )
    password: str | None = Field(
        default=None,
        min_length=12,
        repr=False,
        description="set it with `pulumi config set --secret --path`; none: one is made, and lies in the "
        "secret `headrace-api-users`",
    )
    store_key: bool = Field(
        default=False,
        description="whether the user gets a key of the store, which `/system/config` hands out: a tenant's "
        "for its buckets, an administrator's for all. Only with a store that the stack runs",
    )


class Api(ConsistentValue, Entered):
    """The HTTP interface, which speaks OSCAR's API; every replica answers."""

    users: Mapping[Name, ApiAccount] = Field(min_length=1, description="who may call, by name")
    upload: Quantity = Field(default="1Gi", description="of one upload, at most")
    spool: Quantity = Field(
        default="4Gi",
        description="of all uploads and answers under way in one pod, at most: so much disk of its node it "
        "asks for",
    )
    run_seconds: float = Field(
        default=300.0, gt=0, allow_inf_nan=False, description="how long `/run` waits for a file's result"
    )
    stall_seconds: float = Field(
        default=60.0,
        gt=0,
        allow_inf_nan=False,
        description="an upload of which nothing comes for so long is cut",
    )
    store_endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^/\s]+)?$",
        description="the store's address as users reach it, http(s)://host:port; empty: as services do",
    )

    def _faults(self) -> Iterator[str]:
        if parse_bytes(self.spool) < parse_bytes(self.upload):
            yield (
                f"found api.spool {self.spool} and api.upload {self.upload}, allowed a spool that holds one "
                "upload at least; enlarge it"
            )

    @property
    def secret_parts(self) -> tuple[Route, ...]:
        """The routes to its secrets."""
        given = (name for name, each in self.users.items() if each.password is not None)
        return tuple(("users", name, "password") for name in given)


class Status(Entered):
    """The status page. Each replica gathers for itself."""

    replicas: int = Field(default=1, ge=1, le=5, description="pods at once")
    title: str = Field(default="", description="how the page calls the stack; empty: by its namespace")
    names: Names = Field(
        default=Names.SHOWN,
        description="what somebody sees of files without a login: `shown`, their names and why they failed; "
        "`hidden`, how many they are",
    )
    proxy: StatusProxy | None = Field(
        default=None, description="a proxy before it that lets people log in; none: by the token alone"
    )
    refresh_seconds: float = Field(
        default=1.0, ge=0.2, le=60.0, allow_inf_nan=False, description="between two looks at the stack"
    )

    @property
    def secret_parts(self) -> tuple[Route, ...]:
        """The routes to its secrets."""
        return (("proxy", "secret"),) if self.proxy is not None and self.proxy.secret else ()
