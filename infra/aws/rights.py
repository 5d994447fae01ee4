"""What each service and each function may do on AWS. Pure; least rights, a '*' alone with its reason.

With each statement on objects goes one on their bucket: S3 answers 404 for what is not there only to those
who may list, and 403 to all others; by that answer a worker knows that a task has no record yet.
"""

from collections.abc import Iterator, Sequence

from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.model.keys import (
    BACKUPS,
    DISMISSED,
    FAILURES,
    FUNCTIONS,
    HISTORY,
    IGNORED,
    LOGS,
    NOTES,
    RECORDS,
    REPLAYS,
    STAGING,
    STATUS,
)
from headrace.model.tenancy import qualified
from infra.aws.estate import Estate
from infra.aws.policy import Conditions, Document, Statement, allow, document

ANYTHING = "*"  # a resource; whoever uses it says why
LIST = ("s3:ListBucket", "s3:ListBucketVersions")
READ = ("s3:GetObject", "s3:GetObjectVersion")
WRITE = ("s3:PutObject", "s3:AbortMultipartUpload")
DELETE = ("s3:DeleteObject",)
DELETE_FOR_GOOD = ("s3:DeleteObject", "s3:DeleteObjectVersion")
# Of the receiver alone: where it tries whether the store lets exactly one writer win, and a key whose absence
# shows that the store answers.
RACE, PROBE = "race", "readyz"

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html
GROUP_ACTIONS = (
    "autoscaling:SuspendProcesses",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:SetInstanceProtection",
    "autoscaling:SetDesiredCapacity",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
)
LOOKS = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeScalingActivities",
    "ec2:DescribeInstances",
)
CLUSTER_TAG, GROUP_TAG = "eks:cluster-name", "eks:nodegroup-name"  # which EKS puts on the groups it makes


def receiver(estate: Estate) -> Document:
    """It reads the queue of events, passes on what is no event, and lists and looks at objects."""
    platform = estate.platform
    read = [*(f"{area}/*" for area in (RECORDS, FAILURES, FUNCTIONS, IGNORED, BACKUPS, RACE)), PROBE]
    return document(
        allow(
            (
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
            ),
            [estate.queue_arn],
        ),
        # It takes no message before it has seen both queues.
        allow(("sqs:SendMessage", "sqs:GetQueueAttributes"), [estate.dead_letters_arn]),
        allow(("kms:Decrypt", "kms:GenerateDataKey"), [estate.events_key], where=_through(estate, "sqs")),
        allow((*LIST, "s3:GetBucketVersioning"), [platform, *estate.function_buckets]),
        *_objects(READ, estate.function_buckets, ["*"]),
        *_objects(READ, [platform], read),
        *_objects(WRITE, [platform], [f"{FUNCTIONS}/*", f"{RACE}/*"]),
        *_objects(DELETE, [platform], [f"{RACE}/*"]),
        *_keys(estate),
    )


def scaler(estate: Estate) -> Document:
    """It sizes the node groups of the stack's pools, of which there are some, and ends what it chooses."""
    account = estate.account
    groups = [account.arn("eks", f"nodegroup/{estate.cluster}/{each}/*") for each in estate.node_groups]
    scaling = account.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*")
    tags = {
        f"autoscaling:ResourceTag/{CLUSTER_TAG}": estate.cluster,
        f"autoscaling:ResourceTag/{GROUP_TAG}": sorted(estate.node_groups),
    }
    return document(
        allow(("eks:DescribeNodegroup",), groups),
        allow(GROUP_ACTIONS, [scaling], where={"StringEquals": tags}),
        allow(LOOKS, [ANYTHING]),  # AWS knows no resource for these: they see all that the region has
    )


def controller(estate: Estate, *, deletes: bool = False) -> Document:
    """It looks whether buckets are there and what is in them, and notes that in the platform's.

    `deletes`: whether a bucket's data goes with it. Buckets are made by the stack, not by the controller.
    """
    buckets = [estate.platform, *estate.function_buckets]
    return document(
        allow((*LIST, "s3:GetBucketVersioning"), buckets),
        *_objects(READ, [estate.platform], ["*"]),
        *_objects(WRITE, [estate.platform], ["buckets/*"]),
        *_objects(DELETE_FOR_GOOD, [estate.platform], ["buckets/*", f"{FUNCTIONS}/*", f"{RACE}/*"]),
        *(_objects(DELETE_FOR_GOOD, buckets, ["*"]) if deletes else ()),
        *_keys(estate),
    )


def api(estate: Estate) -> Document:
    """It stores what its users send, reads what became of it, and ends tasks whose jobs they delete."""
    ended = [f"{area}/*" for area in (DISMISSED, RECORDS, FAILURES)]
    return document(
        allow((*LIST, "s3:GetBucketVersioning"), [estate.platform, *estate.function_buckets]),
        *_objects((*READ, *WRITE), estate.function_buckets, ["*"]),
        *_objects(READ, [estate.platform], ["*"]),
        *_objects(WRITE, [estate.platform], ended),
        *_keys(estate),
    )


def status(estate: Estate) -> Document:
    """It looks at what became of files, keeps how things went, and replays what a person says."""
    return document(
        allow((*LIST, "s3:GetBucketVersioning"), [estate.platform]),
        *_objects(READ, [estate.platform], ["*"]),
        *_objects(WRITE, [estate.platform], [f"{area}/*" for area in (STATUS, HISTORY, REPLAYS)]),
        *_objects(DELETE, [estate.platform], [f"{area}/*" for area in (RECORDS, FAILURES, NOTES, REPLAYS)]),
        *_keys(estate),
    )


def function(estate: Estate, of: Function, tenant: str = "") -> Document:
    """Its workers' supervisors: they read inputs, write outputs, and have its rooms of the platform's bucket.

    `estate`: with the buckets that it may name; `tenant`: whose it is, none: the stack's own. Raises
    ConfigurationError for a bucket that the platform's stack has not made.
    """
    _check_buckets(estate, of, tenant)
    inputs = [(estate.bucket(each.bucket), literal(each.prefix)) for each in of.spec.input]
    outputs = [(estate.bucket(each.bucket), literal(each.prefix)) for each in of.spec.output]
    both = list(dict.fromkeys((*inputs, *outputs)))
    rooms = rooms_of(qualified(tenant, of.name))
    return document(
        allow(("s3:GetBucketVersioning",), sorted({estate.platform, *(bucket for bucket, _ in both)})),
        *(_list(bucket, [f"{prefix}*"]) for bucket, prefix in both),
        allow(READ, [f"{bucket}/{prefix}*" for bucket, prefix in both]),
        *(
            [allow(WRITE, [f"{bucket}/{prefix}*" for bucket, prefix in dict.fromkeys(outputs)])]
            if outputs
            else ()
        ),
        _list(estate.platform, rooms),
        # A key that is deleted keeps its versions: those are the controller's and the life cycle's matter.
        *_objects((*READ, *WRITE, *DELETE), [estate.platform], rooms),
        *_keys(estate),
    )


def rooms_of(name: str) -> list[str]:
    """Patterns of the keys in the platform's bucket that workers of a function use, by its qualified name."""
    return [f"{area}/{name}/*" for area in (RECORDS, FAILURES, STAGING, NOTES, LOGS, HISTORY)]


def trusted_by_pods(estate: Estate, *, namespace: str, service_account: str) -> Document:
    """Who may take a role: pods of this account, in this namespace, of this cluster, and nobody else.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    tags = {
        "aws:RequestTag/eks-cluster-arn": estate.cluster_arn,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": service_account,
    }
    actions = ("sts:AssumeRole", "sts:TagSession")
    return trusted_by("pods.eks.amazonaws.com", actions, where={"StringEquals": tags})


def trusted_by(
    service: str, actions: Sequence[str] = ("sts:AssumeRole",), *, where: Conditions | None = None
) -> Document:
    """That a service of AWS may take a role. Such a document names no resource: it is the role's own."""
    statement = allow(actions, [], who={"Service": service}, where=where)
    return document({key: value for key, value in statement.items() if key != "Resource"})


def literal(text: str) -> str:
    """A text in a pattern of IAM's, where *, ? and $ mean something."""
    return "".join(f"${{{sign}}}" if sign in "*?$" else sign for sign in text)


def _objects(actions: Sequence[str], buckets: Sequence[str], keys: Sequence[str]) -> Iterator[Statement]:
    if buckets:
        yield allow(actions, [f"{bucket}/{key}" for bucket in buckets for key in keys])


def _list(bucket: str, patterns: Sequence[str]) -> Statement:
    """A HEAD tells no prefix, and needs its 404; so a listing without any prefix is let through too."""
    return allow(LIST, [bucket], where={"StringLikeIfExists": {"s3:prefix": list(patterns)}})


def _keys(estate: Estate) -> Iterator[Statement]:
    """Objects are encrypted: S3 asks the key on behalf of who reads or writes."""
    yield allow(("kms:Decrypt", "kms:GenerateDataKey"), [estate.data_key], where=_through(estate, "s3"))


def _through(estate: Estate, service: str) -> Conditions:
    account = estate.account
    return {"StringEquals": {"kms:ViaService": f"{service}.{account.region}.{account.domain}"}}


def _check_buckets(estate: Estate, of: Function, tenant: str) -> None:
    named = dict.fromkeys(
        [*(each.bucket for each in of.spec.input), *(each.bucket for each in of.spec.output)]
    )
    missing = [each for each in named if each not in estate.buckets]
    if missing:
        place = f"tenants.{tenant}.buckets" if tenant else "buckets"
        allowed = ", ".join(sorted(estate.buckets)) or "which has none"
        raise ConfigurationError(
            f"function {qualified(tenant, of.name)}: found buckets {', '.join(missing)}, allowed those of "
            f"the platform's stack, {allowed}; add them to its `{place}`"
        )
