"""Which nodes the whole plan tells of, one by one; and what it tells of tenants."""

from pathlib import Path

from headrace.cli.plan_story import FEW, WAITING_PAGE, print_explanation, told_nodes
from headrace.model.node import NodeState
from headrace.model.troubles import anchor
from headrace.scaler.explaining import Explanation, NodeStory, TenantStory
from headrace.scaler.plan import Reason, ReasonCode


def node(number: int, state: NodeState = NodeState.OFF) -> NodeStory:
    return NodeStory(f"n{number}", "p", state, 0.0, Reason(ReasonCode.NOTHING_WAITS, "no file needs it"))


def test_few_nodes_are_all_told_of():
    nodes = [node(number) for number in range(FEW)]
    assert told_nodes(nodes) == nodes


def test_of_many_those_at_rest_are_left_to_their_pool():
    nodes = [*(node(number) for number in range(FEW)), node(FEW, NodeState.IDLE)]
    assert told_nodes(nodes) == [node(FEW, NodeState.IDLE)]


def test_a_tenant_is_told_with_its_share_and_quota(capsys):
    quota = {"cpu": 8000, "remoteGpuMemory": 40 * 2**30, "workers": 20}
    used = {"cpu": 4500, "remoteGpuMemory": 16 * 2**30, "workers": 5}
    lab = TenantStory("lab", 2.0, 1, 40, 5, 0.28125, "nvidia.com/gpu", used, quota)
    idle = TenantStory("idle", 1.0, 0, 0, 0, 0.0, "", {}, {})
    print_explanation(Explanation(at=0.0, tenants=(lab, idle)))
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "tenant lab share 28% of nvidia.com/gpu by 5 workers; weight 2, priority 1 waiting 40 files" in told
    )
    assert "quota cpu 4500m of 8, remoteGpuMemory 16Gi of 40Gi, workers 5 of 20" in told
    assert "tenant idle share nothing by 0 workers; weight 1" in told


def test_the_docs_have_the_place_that_is_named_for_files_that_wait():
    page, _, place = WAITING_PAGE.partition("#")
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    assert place in {anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
