"""What buckets are called in the stack that a backup is restored to. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from headrace.backup.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Naming:
    """A bucket keeps its logical name; what the store calls it is each stack's matter."""

    manifest: Manifest
    now: Callable[[str], str]  # logical -> real, in the stack that is restored to

    def real(self, former: str) -> str:
        """A bucket's present name in the store, by its former one."""
        return self.now(self.manifest.logical.get(former, former))

    def former(self, logical: str) -> str:
        """The store's name at the backup's time, by the logical one."""
        return self.manifest.buckets.get(logical, logical)
