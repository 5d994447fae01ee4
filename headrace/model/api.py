"""The settings of the HTTP interface: where it listens, who may call it, and what a call may take."""

from collections.abc import Iterator

from pydantic import Field

from headrace.model.metadata import Namespace
from headrace.model.value import ConsistentValue, Value

MIB = 1024**2


class StoreKey(Value):
    """A key of the store that is handed to a user: on a cluster never the platform's own."""

    access_key: str = Field(min_length=1)
    secret_key: str = Field(min_length=1, repr=False)


class ApiUser(Value):
    """Who may call. Without a tenant it is an administrator, who sees everybody's services."""

    name: str = Field(pattern=r"^[^:]+$")  # basic authentication puts a colon behind it
    password: str = Field(min_length=1, repr=False)
    tenant: Namespace | None = None
    store: StoreKey | None = None  # none: his storage clients have keys of their own


class ApiSettings(ConsistentValue):
    """Kept in a file of mode 0600. `token_key` makes the services' tokens: another one makes all void."""

    host: str = "127.0.0.1"
    port: int
    users: tuple[ApiUser, ...] = Field(min_length=1)
    token_key: str = Field(min_length=32, repr=False)
    spool_directory: str = ""  # where an upload is until it is whole; empty: the system's own
    upload_bytes: int = Field(default=1024 * MIB, gt=0)  # of one upload, at most
    spool_bytes: int = Field(default=4096 * MIB, gt=0)  # of all uploads and answers under way, at most
    stall_seconds: float = Field(default=60.0, gt=0)  # an upload of which nothing comes for so long is cut
    run_seconds: float = Field(default=300.0, gt=0)  # how long `/run` waits for a file's result
    ready_seconds: float = Field(default=20.0, ge=0)  # how long a new service is waited for
    store_endpoint: str = ""  # as clients reach it; empty: as the services do
    # Of services that only requests start: the buckets of what they are sent, and of what they make of it.
    entrance: str = "requests"
    answers: str = "answers"

    @property
    def passwords(self) -> tuple[str, ...]:
        """Values that no log may show."""
        keys = (each.store.secret_key for each in self.users if each.store)
        return self.token_key, *(each.password for each in self.users), *keys

    def _faults(self) -> Iterator[str]:
        names = [each.name for each in self.users]
        for name in sorted({each for each in names if names.count(each) > 1}):
            yield f"users: found {name!r} twice; give every user a name of his own"
        if self.spool_bytes < self.upload_bytes:
            yield (
                f"spoolBytes is {self.spool_bytes}; it must hold one upload at least, "
                f"uploadBytes, {self.upload_bytes}"
            )
