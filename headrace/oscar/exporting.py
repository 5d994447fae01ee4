"""A function -> the service that OSCAR's clients are shown.

What OSCAR's form has no place for is left out: handlers and http (no script), ways to a GPU and how many,
batches, times, node selectors, entries of secrets, and volumes after the first.
"""

from collections.abc import Mapping

from headrace.model.function import Destination, Function, Input, Scale
from headrace.oscar.service import Environment, Service, Storage, Synchronous, Volume
from headrace.oscar.storage import OWN


def service_of(function: Function, script: str = "") -> Service:
    """`script` is its text, where the function does not hold it itself (`run.source`)."""
    spec = function.spec
    fields = {
        "name": function.metadata.name,
        "image": spec.image or "",
        "script": script or spec.run.source or "",
        "memory": spec.resources.memory,
        "cpu": spec.resources.cpu,
        "ephemeral_storage_request": spec.resources.ephemeral_storage,
        "enable_gpu": spec.gpu is not None,
        "synchronous": _synchronous(spec.scale),
        "input": tuple(_input(each) for each in spec.input),
        "output": tuple(_output(each) for each in spec.output),
        "environment": Environment(variables=dict(spec.environment)),
        "image_pull_secrets": spec.image_pull_secrets,
        "labels": dict(function.metadata.labels),
        "annotations": dict(function.metadata.annotations),
        **_volume(function),
    }
    return Service.model_validate(fields)


def _synchronous(scale: Scale) -> Synchronous:
    """OSCAR's 0 is no limit, which a function always has."""
    limited = "max_workers" in scale.model_fields_set
    return Synchronous(min_scale=scale.min_workers, max_scale=scale.max_workers if limited else 0)


def _input(source: Input) -> Storage:
    return Storage(storage_provider=OWN, path=_path(source.bucket, source.prefix))


def _output(destination: Destination) -> Storage:
    return Storage(
        storage_provider=OWN,
        path=_path(destination.bucket, destination.prefix),
        suffix=destination.suffix,
        prefix=destination.name_prefix,
    )


def _path(bucket: str, prefix: str) -> str:
    return f"{bucket}/{prefix}".rstrip("/")


def _volume(function: Function) -> Mapping[str, Volume]:
    first = next(iter(function.spec.volumes), None)
    return {} if first is None else {"volume": Volume(name=first.claim, mount_path=first.mount_path)}
