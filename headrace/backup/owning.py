"""Functions of tenants in a backup. Pure.

A backup knows logical names of the stack's own buckets alone, as each tenant may have an `uploads`. So a
tenant's function names its buckets there as the store does.
"""

from collections.abc import Callable

from headrace.model.function import Function


def as_stored(function: Function, real: Callable[[str], str]) -> Function:
    """The same function with the store's names of the buckets that it reads and writes."""
    spec = function.spec
    named = {
        "input": tuple(each.model_copy(update={"bucket": real(each.bucket)}) for each in spec.input),
        "output": tuple(each.model_copy(update={"bucket": real(each.bucket)}) for each in spec.output),
    }
    return function.model_copy(update={"spec": spec.model_copy(update=named)})
