"""What a stack's configuration says of the policy pack: production, exceptions, where GPU servers are."""

import datetime
import ipaddress
import json

import pytest

from infra.policy.headrace_policy.rules import RULES
from infra.policy.headrace_policy.settings import OTHERS, is_production, judge
from infra.policy.headrace_policy.values import Ports

DAY = datetime.date(2026, 1, 31)
ENTRY = {"rule": "pod-root", "resource": "*::plugin", "reason": "Its folders belong to root"}


def judged(stack="prod", **config):
    named = {f"headrace-policy:{key}": each for key, each in config.items() if key != "remoteGpus"}
    if "remoteGpus" in config:
        named["headrace:remoteGpus"] = config["remoteGpus"]
    return judge(RULES, config=named, stack=stack, shipped=[ENTRY], today=DAY)


@pytest.mark.parametrize(
    ("stack", "production"),
    [
        ("prod", True),
        ("production", True),
        ("aws", True),
        ("onprem", True),
        ("hospital-7", True),
        ("latest", True),  # holds `test`, but as no part of its own
        ("", True),
        *((name, False) for name in OTHERS),
        ("lab-test", False),
        ("Dev", False),
        ("review_17", False),
        ("acme/headrace/staging", False),
    ],
)
def test_a_stack_is_production_unless_its_name_says_otherwise(stack, production):
    assert is_production(stack, "") is production


def test_what_is_written_goes_before_the_name():
    assert is_production("test", "true")
    assert not is_production("prod", "false")
    assert not judged(production="false").surroundings.production
    assert judged("test", production="true").surroundings.production


def test_exceptions_of_the_stack_come_after_those_that_are_shipped():
    found = judged(exceptions=json.dumps([{**ENTRY, "rule": "pod-host"}])).exemptions
    assert found.faults == ()
    assert [(each.rule, each.is_shipped) for each in found.valid] == [("pod-root", True), ("pod-host", False)]
    assert found.valid[1].source == "headrace-policy:exceptions [1]"


def test_gpu_servers_are_where_the_stack_has_them_at_their_ports_and_the_usual_ones():
    remote = {"networks": ["10.9.0.0/24"], "servers": {"gpu1": {"port": 9000}}}
    found = judged(remoteGpus=json.dumps(remote), gpuClients='["10.5.0.0/16"]').surroundings.gpu_servers
    assert found.networks == (ipaddress.ip_network("10.9.0.0/24"),)
    assert found.clients == (ipaddress.ip_network("10.5.0.0/16"),)
    assert found.ports == (Ports(8308, 8323), Ports(14833, 14848), Ports(9000, 9000))


def test_a_range_for_everyone_names_no_network():
    found = judged(remoteGpus='{"networks": ["0.0.0.0/0", "::/0"]}', gpuClients='["0.0.0.0/1"]')
    assert found.surroundings.gpu_servers.networks == ()
    assert found.surroundings.gpu_servers.clients == ()


@pytest.mark.parametrize("remote", ["", "[]", '{"networks": 7, "servers": []}'])
def test_what_the_stacks_own_program_refuses_is_no_matter_of_the_pack(remote):
    found = judged(remoteGpus=remote)
    assert found.surroundings.gpu_servers.networks == ()
    assert found.exemptions.faults == ()


def test_every_fault_of_the_configuration_is_told_at_once():
    found = judged(production="yes", exceptions="[", gpuClients='["10.0.0.1/33", 7]', exeptions="[]")
    assert found.exemptions.faults == (
        "headrace-policy:exceptions: found '[', allowed a list; write one with --path",
        (
            "headrace-policy:exeptions: found an unknown key, allowed headrace-policy:production, "
            "headrace-policy:exceptions, headrace-policy:gpuClients; take it out"
        ),
        "headrace-policy:production: found 'yes', allowed true or false; write one of them",
        "headrace-policy:gpuClients: found '10.0.0.1/33', allowed a range like 10.0.0.0/24; write one",
        "headrace-policy:gpuClients: found '7', allowed a range like 10.0.0.0/24; write one",
    )
    assert found.surroundings.production, "the stricter of both"
