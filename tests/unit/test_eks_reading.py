"""AWS's answers as values, and its refusals as our errors."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError
from botocore.parsers import ResponseParserError

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import EksSettings
from headrace.nodes.eks.aws import Aws, AwsGroup
from headrace.nodes.eks.group import GroupView, Instance, Launch, Phase
from headrace.nodes.eks.reading import ended_of, fault, group_name, launches_of, view_of

STARTED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SPOT = "Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count exceeded."
VCPU = (
    "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested more vCPU capacity than "
    "your current vCPU limit of 32 allows for the instance bucket that the instance type belongs to."
)


def nodegroup(status: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    groups = {"autoScalingGroups": [{"name": "eks-gpu-1"}]}
    return {"nodegroupName": "gpu", "status": status, "resources": groups, **more}


def scaling(*instances: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"DesiredCapacity": 2, "MinSize": 0, "MaxSize": 5, "Instances": list(instances), **more}


def instance(state: str, health: str = "Healthy", *, protected: bool = True) -> dict[str, Any]:
    return {
        "InstanceId": "i-1",
        "LifecycleState": state,
        "HealthStatus": health,
        "ProtectedFromScaleIn": protected,
    }


def test_a_group_is_seen_by_what_two_calls_tell() -> None:
    told = scaling(
        instance("InService"),
        SuspendedProcesses=[{"ProcessName": "AZRebalance", "SuspensionReason": "User suspended"}],
        NewInstancesProtectedFromScaleIn=True,
    )
    instances = {"i-1": Instance("i-1", Phase.IN_SERVICE, protected=True)}
    assert group_name(nodegroup()) == "eks-gpu-1"
    assert view_of(nodegroup(), told) == GroupView(desired=2, most=5, least=0, instances=instances)


def test_a_node_group_that_is_being_made_has_no_scaling_group_yet() -> None:
    assert group_name({"nodegroupName": "gpu", "status": "CREATING"}) == ""


@pytest.mark.parametrize(
    ("more", "guarded"),
    [
        ({}, False),
        ({"NewInstancesProtectedFromScaleIn": True}, False),
        ({"SuspendedProcesses": [{"ProcessName": "AZRebalance"}]}, False),
        (
            {
                "SuspendedProcesses": [{"ProcessName": "AZRebalance"}],
                "NewInstancesProtectedFromScaleIn": False,
            },
            False,
        ),
    ],
)
def test_a_group_is_guarded_once_both_are_set(more: dict[str, Any], guarded: bool) -> None:
    assert view_of(nodegroup(), scaling(**more)).guarded is guarded


@pytest.mark.parametrize(
    ("told", "phase"),
    [
        (instance("Pending"), Phase.PENDING),
        (instance("Pending:Wait"), Phase.PENDING),
        (instance("Pending:Proceed"), Phase.PENDING),
        (instance("InService"), Phase.IN_SERVICE),
        (instance("InService", "Unhealthy"), Phase.ENDING),  # AWS is about to replace it
        (instance("Pending", "UNHEALTHY"), Phase.ENDING),
        (instance("Terminating"), Phase.ENDING),
        (instance("Terminating:Wait"), Phase.ENDING),  # EKS drains it
        (instance("Terminated"), Phase.ENDING),
        (instance("EnteringStandby"), Phase.ASIDE),
        (instance("Standby"), Phase.ASIDE),
        (instance("Detaching"), Phase.ASIDE),
        (instance("Quarantined"), Phase.ASIDE),
    ],
)
def test_an_instance_by_its_state_of_life(told: dict[str, Any], phase: Phase) -> None:
    assert view_of(nodegroup(), scaling(told)).instances["i-1"].phase is phase


def test_what_a_warm_pool_keeps_is_none_of_the_groups() -> None:
    assert view_of(nodegroup(), scaling(instance("Warmed:Stopped"))).instances == {}


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ("ACTIVE", ""),
        ("DEGRADED", ""),  # EKS has something to complain of; the group works
        ("UPDATING", "node group gpu is being updated by EKS"),
        ("CREATING", "node group gpu is being created"),
        ("DELETING", "node group gpu is being deleted"),
        ("CREATE_FAILED", "node group gpu could not be created"),
        ("DELETE_FAILED", "node group gpu could not be deleted"),
    ],
)
def test_while_eks_has_its_hand_on_a_group_that_is_said(status: str, held: str) -> None:
    assert view_of(nodegroup(status), scaling()).held == held


def activity(status: str, message: str = "", *, description: str = "Launching a new EC2 instance") -> Any:
    told = {"StatusCode": status, "Description": description, "StartTime": STARTED}
    return {**told, "StatusMessage": message} if message else told


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (activity("Successful"), [Launch(STARTED.timestamp(), succeeded=True)]),
        (activity("InProgress"), [Launch(STARTED.timestamp())]),
        (activity("Failed", f"{SPOT} Launching EC2 instance failed."), [Launch(STARTED.timestamp(), SPOT)]),
        (activity("Failed", f"{VCPU} Launching EC2 instance failed."), [Launch(STARTED.timestamp(), VCPU)]),
        (
            activity("Failed", VCPU, description=f"Launching a new EC2 instance.  Status Reason: {VCPU}"),
            [Launch(STARTED.timestamp(), VCPU)],
        ),
        (activity("Failed"), [Launch(STARTED.timestamp(), "AWS gives no reason")]),
        # A lower size has called it off
        (activity("Cancelled", "Instance launch was cancelled"), [Launch(STARTED.timestamp())]),
        # What is no launch
        (activity("Failed", "x", description="Terminating EC2 instance: i-1"), []),
        (
            activity(
                "Failed", description="Could not scale to desired capacity because all remaining instances "
                "are protected from scale in.",
            ),
            [],
        ),
    ],
)  # fmt: skip
def test_launches_and_why_they_fail(told: Any, expected: list[Launch]) -> None:
    assert launches_of([told]) == expected


def test_what_exists_no_more_and_why() -> None:
    def told(name: str, state: str, **reason: str) -> dict[str, Any]:
        more = {"StateReason": reason} if reason else {}
        return {"InstanceId": name, "State": {"Name": state}, **more}

    message = "Server.SpotInstanceTermination: Spot instance termination"
    reservations = [
        {"Instances": [told("i-1", "running"), told("i-2", "shutting-down", Code="Server.Spot")]},
        {"Instances": [told("i-3", "terminated", Code="Server.SpotInstanceTermination", Message=message)]},
        {"Instances": [told("i-4", "terminated"), told("i-5", "stopped")]},
    ]  # fmt: skip
    assert ended_of(reservations, [f"i-{number}" for number in range(1, 7)]) == {
        "i-2": "Server.Spot",
        "i-3": message,
        "i-4": "AWS gives no reason",
        "i-6": "AWS does not know it any more",
    }


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Throttling", 400, TransientError),
        ("ThrottlingException", 429, TransientError),
        ("RequestLimitExceeded", 503, TransientError),
        ("ScalingActivityInProgress", 400, TransientError),
        ("ResourceContention", 400, TransientError),
        ("ServiceUnavailable", 503, TransientError),
        ("InternalFailure", 500, TransientError),
        ("ExpiredToken", 403, TransientError),  # its successor is on its way
        ("", None, TransientError),
        ("AccessDenied", 403, ConfigurationError),
        ("AccessDeniedException", 403, ConfigurationError),
        ("UnauthorizedOperation", 403, ConfigurationError),
        ("UnrecognizedClientException", 403, ConfigurationError),
        ("ResourceNotFoundException", 404, ConfigurationError),
        ("ValidationError", 400, ConfigurationError),
        ("InvalidParameterException", 400, ConfigurationError),
        ("ValidationError", 500, TransientError),
    ],
)
def test_a_refusal_by_what_can_be_done_about_it(code: str, status: int | None, kind: type[Exception]) -> None:
    found = fault("autoscaling:SetDesiredCapacity", code=code, status=status, detail="so it is")
    assert type(found) is kind
    assert str(found).startswith("autoscaling:SetDesiredCapacity: AWS ")
    assert str(found).endswith("so it is")


# The calls


class Client:
    """One of boto3's; every call ends as it is told."""

    def __init__(self, end: Exception | threading.Event | None = None) -> None:
        self.end = end
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> Any:
            self.calls.append((name, given))
            if isinstance(self.end, threading.Event):
                self.end.wait()
            elif self.end is not None:
                raise self.end
            return {"nodegroup": nodegroup()}

        return call


def driven(client: Client, seconds: float = 60.0) -> AwsGroup:
    settings = EksSettings(cluster="c", region="eu-west-1")
    connect = {"autoscaling": client, "eks": Client()}
    made = Aws(settings, lambda _, service: connect[service], call_seconds=seconds)
    return AwsGroup(made, "gpu")


def refused(code: str, message: str, status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "TerminateInstanceInAutoScalingGroup")  # type: ignore[arg-type]  # as botocore has it


async def test_an_instance_that_is_none_of_the_group_any_more_is_ended_in_quiet() -> None:
    message = "Instance Id not found - No managed instance found for instance ID: i-1"
    await driven(Client(refused("ValidationError", message))).terminate("i-1", lower=True)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (
            refused("ValidationError", "Currently, desiredSize equals minSize (1)."),
            ConfigurationError,
            "desiredSize equals",
        ),
        (refused("AccessDenied", "User: x is not authorized", 403), ConfigurationError, "scaler's role"),
        (refused("Throttling", "Rate exceeded"), TransientError, "Rate exceeded"),
        (NoCredentialsError(), ConfigurationError, "credentials"),
        (ConnectTimeoutError(endpoint_url="https://aws"), TransientError, "can't be reached"),
        (ResponseParserError("a page of a proxy"), TransientError, "can't be reached"),
    ],
)
async def test_what_a_call_fails_by_is_told_with_its_action_and_its_object(
    error: Exception, kind: type[Exception], told: str
) -> None:
    action = "autoscaling:TerminateInstanceInAutoScalingGroup of i-1 for node group gpu of cluster c"
    with pytest.raises(kind, match=told) as caught:
        await driven(Client(error)).terminate("i-1", lower=True)
    assert str(caught.value).startswith(action)


async def test_a_call_that_does_not_end_is_not_waited_for() -> None:
    ever = threading.Event()
    try:
        with pytest.raises(TransientError, match=r"AWS has not answered within 0\.01 s"):
            await driven(Client(ever), seconds=0.01).set_desired(1)
    finally:
        ever.set()


async def test_many_instances_are_protected_fifty_at_a_time() -> None:
    client = Client()
    await driven(client).guard([f"i-{number}" for number in range(120)])
    calls = [given for name, given in client.calls if name == "set_instance_protection"]
    assert [len(given["InstanceIds"]) for given in calls] == [50, 50, 20]
    assert [name for name, _ in client.calls[:2]] == ["suspend_processes", "update_auto_scaling_group"]


async def test_calls_leave_the_event_loop_free() -> None:
    ever = threading.Event()
    call = asyncio.create_task(driven(Client(ever)).set_desired(1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not call.done()
    ever.set()
    await call
