"""What is made to compare ways: a bucket of its own, and for each way a copy of the function. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.assessment.candidates import Candidate
from headrace.model.bucket import Bucket, BucketMetadata, BucketSpec, OnBucketDelete
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, FunctionSpec, Input, Metadata, OnDelete, Scale
from headrace.model.labels import ASSESSMENT
from headrace.model.value import Value

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A local file, and its name below a copy's input."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One comparison. `id` is unique and names all that is made; `namespace` is the functions'."""

    id: str
    function: Function
    namespace: str
    candidates: tuple[Candidate, ...]
    files: tuple[File, ...]
    workers: int

    @property
    def taken(self) -> tuple[Candidate, ...]:
        """The ways that are tried."""
        return tuple(each for each in self.candidates if each.way.taken)

    @property
    def left_out(self) -> tuple[Candidate, ...]:
        """The ways that the cluster does not have, with reasons."""
        return tuple(each for each in self.candidates if not each.way.taken)

    @property
    def bucket(self) -> str:
        """Where all files of the comparison lie; it goes with all that is in it."""
        return f"assess-{self.id}"

    def name_of(self, candidate: Candidate) -> str:
        """The name of a way's copy."""
        return f"{self.bucket}-{candidate.name}"

    def key_of(self, candidate: Candidate, file: File) -> str:
        """The object that a file becomes."""
        return f"{candidate.name}/in/{file.name}"


def planned(
    function: Function,
    candidates: Sequence[Candidate],
    files: Sequence[tuple[Path, str]],
    *,
    identity: str,
    namespace: str,
    repeat: int,
    workers: int,
) -> Plan:
    """A comparison in which each file is worked `repeat` times by each way.

    Raises ConfigurationError where the function takes none of such a file, or where no way can be taken.
    """
    for path, name in files:
        if not any(source.takes(source.prefix + name) for source in function.spec.input):
            allowed = ", ".join(suffix for source in function.spec.input for suffix in source.suffix)
            raise ConfigurationError(
                f"function {function.name!r} does not take {path}: found the suffix {path.suffix!r}, allowed "
                f"{allowed}; name other files"
            )
    numbered = [
        File(path, f"{number}/{name}" if repeat > 1 else name)
        for number in range(1, repeat + 1)
        for path, name in files
    ]
    plan = Plan(identity, function, namespace, tuple(candidates), tuple(numbered), workers)
    if not plan.taken:
        reasons = "; ".join(f"{each.name}: {each.way.reason}" for each in plan.left_out)
        raise ConfigurationError(f"function {function.name!r}: there is no way to compare: {reasons}")
    return plan


def bucket_of(plan: Plan) -> Manifest:
    """The comparison's bucket, which is deleted with what is in it."""
    metadata = BucketMetadata(name=plan.bucket, namespace=plan.namespace, labels={ASSESSMENT: plan.id})
    spec = BucketSpec(on_delete=OnBucketDelete.DELETE)
    return _manifest(Bucket(api_version="headrace.dev/v1alpha1", kind="Bucket", metadata=metadata, spec=spec))


def copy_of(plan: Plan, candidate: Candidate) -> Manifest:
    """The function with one way alone, that many workers from the start, and places of its own."""
    metadata = Metadata(name=plan.name_of(candidate), namespace=plan.namespace, labels={ASSESSMENT: plan.id})
    return _manifest(
        Function(
            api_version="headrace.dev/v1alpha1",
            kind="Function",
            metadata=metadata,
            spec=_spec_of(plan, candidate),
        )
    )


def _spec_of(plan: Plan, candidate: Candidate) -> FunctionSpec:
    spec = plan.function.spec
    # One place for each of the function's own: it publishes as much as it does otherwise.
    places = tuple(
        each.model_copy(update={"bucket": plan.bucket, "prefix": f"{candidate.name}/out/{number}/"})
        for number, each in enumerate(spec.output)
    )
    return spec.model_copy(
        update={
            "input": (Input(bucket=plan.bucket, prefix=f"{candidate.name}/in/"),),
            "output": places,
            "gpu": candidate.wish,
            "scale": _kept(plan.workers),
            "delivery": spec.delivery.model_copy(update={"attempts": 1}),
            "suspend": False,
            "on_delete": OnDelete.PURGE,
        }
    )


def _kept(workers: int) -> Scale:
    """So many workers, from before the first file to after the last."""
    return Scale(min_workers=workers, max_workers=workers)


def _manifest(value: Value) -> Manifest:
    found: Manifest = json.loads(value.to_json())
    return found
