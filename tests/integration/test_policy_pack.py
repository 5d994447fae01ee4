"""The policy pack in its own Python, called as Pulumi's engine does: every case of its rules on the wire."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_ON_WIRE

from infra.policy.headrace_policy.rules import RULES
from infra.policy.headrace_policy.tree import UNKNOWN
from infra.policy.headrace_policy.values import Resource
from tests.infra.policy import PACK, PYTHON, make_python
from tests.toolchain.places import SOURCES
from tests.unit.policy_cases import CASES, PLAIN

CONFIG = {
    "headrace:remoteGpus": json.dumps({"networks": [str(each) for each in PLAIN.gpu_servers.networks]}),
    "headrace-policy:gpuClients": json.dumps([str(each) for each in PLAIN.gpu_servers.clients]),
}
TOGETHER = {rule.name for rule in RULES if rule.together}
MANDATORY, ADVISORY = analyzer_pb2.MANDATORY, analyzer_pb2.ADVISORY
STOP_SECONDS = 20.0


@pytest.fixture(scope="module")
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """Of a stack of production, started as a language host does."""
    make_python()
    command = [sys.executable, "-u", "-P", str(SOURCES / "pulumi" / "pack.py")]
    started = subprocess.Popen(
        [*command, str(PYTHON), str(PACK), "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{started.stdout.readline().strip()}") as channel:
            stub = analyzer_pb2_grpc.AnalyzerStub(channel)
            stub.ConfigureStack(
                analyzer_pb2.AnalyzerStackConfigureRequest(stack="prod", project="headrace", config=CONFIG)
            )
            yield stub
    finally:
        started.terminate()
        started.wait(STOP_SECONDS)
        started.stdout.close()


def on_wire(value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_ON_WIRE
    if isinstance(value, dict):
        return {key: on_wire(each) for key, each in value.items()}
    return [on_wire(each) for each in value] if isinstance(value, list) else value


def properties(resource: Resource) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(on_wire(resource.inputs.value))
    return made


def named(resource: Resource) -> dict[str, Any]:
    provider = struct_pb2.Struct()
    provider.update(resource.provider.value or {})
    return {
        "type": resource.type,
        "urn": resource.urn,
        "name": resource.name,
        "properties": properties(resource),
        "provider": analyzer_pb2.AnalyzerProviderResource(properties=provider),
    }


def told(pack: analyzer_pb2_grpc.AnalyzerStub, rule: str, resources: list[Resource]) -> list[Any]:
    """What a rule tells of resources."""
    if rule in TOGETHER:
        request = analyzer_pb2.AnalyzeStackRequest(
            resources=[
                analyzer_pb2.AnalyzerResource(
                    **named(each),
                    propertyDependencies={
                        key: analyzer_pb2.AnalyzerPropertyDependencies(urns=found)
                        for key, found in each.refers.items()
                    },
                )
                for each in resources
            ]
        )
        answers = [pack.AnalyzeStack(request)]
    else:
        answers = [pack.Analyze(analyzer_pb2.AnalyzeRequest(**named(each))) for each in resources]
    return [each for answer in answers for each in answer.diagnostics if each.policyName == rule]


@pytest.mark.parametrize("rule", CASES)
def test_every_case_is_judged_on_the_wire_as_in_the_table(pack: analyzer_pb2_grpc.AnalyzerStub, rule: str):
    bad, good = CASES[rule]
    usual = [case for case in (*bad.values(), *good.values()) if case.surroundings is PLAIN]
    assert len(usual) > 1
    for case in usual:
        found = told(pack, rule, list(case.resources))
        assert len(found) == len(case.where), case
        assert {each.enforcementLevel for each in found} <= {MANDATORY}
        for where, each in zip(case.where, found, strict=True):
            assert where in each.message
            assert each.message.startswith(next(one.title for one in RULES if one.name == rule))


def test_every_rule_is_a_policy_that_refuses_and_only_the_story_of_exceptions_advises(
    pack: analyzer_pb2_grpc.AnalyzerStub,
):
    found = pack.GetAnalyzerInfo(empty_pb2.Empty())
    levels = {each.name: each.enforcementLevel for each in found.policies}
    assert levels == {
        **{rule.name: MANDATORY for rule in RULES},
        "policy-settings": MANDATORY,
        "exceptions": ADVISORY,
    }
