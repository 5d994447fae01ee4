"""Who works, on what: the function with its digest, the worker's name, its clock and its source of ids."""

from collections.abc import Callable
from dataclasses import dataclass

from headrace.model.function import Function


@dataclass(frozen=True, slots=True)
class Identity:
    """What records say about who made them; `now` gives seconds since the epoch."""

    function: Function
    digest: str
    worker: str
    now: Callable[[], float]
    new_attempt: Callable[[], str]
    runtime: str = "host"  # where the function's code runs; of a pod "kubernetes"
    gpu: str | None = None  # by which way it has a GPU, and of which servers
