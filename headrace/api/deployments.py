"""What the API needs of wherever functions are kept: a port; and what may be changed through it. Pure.

A script is always inlined here: `spec.run.source` holds its text, whether or not a folder lies behind it.
Names are those where tenants meet (`lab.echo`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from headrace.model.errors import ChangedError, RejectedError
from headrace.model.function import Function
from headrace.model.labels import HEADRACE, MANAGED_BY

MANAGER = f"{HEADRACE}-api"  # the value of MANAGED_BY on what was made through the API
Entries = Mapping[str, str]  # of a secret: name -> value
NO_ENTRIES: Entries = MappingProxyType({})


class Deployments(Protocol):
    """The functions of a stack.

    Every call raises TransientError when it can't be answered now, and ConfigurationError for what a person
    must mend.
    """

    async def listed(self) -> Sequence[Function]:
        """All sound ones, whoever made them, in order of names."""
        ...

    async def read(self, name: str) -> Function:
        """One. Raises NotFoundError."""
        ...

    async def create(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """Make it, wholly or not at all, and before it the secret of its name with these entries.

        Raises ExistsError, also for a secret that was not made here, and RejectedError for what may not be
        there.
        """
        ...

    async def update(self, function: Function, secrets: Entries = NO_ENTRIES) -> None:
        """Change it in one step; of its secret only these entries stay, an empty one with the value it has.

        Raises NotFoundError, RejectedError, and ChangedError for one that was not made through the API or
        was changed by another meanwhile.
        """
        ...

    async def delete(self, name: str) -> None:
        """Order its deletion, and its secret's. Raises NotFoundError, ChangedError as `update` does."""
        ...

    async def secret_names(self, function: Function) -> Sequence[str]:
        """The entries of a function's secrets, in order of names; never their values."""
        ...


def entries_of(wanted: Entries, kept: Entries) -> dict[str, str]:
    """What a secret holds after a change. Raises RejectedError for an empty entry that has no value yet."""
    missing = sorted(name for name, value in wanted.items() if not value and name not in kept)
    if missing:
        raise RejectedError(f"environment.secrets: found no value for {', '.join(missing)}; write one")
    return {name: value or kept[name] for name, value in wanted.items()}


def marked(function: Function) -> Function:
    """The same with the mark that it was made through the API."""
    labels = {**function.metadata.labels, MANAGED_BY: MANAGER}
    metadata = function.metadata.model_copy(update={"labels": labels})
    return function.model_copy(update={"metadata": metadata})


def check_made_here(function: Function) -> None:
    """Raises ChangedError for a function that is kept elsewhere, from where the change would be undone."""
    manager = function.metadata.labels.get(MANAGED_BY)
    if manager != MANAGER:
        raise ChangedError(
            f"function {function.name} was not made through the API (found {MANAGED_BY}: "
            f"{manager or 'none'}, allowed {MANAGER}); change it where it is kept"
        )
