"""Which functions take an object, and the task that each makes of it. Pure."""

from collections.abc import Callable, Iterable

from headrace.model.function import Function
from headrace.model.task import Task, task_id
from headrace.storage.port import ObjectInfo

RealBucket = Callable[[str], str]  # logical name -> the store's name


def takers(
    functions: Iterable[Function], bucket: str, key: str, *, real_bucket: RealBucket
) -> tuple[Function, ...]:
    """The functions that an object starts; `bucket` is the store's name. A folder marker starts none."""
    if key.endswith("/"):
        return ()
    return tuple(
        function
        for function in functions
        if any(real_bucket(each.bucket) == bucket and each.takes(key) for each in function.spec.input)
    )


def task_of(function: str, info: ObjectInfo, *, received: float) -> Task:
    """The task of one function on one object as HEAD describes it; `received` in seconds since the epoch."""
    return Task(
        id=task_id(function, info.bucket, info.key, info.identity),
        function=function,
        bucket=info.bucket,
        key=info.key,
        version=info.version,
        etag=info.etag,
        size=info.size,
        received=received,
    )
