"""What Headrace itself declares passes its own rules; what can't has an exception that says why."""

import datetime
import functools
import json
from pathlib import Path

import yaml

from infra.cluster import provider
from infra.components.cluster.platform import Platform, PlatformArgs
from infra.configuration import parse
from infra.objects import Ground
from infra.policy.headrace_policy.rules import RULES
from infra.policy.headrace_policy.settings import judge
from infra.policy.headrace_policy.tree import Node
from infra.policy.headrace_policy.values import Resource
from infra.settings import StackSettings
from tests.infra.aws import deployed, example
from tests.infra.recording import Secret, declared
from tests.unit.test_infra_components import KUBECONFIG, MADE, functions

ROOT = Path(__file__).parents[2]
SHIPPED = yaml.safe_load((ROOT / "infra" / "policy" / "exceptions.yaml").read_text())
PINNED = {name: f"{name}@sha256:{'0a' * 32}" for name in ("headrace", "nats", "seaweedfs")}
DAY = datetime.date(2026, 1, 31)
LAB = {
    **yaml.safe_load((ROOT / "stacks" / "Pulumi.onprem.yaml").read_text())["config"],
    "headrace:images": PINNED,
    "headrace:store": {"seaweedfs": {"entrance": {"service": "LoadBalancer", "clients": ["10.0.0.0/8"]}}},
    "headrace:receiver": {"entrance": {"service": "NodePort", "clients": ["10.0.0.0/8"]}},
}


def resources(found):
    """What a program declared, as the pack is told of it."""
    return [
        Resource(each.type, _own(name), _urn(found, name), Node(_shown(each.inputs)), _refers(found, name))
        for name, each in found.items()
    ]


def _own(name):
    """The name that a resource of AWS has for Pulumi, without its kind."""
    kind, _, own = name.partition("/")
    return own if kind[:1].isupper() else name


def _refers(found, name):
    """Of a block what it is of: the outputs that it was made from."""
    if not found[name].type.endswith(":BucketPublicAccessBlock"):
        return {}
    return {"bucket": frozenset(_urn(found, each) for each in found[name].after if each in found)}


def _urn(found, name):
    types, above = [found[name].type], found[name].parent
    while above in found:
        types.insert(0, found[above].type)
        above = found[above].parent
    return f"urn:pulumi:lab::headrace::{'$'.join(types)}::{_own(name)}"


def _shown(value):
    if isinstance(value, Secret):
        return _shown(value.value)
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value


@functools.cache
def platform(stack, **changes):
    """The platform of a stack's file, its hosts' playbooks aside; `changes`: texts of other settings."""
    config = (
        LAB
        if stack == "lab"
        else yaml.safe_load((ROOT / f"stacks/Pulumi.{stack}.yaml").read_text())["config"]
    )
    texts = {
        key.removeprefix("headrace:"): each if isinstance(each, str) else json.dumps(each)
        for key, each in config.items()
    }
    texts |= changes
    if "hosts" in texts:
        hosts = json.loads(texts["hosts"])
        texts["hosts"] = json.dumps({key: each for key, each in hosts.items() if key != "gpuServers"})
    settings = parse(StackSettings, {**texts, "kubeconfig": KUBECONFIG, "context": "box"}, stack=stack)

    def program():
        ground = Ground(provider(settings.kubeconfig, settings.context), wait=settings.wait)
        Platform("platform", PlatformArgs(settings, ground))

    config = {f"headrace:{key}": text for key, text in texts.items()}
    return resources(declared(program, outputs=MADE)), config


@functools.cache
def on_aws():
    """The whole of the stack on AWS, with its images pinned, and a pool that shares its GPUs by MPS."""
    tree = {**example(), "images": PINNED | {"devicePlugin": f"plugin@sha256:{'0b' * 32}"}}
    gpu = tree["pools"]["gpu"]
    tree["pools"]["gpu"] = {**gpu, "gpu": {**gpu["gpu"], "sharing": {"mps": 4}}}
    found = {name: each for name, each in deployed(tree).items() if name}
    return resources(found), {f"headrace:{key}": json.dumps(each) for key, each in tree.items()}


def deciding(stack, *, shipped, config):
    return judge(RULES, config=config, stack=stack, shipped=shipped, today=DAY)


def refused(found, by):
    verdicts = [each for rule in RULES for each in by.verdicts(rule, found)]
    return sorted({(each.rule.name, each.resource.name) for each in verdicts if each.exemption is None})


def test_a_lab_and_aws_with_every_part_pass_by_the_exceptions_and_need_each_of_them():
    stacks = {"lab": platform("lab"), "aws": on_aws()}
    used = []
    for name, (found, config) in stacks.items():
        by = deciding(name, shipped=SHIPPED, config=config)
        assert by.exemptions.faults == ()
        assert refused(found, by) == []
        assert list(by.stale(found)) == []
        used += [each.exemption.resource for each in by.let_pass(found)]
    assert set(used) == {each["resource"] for each in SHIPPED}
    for index in range(len(SHIPPED)):
        without = SHIPPED[:index] + SHIPPED[index + 1 :]
        assert any(
            refused(found, deciding(name, shipped=without, config=config))
            for name, (found, config) in stacks.items()
        )


def test_what_is_excepted_is_the_plugin_its_namespace_and_how_hosts_are_switched():
    found, config = platform("lab")
    assert refused(found, deciding("lab", shipped=None, config=config)) == [
        ("gpu-server-network", "networkpolicy/headrace/headrace-scaler"),
        ("namespace-standard", "namespace/headrace-gpu"),
        ("pod-host", "daemonset/headrace-gpu/gpu-plugin"),
        ("pod-root", "daemonset/headrace-gpu/gpu-plugin"),
    ]


def test_the_local_stack_passes_without_any_exception_and_uses_none():
    found, config = platform("local")
    by = deciding("local", shipped=SHIPPED, config=config)
    assert refused(found, deciding("local", shipped=None, config=config)) == []
    assert list(by.let_pass(found)) == []
    assert list(by.stale(found)) == [], "those that are shipped may be for other stacks"


def test_tenants_of_either_standard_need_no_exception():
    tenants = {"lab": {"buckets": {"uploads": {}}}, "ward": {"security": "baseline"}}
    found, config = platform("local", tenants=json.dumps(tenants))
    assert {"namespace/lab", "role/ward/headrace-scaler"} <= {each.name for each in found}
    assert refused(found, deciding("local", shipped=None, config=config)) == []


def test_who_watches_needs_no_exception():
    monitoring = json.dumps({"namespace": "monitoring"})
    trace = json.dumps({"endpoint": "http://collector.tracing.svc:4318"})
    found, config = platform("local", monitoring=monitoring, trace=trace)
    assert {"podmonitor/headrace/headrace-services", "networkpolicy/headrace/headrace-traces"} <= {
        each.name for each in found
    }
    assert refused(found, deciding("local", shipped=None, config=config)) == []


def test_the_stack_on_premises_lacks_nothing_but_digests():
    found, config = platform("onprem")
    faults = refused(found, deciding("onprem", shipped=SHIPPED, config=config))
    assert {rule for rule, _ in faults} == {"image-digest"}
    assert len(faults) == 7
    assert refused(found, deciding("onprem-test", shipped=SHIPPED, config=config)) == []


def test_what_is_excepted_on_aws_is_nvidias_plugin_its_namespace_and_the_administrators():
    found, config = on_aws()
    plugin, mps = (f"daemonset/headrace-device-plugin/headrace-{each}" for each in ("device-plugin", "mps"))
    assert refused(found, deciding("aws", shipped=None, config=config)) == [
        ("iam-wildcard", "administrator-role/platform"),
        ("namespace-standard", "namespace/headrace-device-plugin"),
        ("pod-host", plugin),
        ("pod-host", mps),
        ("pod-privileges", mps),
        ("pod-root", plugin),
        ("pod-root", mps),
    ]


def test_functions_pass_once_their_images_are_pinned():
    found = resources(functions())
    by = deciding("lab", shipped=SHIPPED, config={})
    assert refused(found, by) == [("image-digest", "function/echo")]
    assert refused(found, deciding("local", shipped=SHIPPED, config={})) == []
