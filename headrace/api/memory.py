"""The port in this process's memory, for tests."""

from collections.abc import Iterable, Sequence

from headrace.api.deployments import NO_ENTRIES, Entries, check_made_here, entries_of, marked
from headrace.model.errors import ExistsError, NotFoundError
from headrace.model.function import Function


class MemoryDeployments:
    """See the port. `functions` were made by somebody else."""

    def __init__(self, functions: Iterable[Function] = ()) -> None:
        self._functions = {each.name: each for each in functions}
        self._secrets: dict[str, dict[str, str]] = {}  # by function

    async def listed(self) -> Sequence[Function]:
        """See the port."""
        return [self._functions[name] for name in sorted(self._functions)]

    async def read(self, name: str) -> Function:
        """See the port."""
        try:
            return self._functions[name]
        except KeyError:
            raise NotFoundError(f"function {name} is not there") from None

    async def create(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """See the port."""
        if function.name in self._functions:
            raise ExistsError(f"function {function.name} is there already")
        self._secrets[function.name] = entries_of(secrets, {})
        self._functions[function.name] = marked(function)

    async def update(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """See the port."""
        check_made_here(await self.read(function.name))
        self._secrets[function.name] = entries_of(secrets, self._secrets[function.name])
        self._functions[function.name] = marked(function)

    async def delete(self, name: str) -> None:
        """See the port."""
        check_made_here(await self.read(name))
        del self._functions[name], self._secrets[name]

    async def secret_names(self, function: Function) -> Sequence[str]:
        """See the port."""
        return sorted(self._secrets.get(function.name, ()))
