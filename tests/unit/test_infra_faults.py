"""Settings files that are wrong in ten ways each: one run tells every fault, and nothing that is none."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.model.errors import ConfigurationError
from infra.configuration import parse
from infra.faults import every_fault
from infra.settings import StackSettings
from tests.infra.aws import example

WRONG = Path(__file__).parent / "wrong"
CLUSTER = [
    "namespace: found 'Headrace', allowed what matches ",
    "functionsSecurity: found 'lenient', allowed 'restricted' or 'baseline'",
    "queue.disk.storage: found '5 GB', allowed a Kubernetes quantity",
    "queue.disk.class: found an unknown key, allowed storage, storageClass",
    "store.s3.endpoint: found 's3.example', allowed what matches ^https?://",
    "scaler.replicas: found 9, allowed <= 5",
    "pools.lab: found minNodes 7 above maxNodes 6",
    "reciever: found an unknown key, allowed api, aws, ",
    "found no context and no aws, allowed with one of them",
    "found pools.lab with driver power and no hosts.power, allowed with it",
    "found pools.spare with driver eks and no aws, allowed with it",
]
AWS = [
    "aws.account: found '12345', allowed what matches ",
    "aws.network.made: found range 10.0.0.0/8, allowed an IPv4 range of /16 to /20",
    "aws.cluster.clients[0]: found '203.0.113.7/33', allowed an address range",
    "aws.nodeGroups.gpu.market: found 'cheap', allowed 'onDemand' or 'spot'",
    "aws: found eu-west-1b in network.made.zones, allowed zones of region eu-central-1",
    "found kubeconfig beside aws, allowed without it",
    "found store beside aws, allowed without it",
    "found aws.nodeGroups.cpu.image AL2023_x86_64_NVIDIA for a pool without GPUs",
    "found aws.nodeGroups.more and no pools.more with driver eks, allowed with it",
    "found pools.gpu.eks.nodeGroup gpu, which another pool has too",
    "found pools.cpu.eks.nodeGroup gpu, which another pool has too",
]
BOTH = [
    "aws.network.made: found natGateways none without the endpoints autoscaling, ",
    "aws.cluster: found arn:aws:iam::123456789012:role/platform in administrators and in viewers",
    "aws.cluster: found logDays 31, allowed those that CloudWatch knows; write 30",
    "hosts: found 'site' twice in playbooks, allowed once",
    "aws: found zone eu-central-1c in nodeGroups.cpu.zones, allowed eu-central-1a, eu-central-1b",
    "found context beside aws, allowed without it",
    "found clusterUid beside aws, allowed without it",
    "found 'headrace' as namespace and as functionsNamespace, allowed two different ones",
    "found hosts.gpuServers (gpu1) and no remoteGpus, allowed with it",
    "found buckets.uploads at 'acme-uploads', where another bucket is too",
    "found buckets.results at 'acme-uploads', where another bucket is too",
    "found 200Gi of ephemeral-storage in pools.cpu.capacity and a disk of 100Gi in aws.nodeGroups.cpu",
    "found pools.cpu.eks.nodeGroup system, which runs the platform itself",
]


def texts(name):
    """As Pulumi hands a stack's file over: a text a key."""
    config = yaml.safe_load((WRONG / name).read_text())
    return {
        key.removeprefix("headrace:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }


@pytest.mark.parametrize(
    ("name", "expected"), [("cluster.yaml", CLUSTER), ("aws.yaml", AWS), ("both.yaml", BOTH)]
)
def test_every_fault_is_told_in_one_run(name, expected):
    with pytest.raises(ConfigurationError) as error:
        parse(StackSettings, texts(name), stack="wrong")
    head, *lines = str(error.value).splitlines()
    assert head == "configuration of stack wrong:"
    told = [line.strip() for line in lines]
    assert len(told) >= 10
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == expected
    assert [line for line in told if "allowed" not in line or ";" not in line] == []
    assert "hush" not in str(error.value)


@pytest.mark.parametrize("name", ["cluster.yaml", "aws.yaml", "both.yaml"])
def test_what_is_judged_stays_as_it_is_and_no_fault_is_told_twice(name):
    tree = yaml.safe_load((WRONG / name).read_text())
    tree = {key.removeprefix("headrace:"): value for key, value in tree.items()}
    before = json.dumps(tree)
    told = [str(each) for each in every_fault(StackSettings, tree)]
    assert json.dumps(tree) == before
    assert len(set(told)) == len(told)


# Each draw its own list or mapping: a shared one could come to hold itself.
CONTAINERS = st.builds(list) | st.builds(dict, x=st.just(1))
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | CONTAINERS


def places(tree, path=()):
    """Every key of a tree of mappings."""
    for key, value in tree.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_tree_has_faults_exactly_where_it_is_refused(data):
    """And the search for them comes to an end, whatever is wrong at once."""
    tree = example()
    for path in data.draw(st.lists(st.sampled_from(sorted(places(tree))), max_size=4)):
        holder = tree
        for step in path[:-1]:
            holder = holder.get(step) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[path[-1]] = data.draw(VALUES)
    try:
        StackSettings.from_json(json.dumps(tree))
    except ValidationError:
        assert every_fault(StackSettings, tree) != []
    else:
        assert every_fault(StackSettings, tree) == []


def test_what_a_fault_stands_in_the_way_of_is_no_fault():
    """Neither the store nor the pool that a server names is missing: they are only faulty."""
    tree = {
        "kubeconfig": "/some/file",
        "context": "box",
        "store": {"s3": {"endpoint": 7, "accessKey": "a", "secretKey": "b"}},
        "pools": {"servers": {"driver": "steam", "capacity": {"nvidia.com/gpu": 1}, "maxNodes": 1}},
        "remoteGpus": {
            "networks": ["10.0.0.0/24"],
            "servers": {
                "one": {"address": "10.0.0.1", "port": 8308, "backend": "lupine", "maxSessions": 4,
                        "pool": "servers", "devices": [{"model": "A100", "memory": "40Gi"}]}
            },
        },
    }  # fmt: skip
    assert [".".join(map(str, path)) for path, _ in every_fault(StackSettings, tree)] == [
        "store.s3.endpoint",
        "pools.servers.driver",
    ]
