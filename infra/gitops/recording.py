"""A stand-in for Pulumi's engine, which writes down what a program registers and does nothing.

It is what Pulumi offers for tests of programs (`pulumi.runtime.set_mocks`); here it is also how the very
components that `pulumi up` runs become files. Pulumi's own `render_yaml_to_directory` needs its CLI, a state
and every secret, and writes those out: https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_pulumi_func

STACK = "pulumi:pulumi:Stack"
# A resource's type, name and inputs -> what its provider would add, or say anew, in its outputs.
Answer = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Secret:
    """A secret in an input."""

    value: Any


@dataclass(frozen=True)
class Declared:
    """One resource; `parent` and `after` by name, resources of AWS as <Kind>/<name>."""

    type: str
    inputs: Mapping[str, Any]
    parent: str
    provider: str
    after: frozenset[str]
    secret_outputs: tuple[str, ...]
    ignored: tuple[str, ...]
    is_protected: bool = False
    is_retained: bool = False


class _Answers(mocks.Mocks):
    """Outputs are the inputs, and what only the real provider knows."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.secret: dict[str, Sequence[str]] = {}  # outputs that the program wants secret, by resource

    def call(self, args: mocks.MockCallArgs) -> NoReturn:
        raise AssertionError(f"a look-up was made: {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made = {key: value for key, value in args.inputs.items() if value is not None}
        state = {
            **made,
            **self.answer(args.typ, args.name, {key: revealed(_plain(each)) for key, each in made.items()}),
        }
        wanted = self.secret.get(args.name, ())  # a reference to another stack is read, not registered
        hidden = {key: pulumi.Output.secret(state[key]) for key in wanted if key in state}
        return f"{args.name}-id", {**state, **hidden}


class _Recorder(mocks.MockMonitor):
    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self.answers = answers
        self.declared: dict[str, Declared] = {}
        self.loops: set[asyncio.AbstractEventLoop] = set()

    def RegisterResource(  # noqa: N802  (gRPC's name)
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        self.answers.secret[request.name] = request.additionalSecretOutputs
        answer: resource_pb2.RegisterResourceResponse
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK gives it no types
        if request.type != STACK:
            key = _key(request.type, request.name)
            if key in self.declared:
                raise AssertionError(f"{key} was declared twice")
            self.declared[key] = _declared(request)
            self._note_loop()
        return answer

    def ReadResource(  # noqa: N802  (gRPC's name)
        self, request: resource_pb2.ReadResourceRequest
    ) -> resource_pb2.ReadResourceResponse:
        answer: resource_pb2.ReadResourceResponse
        answer = super().ReadResource(request)  # type: ignore[no-untyped-call]  # the SDK gives it no types
        self._note_loop()
        return answer

    def _note_loop(self) -> None:
        self.loops.add(asyncio.get_event_loop())  # Pulumi's own, one a thread, which it never closes


def declared(
    program: Callable[[], None],
    answer: Answer,
    *,
    project: str,
    stack: str,
    config: Mapping[str, str] | None = None,
) -> Mapping[str, Declared]:
    """Run a program to its end, all registrations drained; what it declared, by name as `parent` has it.

    Raises what the program raises.
    """
    recorder = _Recorder(_Answers(answer))

    async def run() -> None:
        mocks.set_mocks(recorder.answers, project=project, stack=stack, monitor=recorder)
        set_all_config(dict(config or {}), [])
        await run_pulumi_func(program)

    # Pulumi keeps its state in context variables: each program gets a context and a loop of its own.
    try:
        contextvars.copy_context().run(asyncio.run, run())
    finally:
        for loop in recorder.loops:
            loop.close()
    return recorder.declared


def revealed(value: object) -> object:
    """A value without its marks of secrets."""
    if isinstance(value, Secret):
        return revealed(value.value)
    if isinstance(value, Mapping):
        return {key: revealed(each) for key, each in value.items()}
    return [revealed(each) for each in value] if isinstance(value, list) else value


def _declared(request: resource_pb2.RegisterResourceRequest) -> Declared:
    return Declared(
        request.type,
        {key: _plain(each) for key, each in rpc.deserialize_properties(request.object).items()},
        _name(request.parent),
        _name(request.provider.rpartition("::")[0]),
        frozenset(map(_name, request.dependencies)),
        tuple(request.additionalSecretOutputs),
        tuple(request.ignoreChanges),
        request.protect,
        request.retainOnDelete,
    )


def _name(urn: str) -> str:
    """How a resource is called here, by urn:pulumi:<stack>::<project>::<types of parents>$<type>::<name>."""
    head, _, name = urn.rpartition("::")
    return _key(head.rpartition("::")[2].rpartition("$")[2], name)


def _key(kind: str, name: str) -> str:
    """Resources of AWS have a name for what they are of: a bucket's policy is called as the bucket is."""
    return f"{kind.rpartition(':')[2]}/{name}" if kind.startswith("aws:") else name


def _plain(value: object) -> object:
    """Secrets marked, and whole numbers as they were: on the wire all are fractions."""
    if rpc.is_rpc_secret(value):
        return Secret(_plain(rpc.unwrap_rpc_secret(value)))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
