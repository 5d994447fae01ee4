"""One run at a time: who writes a Secret claims the kept credentials first, if they are as it read them.

Secrets are made from what is kept, so two runs that started from two states of it must not both write.
"""

from headrace.kube.kinds import SECRETS
from headrace.kube.naming import annotations_of, key_of, version_of
from headrace.kube.port import Kube, Manifest
from headrace.model.errors import ChangedError, ConfigurationError, ExistsError
from headrace.model.labels import GROUP

MANAGER = "headrace-secrets"
CLAIMED = f"{GROUP}/claimed"  # on the credentials: the version that the last run found, so another each time


class Claim:
    """On a stack's credentials, of which this run has read `before`; None: the stack keeps none.

    Every method raises ConfigurationError where another run came between, and what the port says.
    """

    def __init__(self, kube: Kube, credentials: Manifest | None, before: Manifest | None) -> None:
        self._kube = kube
        self._credentials = credentials
        self._before = before
        self._version = ""  # of the credentials as this run wrote them; empty: it has written none

    async def keep(self) -> None:
        """Write the credentials, if they are others than before."""
        if self._credentials is None:
            return
        if self._before is None or self._before.get("data") != self._credentials["data"]:
            await self.hold()

    async def hold(self) -> None:
        """Before a write: this run's claim, made now or still there."""
        if self._credentials is None:
            return
        if not self._version:
            self._version = version_of(await self._written(self._credentials))
        await self.check()

    async def check(self) -> None:
        """Nothing, where this run claimed nothing."""
        if self._credentials is None or not self._version:
            return
        namespace, name = key_of(self._credentials)
        there = await self._kube.get(SECRETS, name, namespace=namespace)
        if version_of(there) != self._version:
            raise another_came(self._credentials)

    async def _written(self, credentials: Manifest) -> Manifest:
        try:
            if self._before is None:
                return await self._kube.create(SECRETS, credentials)
            version = version_of(self._before)
            notes = {**annotations_of(credentials), CLAIMED: version}
            metadata = {**credentials["metadata"], "annotations": notes, "resourceVersion": version}
            return await self._kube.apply(SECRETS, {**credentials, "metadata": metadata}, manager=MANAGER)
        except (ChangedError, ExistsError) as error:
            raise another_came(credentials) from error


def another_came(secret: Manifest) -> ConfigurationError:
    """That a Secret is no longer as this run found it."""
    return ConfigurationError(
        f"Secret {'/'.join(key_of(secret))}: another run wrote it at the same time; run this again"
    )
