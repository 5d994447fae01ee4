"""A running stack as the operations see it: its store, its queue and its functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.catalog.folder import Installed
from headrace.model.errors import ConfigurationError, NotFoundError
from headrace.model.function import Input
from headrace.model.settings import KubernetesSettings, real_bucket
from headrace.model.tenancy import tenant_of
from headrace.model.troubles import Trouble
from headrace.operations.records import Records
from headrace.queue.port import Queue
from headrace.storage.port import Storage


@dataclass(frozen=True, slots=True)
class Stack:
    """`platform_bucket` keeps records; `buckets` maps logical to real names, where they differ.

    `place` names the tenants, of functions that are objects on Kubernetes.
    """

    storage: Storage
    queue: Queue
    functions: tuple[Installed, ...]
    platform_bucket: str
    buckets: Mapping[str, str] = field(default_factory=dict)
    place: KubernetesSettings | None = None

    @property
    def records(self) -> Records:
        return Records(self.storage, self.platform_bucket)

    def find(self, function: str) -> Installed:
        """The function of this name. Raises NotFoundError, which names those there are."""
        for installed in self.functions:
            if installed.function.name == function:
                return installed
        names = ", ".join(installed.function.name for installed in self.functions) or "none"
        raise NotFoundError(
            f"function {function!r} is not installed; installed: {names}", trouble=Trouble.FUNCTION_UNKNOWN
        )

    def real_bucket(self, logical: str, tenant: str = "") -> str:
        """The store's name of a bucket that a tenant's function names, or one of the stack's own."""
        return real_bucket(logical, tenant, self.buckets, self.place)

    def inputs(self, installed: Installed) -> tuple[tuple[str, Input], ...]:
        """A function's inputs with their buckets' real names.

        Raises ConfigurationError for an input from the platform bucket, whose keys never start a task.
        """
        function = installed.function
        tenant = tenant_of(function.name)
        pairs = tuple((self.real_bucket(i.bucket, tenant), i) for i in function.spec.input)
        if any(bucket == self.platform_bucket for bucket, _ in pairs):
            raise ConfigurationError(
                f"function {function.name!r} reads from {self.platform_bucket!r}, the platform's "
                "own bucket, whose objects never start a task; name another bucket"
            )
        return pairs
