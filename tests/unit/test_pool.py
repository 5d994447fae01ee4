"""Pools of nodes: what is taken and refused, what a node offers, whom it suits; and files of pools."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.catalog.pools import load_pools, read_pools
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.pods import Toleration
from headrace.model.pool import Driver, Hook, NodePool, Provides, Taint, TaintEffect
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, GPU, MEMORY, PODS, ResourceList
from headrace.placement.inventory import inventory_of
from headrace.placement.suiting import request_of, suits, tolerates
from headrace.placement.ways import NO_GPU, choose_way

DESIGN = {
    "apiVersion": "headrace.dev/v1alpha1",
    "kind": "NodePool",
    "metadata": {"name": "gpu"},
    "spec": {
        "driver": "eks",
        "eks": {"nodeGroup": "gpu"},
        "provides": "nodes",
        "capacity": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 1},
        "labels": {"zone": "lab"},
        "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
        "pricePerHour": 0.75,
        "bootSeconds": 150,
        "minNodes": 0,
        "maxNodes": 24,
        "spareNodes": 0,
        "maxBooting": 0,
        "hooks": {"prePowerOff": ["kubectl", "drain"]},
    },
}
SMALLEST = {"driver": "memory", "capacity": {"cpu": "1", "memory": "1Gi"}, "maxNodes": 3}


def pool(**spec: object) -> NodePool:
    return NodePool.from_json(json.dumps({**DESIGN, "spec": {**SMALLEST, **spec}}))


def function(**spec: object) -> Function:
    whole = {"run": {"script": "s.sh"}, "input": [{"bucket": "uploads"}], **spec}
    head = {"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "echo"}}
    return Function.from_json(json.dumps({**head, "spec": whole}))


# What is taken


def test_the_pool_of_the_design_is_taken_as_it_is():
    read = NodePool.from_json(json.dumps(DESIGN))
    assert (read.name, read.spec.driver, read.spec.provides) == ("gpu", Driver.EKS, Provides.NODES)
    assert read.spec.taints == (Taint(key="nvidia.com/gpu", effect=TaintEffect.NO_SCHEDULE),)
    assert (read.spec.price_per_hour, read.spec.boot_seconds, read.spec.max_nodes) == (0.75, 150, 24)
    assert read.spec.hooks == {Hook.PRE_POWER_OFF: ("kubectl", "drain")}
    assert NodePool.from_json(read.to_json()) == read


def test_a_pool_without_more_starts_at_nothing_and_has_no_limit_of_boots():
    spec = pool().spec
    assert (spec.min_nodes, spec.spare_nodes, spec.max_booting) == (0, 0, 0)
    assert (spec.provides, spec.price_per_hour, spec.boot_seconds) == (Provides.NODES, 1.0, 150.0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"minNodes": 4}, "found minNodes 4 above maxNodes 3, allowed minNodes <= maxNodes"),
        ({"spareNodes": 4}, "found spareNodes 4 above maxNodes 3"),
        ({"minNodes": -1}, "greater than or equal to 0"),
        ({"maxNodes": 0}, "greater than or equal to 1"),
        ({"maxBooting": -1}, "greater than or equal to 0"),
        ({"pricePerHour": -0.1}, "greater than or equal to 0"),
        ({"bootSeconds": -1}, "greater than or equal to 0"),
        ({"driver": "ipmi"}, "'eks', 'power', 'kwok', 'static', 'local' or 'memory'"),
        ({"provides": "gpus"}, "'nodes' or 'gpuServers'"),
        ({"driver": "static"}, "found minNodes 0 and maxNodes 3, allowed the same number with driver static"),
        ({"driver": "local", "minNodes": 2, "maxNodes": 2}, "found maxNodes 2, allowed 1 with driver local"),
        ({"driver": "eks"}, "found no eks with driver eks"),
        (
            {"eks": {"nodeGroup": "gpu"}},
            "found eks with driver memory, allowed with driver eks",
        ),
        ({"driver": "eks", "eks": {}}, "nodeGroup"),
        ({"driver": "eks", "eks": {"nodeGroup": "-gpu"}}, "nodeGroup"),
        ({"capacity": {}}, "capacity"),
        ({"capacity": {"cpu": "1"}}, "found no memory in capacity"),
        ({"capacity": {"memory": "1Gi"}}, "found no cpu in capacity"),
        ({"capacity": {**SMALLEST["capacity"], "ephemeralStorage": "9Gi"}}, "found 'ephemeralStorage'"),
        ({"capacity": {**SMALLEST["capacity"], "nvidia.com/gpu": "1.5"}}, "nvidia.com/gpu: found '1.5'"),
        ({"capacity": {**SMALLEST["capacity"], "nvidia.com/gpu": True}}, "valid string"),
        ({"capacity": {**SMALLEST["capacity"], "nvidia.com/gpu": 0}}, "found '0', allowed > 0"),
        ({"capacity": {**SMALLEST["capacity"], "memory": "1GB"}}, "found '1GB', allowed a Kubernetes"),
        ({"reserved": {"cpu": "1001m"}}, "found more cpu in reserved than in capacity"),
        ({"reserved": {"nvidia.com/gpu": 1}}, "found more nvidia.com/gpu in reserved than in capacity"),
        ({"taints": [{"key": "k", "effect": "Evict"}]}, "'NoSchedule', 'PreferNoSchedule' or 'NoExecute'"),
        ({"taints": [{"key": "", "effect": "NoSchedule"}]}, "at least 1 character"),
        ({"hooks": {"beforeBoot": ["true"]}}, "'prePowerOn'"),
        ({"hooks": {"idle": []}}, "at least 1 item"),
        ({"hooks": {"idle": "true"}}, "valid array"),
        ({"min_nodes": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_a_pool_can_not_be_is_refused(spec, message):
    with pytest.raises(ValidationError) as caught:
        pool(**spec)
    assert message in str(caught.value)


def test_every_contradiction_is_told_at_once():
    with pytest.raises(ValidationError) as caught:
        pool(minNodes=5, spareNodes=6, reserved={"cpu": "2"})
    (fault,) = caught.value.errors()
    assert [part in fault["msg"] for part in ("minNodes 5", "spareNodes 6", "more cpu")] == [True] * 3


# What a node offers


def test_a_node_offers_its_capacity_without_what_is_reserved():
    capacity = {
        "cpu": "7910m",
        "memory": "32Gi",
        "ephemeral-storage": "100Gi",
        "pods": 58,
        "nvidia.com/gpu": 4,
    }
    made = pool(capacity=capacity, reserved={"cpu": "410m", "memory": "2Gi", "pods": 8})
    assert made.allocatable == ResourceList.of(
        {CPU: 7500, MEMORY: 30 * 2**30, EPHEMERAL_STORAGE: 100 * 2**30, PODS: 50, GPU: 4}
    )


def test_a_node_that_says_nothing_of_pods_and_disk_has_the_usual():
    made = pool(reserved={"pods": "10"})
    assert (made.allocatable[PODS], made.allocatable[EPHEMERAL_STORAGE]) == (100, 20 * 2**30)


def test_huge_pages_are_bytes_and_devices_are_counted():
    capacity = {**SMALLEST["capacity"], "hugepages-2Mi": "64Mi", "example.com/fpga": "2"}
    made = pool(capacity=capacity)
    assert (made.allocatable["hugepages-2Mi"], made.allocatable["example.com/fpga"]) == (2**26, 2)


def test_gpu_servers_need_no_cpu_for_workers():
    made = pool(provides="gpuServers", capacity={"nvidia.com/gpu": 1})
    assert made.allocatable[GPU] == 1


# Whom it suits


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration(key="gpu", operator="Exists"), True),
        (Toleration(key="gpu", operator="Exists", effect="NoSchedule"), True),
        (Toleration(key="gpu", operator="Exists", effect="NoExecute"), False),
        (Toleration(key="gpu", value="a100"), True),
        (Toleration(key="gpu", value="a100", effect="NoSchedule"), True),
        (Toleration(key="gpu", value="h100"), False),
        (Toleration(key="gpu"), False),
        (Toleration(key="cpu", operator="Exists"), False),
        (Toleration(operator="Exists"), True),
        (Toleration(key="", operator="Exists"), True),
        (Toleration(operator="Exists", effect="PreferNoSchedule"), False),
        (Toleration(), False),
    ],
)
def test_a_taint_is_tolerated_by_kubernetes_rules(toleration, tolerated):
    taint = Taint(key="gpu", value="a100", effect=TaintEffect.NO_SCHEDULE)
    assert tolerates([toleration], taint) is tolerated
    assert tolerates([Toleration(key="other", value="x"), toleration], taint) is tolerated
    assert not tolerates([], taint)


def test_a_toleration_without_value_equals_a_taint_without_one():
    assert tolerates([Toleration(key="gpu")], Taint(key="gpu", effect=TaintEffect.NO_EXECUTE))


HARD = [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "value": "x", "effect": "NoExecute"}]
BOTH = [{"key": "a", "operator": "Exists"}, {"key": "b", "value": "x"}]


@pytest.mark.parametrize(
    ("spec", "pool_spec", "suiting"),
    [
        ({}, {}, True),
        ({"nodeSelector": {"zone": "lab"}}, {"labels": {"zone": "lab", "disk": "ssd"}}, True),
        ({"nodeSelector": {"zone": "lab", "disk": "ssd"}}, {"labels": {"zone": "lab"}}, False),
        ({"nodeSelector": {"zone": "lab"}}, {"labels": {"zone": "home"}}, False),
        ({"nodeSelector": {"zone": "lab"}}, {}, False),
        ({}, {"labels": {"zone": "lab"}}, True),
        ({}, {"taints": HARD}, False),
        ({"tolerations": BOTH[:1]}, {"taints": HARD}, False),
        ({"tolerations": BOTH[1:]}, {"taints": HARD}, False),
        ({"tolerations": BOTH}, {"taints": HARD}, True),
        ({"tolerations": [{"operator": "Exists"}]}, {"taints": HARD}, True),
        ({}, {"taints": [{"key": "a", "effect": "PreferNoSchedule"}]}, True),
        ({"tolerations": BOTH}, {}, True),
        ({}, {"provides": "gpuServers"}, False),
        ({"resources": {"cpu": "64"}}, {}, True),  # room is another question
    ],
)
def test_a_pool_suits_by_labels_and_taints(spec, pool_spec, suiting):
    assert suits(function(**spec), pool(**pool_spec), NO_GPU) is suiting


@pytest.mark.parametrize(
    ("gpu", "count"),
    [
        (None, 0),
        ({}, 1),
        ({"count": 4}, 4),
        ({"access": ["mig", "passthrough"]}, 1),
        ({"count": 2, "access": ["remote"]}, 0),
    ],
)
def test_a_worker_needs_a_pod_and_what_its_function_says(gpu, count):
    resources = {"cpu": "1500m", "memory": "2Gi", "ephemeralStorage": "3Gi"}
    made = function(resources=resources, **({} if gpu is None else {"gpu": gpu}))
    way = choose_way(made, inventory_of([pool(capacity={**SMALLEST["capacity"], GPU: 8})], ())).way
    assert request_of(made, way) == ResourceList.of(
        {CPU: 1500, MEMORY: 2 * 2**30, EPHEMERAL_STORAGE: 3 * 2**30, PODS: 1, GPU: count}
    )


def test_a_worker_of_the_smallest_function_fits_into_a_node_that_says_only_the_needful():
    room = pool(capacity={"cpu": "4", "memory": "4Gi"}).allocatable
    assert request_of(function(), NO_GPU).count_in(room) == 4


# Files of pools


def yaml_pool(name: str, spec: str = "") -> str:
    head = f"apiVersion: headrace.dev/v1alpha1\nkind: NodePool\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  driver: memory\n  capacity: {{cpu: 1, memory: 1Gi}}\n  maxNodes: 3\n{spec}"


def names(text: str) -> list[str]:
    return [each.name for each in read_pools(text.encode(), "pools.yaml")]


def told(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_pools(text if isinstance(text, bytes) else text.encode(), "pools.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "text",
    [
        yaml_pool("a") + "---\n" + yaml_pool("b"),
        "---\n" + yaml_pool("a") + "--- # the second\n" + yaml_pool("b") + "---\n",
        "# pools\n---\n\n---\n" + yaml_pool("a") + "...\n---\n" + yaml_pool("b") + "...\n",
        "\ufeff" + yaml_pool("a") + "---\r\n" + yaml_pool("b").replace("\n", "\r\n"),
    ],
)
def test_a_file_holds_pools_in_its_order(text):
    assert names(text) == ["a", "b"]


def test_dashes_inside_a_value_begin_no_document(tmp_path):
    text = yaml_pool("a", "  labels:\n    note: |\n      ---\n      ---x\n    other: ---x\n")
    (read,) = read_pools(text.encode(), "pools.yaml")
    assert read.spec.labels == {"note": "---\n---x\n", "other": "---x"}


def test_every_fault_of_every_pool_is_told_with_its_line(tmp_path):
    text = "---\n".join(
        [
            yaml_pool("a", "  minNodes: 4\n"),
            yaml_pool("b", "  minnodes: 1\n  taints: [{key: x}]\n"),
            yaml_pool("c", "  labels: {on: x, y: no}\n"),
        ]
    )
    assert told(text) == [
        (
            "pools.yaml:5 (spec): found minNodes 4 above maxNodes 3, allowed minNodes <= maxNodes; "
            "lower one or raise the other"
        ),
        (
            "pools.yaml:17 (spec.minnodes): found an unknown key, allowed bootSeconds, capacity, driver, "
            "eks, gpu, hooks, labels, maxBooting, maxNodes, minNodes, power, pricePerHour, provides, "
            "reserved, spareNodes, taints; did you mean minNodes?"
        ),
        (
            "pools.yaml:18 (spec.taints[0].effect): is missing; write it: what it does to pods that do not "
            "tolerate it"
        ),
        "pools.yaml:27 (spec.labels): found 'on' as a key at line 27, allowed strings; put it in quotes",
        (
            "pools.yaml:27 (spec.labels.y): found no, which YAML may read as a boolean; "
            'write "no" in quotes, or true or false'
        ),
    ]


def test_a_name_borne_twice_is_told_where_it_comes_again(tmp_path):
    text = yaml_pool("a") + "---\n" + yaml_pool("b") + "---\n" + yaml_pool("a")
    message = "found 'a' as the name of another pool before, allowed once; rename one"
    assert told(text) == [f"pools.yaml:16 (metadata.name): {message}"]


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n\n---\n# more\n"])
def test_a_file_without_pools_is_told(text):
    assert told(text) == ["pools.yaml: holds no pool; write a document of kind NodePool"]


@pytest.mark.parametrize(
    ("text", "line"), [("a: [", 1), (yaml_pool("a") + "---\nspec: {\n", 10), (b"a: \xff", 1)]
)
def test_what_is_no_yaml_is_told_with_its_line_in_the_file(text, line):
    assert told(text)[0].startswith(f"pools.yaml:{line}")


def test_another_kind_of_object_is_told(tmp_path):
    text = yaml_pool("a").replace("NodePool", "Function")
    assert told(text) == ["pools.yaml:2 (kind): found 'Function', allowed 'NodePool'; choose one"]


def test_a_file_is_read_and_one_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "pools.yaml"
    told = f"{path}: can't be read (No such file or directory); name a YAML file of NodePools"
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        load_pools(path)
    path.write_text(yaml_pool("a") + "  minNodes: 4\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(f"{path}:5 (spec)")):
        load_pools(path)
    path.write_text(yaml_pool("a"), encoding="utf-8")
    assert [each.name for each in load_pools(path)] == ["a"]


PARTS = ["---\n", "# x\n", "\n", "...\n", yaml_pool("a"), yaml_pool("b"), "--- {\n", "x: é\n"]


@given(st.lists(st.sampled_from(PARTS)))
def test_any_text_is_its_pools_or_a_configuration_error(parts):
    try:
        found = names("".join(parts))
    except ConfigurationError:
        return
    assert found == [name for part in parts for name in "ab" if part == yaml_pool(name)]


@given(st.lists(st.sampled_from("abc"), min_size=1))
def test_a_file_of_sound_documents_is_taken_exactly_when_no_name_comes_twice(bearers):
    text = "---\n".join(yaml_pool(name) for name in bearers)
    if len(set(bearers)) == len(bearers):
        assert names(text) == bearers
    else:
        assert len(told(text)) == len(bearers) - len(set(bearers))
