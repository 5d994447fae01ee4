"""One recording stand-in for Pulumi's engine: what a program registers, parents and secrets too."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.stack import run_pulumi_func

STACK = "pulumi:pulumi:Stack"


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
    protected: bool = False
    retained: bool = False


class _Answers(mocks.Mocks):
    """Outputs are the inputs, and what only the real provider knows."""

    def __init__(self, outputs: Mapping[str, Mapping[str, Any]]) -> None:
        self.outputs = outputs
        self.secret: dict[str, Sequence[str]] = {}  # outputs that the program wants secret, by resource

    def call(self, args):
        raise AssertionError(f"a look-up was made: {args.token}")

    def new_resource(self, args):
        made = {key: value for key, value in args.inputs.items() if value is not None}
        told = self.outputs.get(args.typ, {}).items()
        own = {key: value.format(args.name) if isinstance(value, str) else value for key, value in told}
        state = {**made, **own}
        wanted = self.secret.get(args.name, ())  # a reference to another stack is read, not registered
        hidden = {key: pulumi.Output.secret(state[key]) for key in wanted if key in state}
        return f"{args.name}-id", {**state, **hidden}


class _Recorder(mocks.MockMonitor):
    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self.declared: dict[str, Declared] = {}
        self.loops: set[asyncio.AbstractEventLoop] = set()

    def RegisterResource(self, request):  # noqa: N802  (gRPC's name)
        self.mocks.secret[request.name] = request.additionalSecretOutputs
        answer = super().RegisterResource(request)
        if request.type != STACK:
            key = _key(request.type, request.name)
            assert key not in self.declared, f"{key} was declared twice"
            self.declared[key] = Declared(
                request.type,
                _plain(rpc.deserialize_properties(request.object)),
                _name(request.parent),
                _name(request.provider.rpartition("::")[0]),
                frozenset(map(_name, request.dependencies)),
                tuple(request.additionalSecretOutputs),
                tuple(request.ignoreChanges),
                request.protect,
                request.retainOnDelete,
            )
            self._note_loop()
        return answer

    def ReadResource(self, request):  # noqa: N802  (gRPC's name)
        answer = super().ReadResource(request)
        self._note_loop()
        return answer

    def _note_loop(self) -> None:
        self.loops.add(asyncio.get_event_loop())  # Pulumi's own, one a thread, which it never closes


def _name(urn: str) -> str:
    """How a resource is called here, by urn:pulumi:<stack>::<project>::<types of parents>$<type>::<name>."""
    head, _, name = urn.rpartition("::")
    return _key(head.rpartition("::")[2].rpartition("$")[2], name)


def _key(kind: str, name: str) -> str:
    """Resources of AWS have a name for what they are of: a bucket's policy is called as the bucket is."""
    return f"{kind.rpartition(':')[2]}/{name}" if kind.startswith("aws:") else name


def _plain(value: Any) -> Any:
    """Secrets marked, and whole numbers as they were: on the wire all are fractions."""
    if rpc.is_rpc_secret(value):
        return Secret(_plain(rpc.unwrap_rpc_secret(value)))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def declared(
    program: Callable[[], None],
    *,
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    config: Mapping[str, str] | None = None,
) -> Mapping[str, Declared]:
    """Run a program to its end, all registrations drained; what it declared, by name as `parent` has it.

    `outputs`: by type what the provider would add, `{}` in a text standing for the resource's name.
    """
    recorder = _Recorder(_Answers(outputs or {}))

    async def run() -> None:
        mocks.set_mocks(recorder.mocks, project="headrace", stack="test", monitor=recorder)
        set_all_config(dict(config or {}), [])
        await run_pulumi_func(program)

    # Pulumi keeps its state in context variables: each program gets a context and a loop of its own.
    try:
        contextvars.copy_context().run(asyncio.run, run())
    finally:
        for loop in recorder.loops:
            loop.close()
    return recorder.declared
