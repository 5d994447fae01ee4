"""Which nodes the whole plan tells of, one by one."""

from headrace.cli.plan_story import FEW, told_nodes
from headrace.model.node import NodeState
from headrace.scaler.explaining import NodeStory
from headrace.scaler.plan import Reason, ReasonCode


def node(number: int, state: NodeState = NodeState.OFF) -> NodeStory:
    return NodeStory(f"n{number}", "p", state, 0.0, Reason(ReasonCode.NOTHING_WAITS, "no file needs it"))


def test_few_nodes_are_all_told_of():
    nodes = [node(number) for number in range(FEW)]
    assert told_nodes(nodes) == nodes


def test_of_many_those_at_rest_are_left_to_their_pool():
    nodes = [*(node(number) for number in range(FEW)), node(FEW, NodeState.IDLE)]
    assert told_nodes(nodes) == [node(FEW, NodeState.IDLE)]
