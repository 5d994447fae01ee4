"""AWS's answers as values, and its refusals as our errors. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace.model.errors import ConfigurationError, HeadraceError, TransientError
from headrace.nodes.eks.group import GroupView, Instance, Launch, Phase

Answer = Mapping[str, Any]

AZ_REBALANCE = "AZRebalance"
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
_ALIVE = {"Pending": Phase.PENDING, "InService": Phase.IN_SERVICE}
_ENDING = ("Terminating", "Terminated")
_WARMED = "Warmed"  # of a warm pool: none of the group's yet
# While EKS changes a group itself, https://docs.aws.amazon.com/eks/latest/APIReference/API_Nodegroup.html
_HELD = {
    "CREATING": "is being created",
    "UPDATING": "is being updated by EKS",
    "DELETING": "is being deleted",
    "CREATE_FAILED": "could not be created",
    "DELETE_FAILED": "could not be deleted",
}
_GONE = ("shutting-down", "terminated")
_LAUNCHING = "Launching"
NO_REASON = "AWS gives no reason"
_FAILED = "Failed"  # one that was cancelled was called off
# Of several services: one code each way of saying it.
_REFUSED = (
    "AccessDenied",
    "UnauthorizedOperation",
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClient",
    "SignatureDoesNotMatch",
    "OptInRequired",
)
_WRONG = ("ResourceNotFound", "Validation", "InvalidParameter", "InvalidRequest", "MissingParameter")


def group_name(nodegroup: Answer) -> str:
    """The Auto Scaling group of a node group as DescribeNodegroup has it; empty: it has none yet."""
    groups = (nodegroup.get("resources") or {}).get("autoScalingGroups") or ()
    return str(groups[0]["name"]) if groups else ""


def view_of(nodegroup: Answer, group: Answer) -> GroupView:
    """What DescribeNodegroup and DescribeAutoScalingGroups tell."""
    name, status = nodegroup["nodegroupName"], nodegroup["status"]
    suspended = {each["ProcessName"] for each in group.get("SuspendedProcesses") or ()}
    found = (_instance(each) for each in group.get("Instances") or ())
    return GroupView(
        desired=group["DesiredCapacity"],
        most=group["MaxSize"],
        least=group["MinSize"],
        instances={each.id: each for each in found if each is not None},
        guarded=AZ_REBALANCE in suspended and bool(group.get("NewInstancesProtectedFromScaleIn")),
        held=f"node group {name} {_HELD[status]}" if status in _HELD else "",
    )


def _instance(told: Answer) -> Instance | None:
    state, _, _ = str(told["LifecycleState"]).partition(":")
    if state == _WARMED:
        return None
    phase = _ALIVE.get(state, Phase.ENDING if state in _ENDING else Phase.ASIDE)
    if phase in _ALIVE.values() and told.get("HealthStatus", "").lower() == "unhealthy":
        phase = Phase.ENDING  # AWS replaces it in a moment
    return Instance(told["InstanceId"], phase, bool(told.get("ProtectedFromScaleIn")))


def launches_of(activities: Iterable[Answer]) -> Sequence[Launch]:
    """The launches among what DescribeScalingActivities tells, which is the newest first."""
    return [
        Launch(
            at=each["StartTime"].timestamp(),
            failure=_told(each.get("StatusMessage", "")) if each["StatusCode"] == _FAILED else "",
            succeeded=each["StatusCode"] == "Successful",
        )
        for each in activities
        if str(each.get("Description", "")).startswith(_LAUNCHING)
    ]


def _told(message: str) -> str:
    """AWS's reason without what it always adds."""
    return message.removesuffix("Launching EC2 instance failed.").strip() or NO_REASON


def ended_of(reservations: Iterable[Answer], asked: Iterable[str]) -> Mapping[str, str]:
    """Those of the instances asked for that exist no more, by what DescribeInstances tells of them."""
    told = {each["InstanceId"]: each for one in reservations for each in one["Instances"]}
    found = {}
    for instance in asked:
        if instance not in told:
            found[instance] = "AWS does not know it any more"
        elif told[instance]["State"]["Name"] in _GONE:
            reason = told[instance].get("StateReason") or {}
            found[instance] = reason.get("Message") or reason.get("Code") or NO_REASON
    return found


def fault(what: str, *, code: str, status: int | None, detail: str) -> HeadraceError:
    """AWS's refusal of a call, by what can be done about it; `what` names the call and its object."""
    if code.startswith(_REFUSED):
        return ConfigurationError(f"{what}: AWS refuses us; allow it in the scaler's role: {detail}")
    if code.startswith(_WRONG) and status is not None and status < 500:
        return ConfigurationError(f"{what}: AWS takes it for wrong: {detail}")
    return TransientError(f"{what}: AWS can't now; try again later: {detail}")


def is_not_there(code: str, message: str) -> bool:
    """Whether a refusal says that an instance is none of a group: "Instance Id not found - No managed …"."""
    return code.startswith("Validation") and "instance id not found" in message.lower()
