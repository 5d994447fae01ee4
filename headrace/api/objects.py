"""The port on Function objects of Kubernetes; what the API server and its policies say becomes our errors."""

import base64
import json
import logging
from collections.abc import Sequence
from typing import Any

from headrace.api.deployments import MANAGER, NO_ENTRIES, Entries, check_made_here, entries_of, marked
from headrace.catalog.deployed import function_of, sound
from headrace.kube.kinds import FUNCTIONS, SECRETS, Kind
from headrace.kube.naming import is_ending, key_of, labels_of, uid_of
from headrace.kube.port import Kube, Manifest, Selection
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    RejectedError,
)
from headrace.model.function import Function
from headrace.model.judging import judge
from headrace.model.labels import HEADRACE, MANAGED_BY, PART_OF
from headrace.model.settings import KubernetesSettings
from headrace.model.tenancy import own_name, qualified, tenant_of

_log = logging.getLogger(__name__)


class ObjectDeployments:
    """See the port. One that is being deleted is none any more."""

    def __init__(self, kube: Kube, place: KubernetesSettings) -> None:
        self._kube = kube
        self._place = place

    async def listed(self) -> Sequence[Function]:
        """See the port."""
        found: list[Manifest] = []
        for namespace in self._place.namespaces:
            found += [each for each in await self._objects(namespace) if not is_ending(each)]
        functions = sound(found, lambda each: function_of(each, self._place))
        return sorted(functions, key=lambda function: function.name)

    async def _objects(self, namespace: str) -> Sequence[Manifest]:
        """A tenant's namespace that can't be seen hides its own functions, and nobody else's."""
        try:
            return (await self._kube.list(FUNCTIONS, Selection(namespace))).items
        except (ConfigurationError, NotFoundError) as error:
            if not self._place.tenant_in(namespace):
                raise
            _log.warning("tenant %s: %s", namespace, error, extra={"action": "api.tenant_unseen"})
            return ()

    async def read(self, name: str) -> Function:
        """See the port."""
        return function_of(await self._object(name), self._place)

    async def create(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """See the port."""
        manifest = self._manifest(function)
        made = await self._make(SECRETS, function, self._secret(function, secrets)) if secrets else None
        try:
            await self._make(FUNCTIONS, function, manifest)
        except HeadraceError:
            if made is not None:
                await self._delete(SECRETS, made)
            raise

    async def _make(self, kind: Kind, function: Function, manifest: Manifest) -> Manifest:
        try:
            return await self._kube.create(kind, manifest)
        except ExistsError as error:
            raise ExistsError(f"function {function.name}: its {kind.name} is there already") from error
        except ConfigurationError as error:
            raise _refused(function, error) from error

    async def update(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """See the port."""
        found = await self._object(function.name)
        check_made_here(function_of(found, self._place))
        wanted = self._manifest(function)
        if secrets:
            await self._change_secret(function, secrets)
        metadata = {**found["metadata"], "annotations": {}, **wanted["metadata"]}  # finalizers stay
        try:
            await self._kube.replace(FUNCTIONS, {**found, **wanted, "metadata": metadata})
        except ConfigurationError as error:
            raise _refused(function, error) from error

    async def delete(self, name: str) -> None:
        """See the port."""
        found = await self._object(name)
        check_made_here(function_of(found, self._place))
        await self._delete(FUNCTIONS, found)
        secret = await self._found_secret(name)
        if secret is not None and labels_of(secret).get(MANAGED_BY) == MANAGER:
            await self._delete(SECRETS, secret)

    async def secret_names(self, function: Function) -> Sequence[str]:
        """See the port."""
        names: set[str] = set()
        for own in function.spec.secrets:
            found = await self._found_secret(qualified(tenant_of(function.name), own))
            names |= (found or {}).get("data", {}).keys()
        return sorted(names)

    # Secrets

    async def _found_secret(self, name: str) -> Manifest | None:
        try:
            return await self._kube.get(SECRETS, own_name(name), namespace=self._place.namespace_of(name))
        except NotFoundError:
            return None

    async def _change_secret(self, function: Function, entries: Entries) -> None:
        found = await self._found_secret(function.name)
        if found is None:
            await self._kube.create(SECRETS, self._secret(function, entries_of(entries, {})))
            return
        if labels_of(found).get(MANAGED_BY) != MANAGER:
            raise ChangedError(
                f"the secret {own_name(function.name)} was not made through the API; change it there"
            )
        kept = {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}
        wanted = self._secret(function, entries_of(entries, kept))
        await self._kube.replace(SECRETS, {**wanted, "metadata": found["metadata"]})

    def _secret(self, function: Function, entries: Entries) -> dict[str, Any]:
        data = {
            key: base64.b64encode(value.encode()).decode() for key, value in entries_of(entries, {}).items()
        }
        labels = {PART_OF: HEADRACE, MANAGED_BY: MANAGER}
        metadata = {
            "name": function.metadata.name,
            "namespace": self._place.namespace_of(function.name),
            "labels": labels,
        }
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}

    async def _delete(self, kind: Kind, found: Manifest) -> None:
        namespace, name = key_of(found)
        await self._kube.delete(kind, name, namespace=namespace, uid=uid_of(found))

    async def _object(self, name: str) -> Manifest:
        namespace = self._place.namespace_of(name)
        if namespace not in self._place.namespaces:
            raise NotFoundError(f"function {name} is not there")
        found = await self._kube.get(FUNCTIONS, own_name(name), namespace=namespace)
        if is_ending(found):
            raise NotFoundError(f"function {name} is being deleted")
        return found

    def _manifest(self, function: Function) -> dict[str, Any]:
        """As the API server is sent it. Raises RejectedError for what a tenant may not have."""
        if refusal := judge(function, self._place):
            raise RejectedError(refusal)
        document: dict[str, Any] = json.loads(marked(function).to_json())
        document["metadata"]["namespace"] = self._place.namespace_of(function.name)
        return document


def _refused(function: Function, error: ConfigurationError) -> RejectedError:
    return RejectedError(f"function {function.name} is refused by the cluster: {error}")
