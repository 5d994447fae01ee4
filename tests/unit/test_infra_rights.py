"""Who may do what on AWS: documents, held against tables of requests by a small reading of IAM's rules."""

import json
import re
from dataclasses import replace

import pytest

from headrace.controller import contents
from headrace.model import keys
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from infra.aws import event_rules, owned, rights
from infra.aws.account import Account
from infra.aws.estate import Estate
from infra.aws.policy import written
from tests.infra.iam import allows
from tests.toolchain.places import CHECKOUT

ACCOUNT = Account("123456789012", "eu-central-1", "headrace")
ESTATE = Estate(
    account=ACCOUNT,
    platform_bucket="the-platform",
    buckets={"uploads": "acme-uploads", "results": "acme-results", "other": "acme-other"},
    node_groups=("cpu", "gpu"),
    data_key="arn:aws:kms:eu-central-1:123456789012:key/data",
    events_key="arn:aws:kms:eu-central-1:123456789012:key/events",
)
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:headrace-events"
DEAD = "arn:aws:sqs:eu-central-1:123456789012:headrace-events-dead"
SCALING = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:7f:autoScalingGroupName/eks-gpu-7f"
BY_S3 = {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
BY_SQS = {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}
OURS = {
    "autoscaling:ResourceTag/eks:cluster-name": "headrace",
    "autoscaling:ResourceTag/eks:nodegroup-name": "gpu",
}
SYSTEM = {**OURS, "autoscaling:ResourceTag/eks:nodegroup-name": "system"}
THEIRS = {**OURS, "autoscaling:ResourceTag/eks:cluster-name": "another"}


def s3(path):
    return f"arn:aws:s3:::{path}"


def prefix(text):
    return {"s3:prefix": text}


def function(**changes):
    spec = {
        "run": {"handler": "echo:Classifier"},
        "input": [{"bucket": "uploads", "prefix": "echo/"}],
        "output": [{"bucket": "results", "prefix": "echo/"}],
        **changes,
    }
    document = {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "echo"},
        "spec": spec,
    }
    return Function.from_json(json.dumps(document))


RECEIVER = [
    (True, "sqs:ReceiveMessage", QUEUE, {}),
    (True, "sqs:DeleteMessage", QUEUE, {}),
    (True, "sqs:ChangeMessageVisibility", QUEUE, {}),
    (True, "sqs:GetQueueAttributes", QUEUE, {}),
    (True, "sqs:SendMessage", DEAD, {}),
    (True, "sqs:GetQueueAttributes", DEAD, {}),
    (False, "sqs:SendMessage", QUEUE, {}),
    (False, "sqs:ReceiveMessage", DEAD, {}),
    (False, "sqs:DeleteMessage", DEAD, {}),
    (False, "sqs:ChangeMessageVisibility", DEAD, {}),
    (False, "sqs:PurgeQueue", QUEUE, {}),
    (False, "sqs:SetQueueAttributes", QUEUE, {}),
    (False, "sqs:ReceiveMessage", f"{QUEUE}-of-another", {}),
    (True, "kms:Decrypt", ESTATE.events_key, BY_SQS),
    (True, "kms:GenerateDataKey", ESTATE.events_key, BY_SQS),
    (True, "kms:Decrypt", ESTATE.data_key, BY_S3),
    (True, "kms:GenerateDataKey", ESTATE.data_key, BY_S3),
    (False, "kms:Decrypt", ESTATE.events_key, {}),
    (False, "kms:Decrypt", ESTATE.data_key, BY_SQS),
    (True, "s3:GetObject", s3("acme-uploads/echo/a.dcm"), {}),
    (True, "s3:ListBucketVersions", s3("acme-uploads"), prefix("echo/")),
    (False, "s3:PutObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:DeleteObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:GetObject", s3("acme-elsewhere/echo/a.dcm"), {}),
    (True, "s3:GetObject", s3(f"the-platform/{keys.failure_key('echo', '1')}"), {}),
    *(
        (True, "s3:GetObject", s3(f"the-platform/{key}"), {})
        for key in (
            keys.record_key("echo", "1"),
            keys.function_key("echo"),
            keys.ignored_key("echo", "1"),
            "race/7/1",
        )
    ),
    *(
        (True, "s3:ListBucketVersions", s3("the-platform"), prefix(f"{area}/echo/"))
        for area in (keys.RECORDS, keys.FAILURES, keys.IGNORED)
    ),
    (True, "s3:GetBucketVersioning", s3("the-platform"), {}),
    (True, "s3:GetBucketVersioning", s3("acme-uploads"), {}),
    (True, "s3:PutObject", s3(f"the-platform/{keys.function_key('echo')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.ignored_key('echo', '1')}"), {}),
    (True, "s3:GetObject", s3("the-platform/readyz"), {}),
    (True, "s3:PutObject", s3("the-platform/race/7/1"), {}),
    (True, "s3:DeleteObject", s3("the-platform/race/7/1"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:DeleteObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:GetObject", s3(f"the-platform/{keys.log_key('echo', '1', '1')}"), {}),
    (False, "autoscaling:SetDesiredCapacity", SCALING, OURS),
]
SCALER = [
    (True, "autoscaling:SetDesiredCapacity", SCALING, OURS),
    (True, "autoscaling:TerminateInstanceInAutoScalingGroup", SCALING, OURS),
    (True, "autoscaling:SuspendProcesses", SCALING, OURS),
    (True, "autoscaling:UpdateAutoScalingGroup", SCALING, OURS),
    (True, "autoscaling:SetInstanceProtection", SCALING, OURS),
    (False, "autoscaling:SetDesiredCapacity", SCALING, SYSTEM),
    (False, "autoscaling:TerminateInstanceInAutoScalingGroup", SCALING, THEIRS),
    (False, "autoscaling:SetDesiredCapacity", SCALING, {}),
    (False, "autoscaling:DeleteAutoScalingGroup", SCALING, OURS),
    (True, "autoscaling:DescribeAutoScalingGroups", "*", {}),
    (True, "autoscaling:DescribeScalingActivities", "*", {}),
    (True, "ec2:DescribeInstances", "*", {}),
    (False, "ec2:TerminateInstances", "*", {}),
    (False, "ec2:RunInstances", "*", {}),
    (True, "eks:DescribeNodegroup", ACCOUNT.arn("eks", "nodegroup/headrace/gpu/7f"), {}),
    (False, "eks:DescribeNodegroup", ACCOUNT.arn("eks", "nodegroup/headrace/system/7f"), {}),
    (False, "eks:UpdateNodegroupConfig", ACCOUNT.arn("eks", "nodegroup/headrace/gpu/7f"), {}),
    (False, "s3:GetObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "iam:PassRole", "*", {}),
]
CONTROLLER = [
    (True, "s3:ListBucket", s3("acme-results"), {}),
    (True, "s3:ListBucketVersions", s3("acme-results"), {}),
    (True, "s3:GetBucketVersioning", s3("the-platform"), {}),
    (True, "s3:GetBucketVersioning", s3("acme-results"), {}),
    (True, "s3:PutObject", s3(f"the-platform/{keys.bucket_key('acme-results')}"), {}),
    (True, "s3:GetObject", s3(f"the-platform/{keys.bucket_key('acme-results')}"), {}),
    *((True, "s3:DeleteObjectVersion", s3(f"the-platform/{area}x"), {}) for area in contents.NOTED),
    (True, "s3:DeleteObjectVersion", s3(f"the-platform/{keys.bucket_key('acme-results')}"), {}),
    (True, "s3:GetObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:DeleteObjectVersion", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:DeleteObjectVersion", s3("acme-results/echo/a.png"), {}),
    (False, "s3:GetObject", s3("acme-results/echo/a.png"), {}),
    (False, "s3:CreateBucket", s3("acme-results"), {}),
    (False, "s3:DeleteBucket", s3("acme-results"), {}),
    (False, "s3:PutBucketPolicy", s3("acme-results"), {}),
    (False, "sqs:ReceiveMessage", QUEUE, {}),
]
FUNCTION = [
    (True, "s3:GetObject", s3("acme-uploads/echo/a.dcm"), {}),
    (True, "s3:GetObjectVersion", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:PutObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:GetObject", s3("acme-uploads/other/a.dcm"), {}),
    (True, "s3:PutObject", s3("acme-results/echo/a.png"), {}),
    (True, "s3:GetObject", s3("acme-results/echo/a.png"), {}),
    (False, "s3:DeleteObject", s3("acme-results/echo/a.png"), {}),
    (False, "s3:PutObject", s3("acme-results/other/a.png"), {}),
    (False, "s3:GetObject", s3("acme-other/echo/a.png"), {}),
    *(
        (True, action, s3(f"the-platform/{key}"), {})
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        for key in (
            keys.record_key("echo", "1"),
            keys.failure_key("echo", "1"),
            keys.staging_key("echo", "1", "2", "a.png"),
            keys.note_key("echo", "1"),
            keys.log_key("echo", "1", "2"),
            keys.history_key("echo", "1", "2"),
        )
    ),
    (False, "s3:GetObject", s3(f"the-platform/{keys.record_key('echo-2', '1')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.record_key('other', '1')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.function_key('echo')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.bucket_key('acme-uploads')}"), {}),
    (False, "s3:DeleteObjectVersion", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (True, "s3:ListBucketVersions", s3("the-platform"), prefix("staging/echo/")),
    (False, "s3:ListBucketVersions", s3("the-platform"), prefix("staging/other/")),
    (True, "s3:ListBucket", s3("acme-results"), {}),  # a HEAD of what is not there
    (False, "s3:ListBucket", s3("acme-other"), {}),
    (True, "kms:GenerateDataKey", ESTATE.data_key, BY_S3),
    (False, "kms:Decrypt", ESTATE.data_key, {}),
    (False, "kms:Decrypt", ESTATE.events_key, BY_S3),
    (False, "sqs:ReceiveMessage", QUEUE, {}),
    (False, "ecr:GetAuthorizationToken", "*", {}),
]
# A function of the same name, of the tenant lab: its estate holds its own tenant's buckets alone.
LAB = replace(ESTATE, buckets={"uploads": "acme-lab-uploads", "results": "of-the-lab"})
TENANTS_FUNCTION = [
    (True, "s3:GetObject", s3("acme-lab-uploads/echo/a.dcm"), {}),
    (True, "s3:PutObject", s3("of-the-lab/echo/a.png"), {}),
    (False, "s3:GetObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:PutObject", s3("acme-results/echo/a.png"), {}),
    (True, "s3:PutObject", s3(f"the-platform/{keys.record_key('lab.echo', '1')}"), {}),
    (True, "s3:GetObject", s3(f"the-platform/{keys.failure_key('lab.echo', '1')}"), {}),
    (False, "s3:GetObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.record_key('ward.echo', '1')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.record_key('lab.other', '1')}"), {}),
    (False, "s3:ListBucketVersions", s3("the-platform"), prefix("staging/echo/")),
]
API = [
    (True, "s3:PutObject", s3("acme-uploads/echo/api-1a2b3c4d/scan.dcm"), {}),
    (True, "s3:AbortMultipartUpload", s3("acme-uploads/echo/api-1a2b3c4d/scan.dcm"), {}),
    (True, "s3:GetObject", s3("acme-results/echo/a.png"), {}),
    (True, "s3:ListBucketVersions", s3("acme-results"), {}),
    (False, "s3:DeleteObject", s3("acme-results/echo/a.png"), {}),
    (True, "s3:GetObject", s3(f"the-platform/{keys.log_key('echo', '1', '2')}"), {}),
    *(
        (True, "s3:PutObject", s3(f"the-platform/{key}"), {})
        for key in (
            keys.dismissed_key("echo", "1"),
            keys.record_key("echo", "1"),
            keys.failure_key("echo", "1"),
        )
    ),
    (False, "s3:PutObject", s3(f"the-platform/{keys.staging_key('echo', '1', '2', 'a.png')}"), {}),
    (False, "s3:PutObject", s3(f"the-platform/{keys.function_key('echo')}"), {}),
    (False, "s3:DeleteObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:CreateBucket", s3("acme-results"), {}),
    (True, "kms:GenerateDataKey", ESTATE.data_key, BY_S3),
    (False, "sqs:ReceiveMessage", QUEUE, {}),
]
STATUS = [
    (True, "s3:GetObject", s3(f"the-platform/{keys.log_key('echo', '1', '2')}"), {}),
    (True, "s3:PutObject", s3(f"the-platform/{keys.status_history_key()}"), {}),
    *((True, "s3:PutObject", s3(f"the-platform/{key}"), {})
      for key in (keys.history_key("echo", "1", "2"), keys.replay_key("echo", "1"))),
    *((True, "s3:DeleteObject", s3(f"the-platform/{key}"), {})
      for key in (
          keys.record_key("echo", "1"), keys.failure_key("echo", "1"),
          keys.note_key("echo", "1"), keys.replay_key("echo", "1"),
      )),
    (False, "s3:PutObject", s3(f"the-platform/{keys.record_key('echo', '1')}"), {}),
    (False, "s3:GetObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:PutObject", s3("acme-uploads/echo/a.dcm"), {}),
    (False, "s3:DeleteObject", s3(f"the-platform/{keys.history_key('echo', '1', '2')}"), {}),
]  # fmt: skip
RECEIVERS = rights.receiver(ESTATE)
DOCUMENTS = {
    "receiver": (RECEIVERS, RECEIVER),
    "scaler": (rights.scaler(ESTATE), SCALER),
    "controller": (rights.controller(ESTATE), CONTROLLER),
    "api": (rights.api(ESTATE), API),
    "status": (rights.status(ESTATE), STATUS),
    "function": (rights.function(ESTATE, function()), FUNCTION),
    "a tenant's function": (rights.function(LAB, function(), "lab"), TENANTS_FUNCTION),
}


@pytest.mark.parametrize("who", DOCUMENTS)
def test_what_is_needed_is_allowed_and_nothing_else(who):
    document, table = DOCUMENTS[who]
    wrong = [
        ("may not" if allowed else "may", action, resource)
        for allowed, action, resource, context in table
        if allows(document, action, resource, context=context) is not allowed
    ]
    assert wrong == []


# By its first column, what a row of the table in docs/events.md is of: of the actions on objects, an object.
OF_EVENTS = {
    "the queue": ([QUEUE], [], {}),
    "the dead-letter queue": ([DEAD], [], {}),
    "both queues' KMS key, if they have one": ([ESTATE.events_key], [], BY_SQS),
    "input buckets and the platform bucket, their objects too": (
        [s3("acme-uploads"), s3("the-platform")],
        [s3("acme-uploads/echo/a.dcm"), s3(f"the-platform/{keys.record_key('echo', '1')}")],
        {},
    ),
    "the platform bucket's objects": ([], [s3("the-platform/race/7/1")], {}),
}


def test_the_receiver_may_do_what_its_page_says_that_it_needs():
    rows = {
        each[0]: re.findall(r"`(\w+:\w+)", each[1]) for each in rows_below("| on | rights |", "events.md")
    }
    assert rows.keys() == OF_EVENTS.keys()
    asked = [
        (action, resource, context)
        for row, (things, objects, context) in OF_EVENTS.items()
        for action in rows[row]
        for resource in (objects if action.endswith("Object") else things)
    ]
    assert len(asked) > 15
    assert [each for each in asked if not allows(RECEIVERS, each[0], each[1], context=each[2])] == []


def test_the_scaler_may_do_what_its_page_says_that_it_calls():
    told = {
        re.findall(r"`(\w+:\w+)`", each[0])[0]
        for each in rows_below("| action | when | can be limited to |", "eks.md")
    }
    assert told == {action for each in rights.scaler(ESTATE)["Statement"] for action in each["Action"]}


def rows_below(head, page):
    """Cells of a page's table with this head."""
    table = (CHECKOUT / "docs" / page).read_text().partition(f"{head}\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]


@pytest.mark.parametrize("who", DOCUMENTS)
def test_no_action_is_a_pattern_and_a_resource_is_everything_only_where_aws_knows_none(who):
    statements = DOCUMENTS[who][0]["Statement"]
    assert [action for each in statements for action in each["Action"] if "*" in action] == []
    everything = {action for each in statements if "*" in each["Resource"] for action in each["Action"]}
    assert everything == (set(rights.LOOKS) if who == "scaler" else set())
    assert {each["Effect"] for each in statements} == {"Allow"}


@pytest.mark.parametrize("who", DOCUMENTS)
def test_a_role_has_room_for_its_document(who):
    """10,240 characters without spaces: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    assert len(written(DOCUMENTS[who][0]).replace(" ", "")) < 10_240 // 2


def test_the_controller_deletes_data_where_the_stack_says_so():
    document = rights.controller(ESTATE, deletes=True)
    assert allows(document, "s3:DeleteObjectVersion", s3("acme-results/echo/a.png"))
    assert not allows(document, "s3:DeleteBucket", s3("acme-results"))


def test_signs_of_iam_in_a_prefix_are_only_letters():
    document = rights.function(ESTATE, function(input=[{"bucket": "uploads", "prefix": "a*b/${c}?"}]))
    assert allows(document, "s3:GetObject", s3("acme-uploads/a*b/${c}?/x"))
    assert not allows(document, "s3:GetObject", s3("acme-uploads/axb/${c}?/x"))
    assert not allows(document, "s3:GetObject", s3("acme-uploads/a*b/${c}x/x"))


def test_a_function_that_writes_nothing_may_write_nothing():
    document = rights.function(ESTATE, function(output=[]))
    assert not any(allows(document, "s3:PutObject", s3(f"{name}/echo/a")) for name in ESTATE.buckets.values())


def test_a_bucket_that_the_platform_has_not_made_is_refused_by_name():
    with pytest.raises(
        ConfigurationError, match="found buckets scans, allowed those of the platform's stack, "
    ):
        rights.function(ESTATE, function(input=[{"bucket": "scans"}]))
    with pytest.raises(
        ConfigurationError, match=r"function lab\.echo: found buckets other, .*`tenants.lab.buckets`"
    ):
        rights.function(LAB, function(input=[{"bucket": "other"}]), "lab")


TRUST = rights.trusted_by_pods(ESTATE, namespace="headrace", service_account="headrace-scaler")
PODS = {"Service": "pods.eks.amazonaws.com"}
TAGS = {
    "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-central-1:123456789012:cluster/headrace",
    "aws:RequestTag/kubernetes-namespace": "headrace",
    "aws:RequestTag/kubernetes-service-account": "headrace-scaler",
}


@pytest.mark.parametrize(
    ("changes", "who", "allowed"),
    [
        ({}, PODS, True),
        ({}, {"Service": "ec2.amazonaws.com"}, False),
        ({"aws:RequestTag/kubernetes-service-account": "headrace-receiver"}, PODS, False),
        ({"aws:RequestTag/kubernetes-namespace": "headrace-functions"}, PODS, False),
        (
            {"aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-central-1:123456789012:cluster/other"},
            PODS,
            False,
        ),
    ],
)
def test_a_role_is_taken_by_the_pods_of_its_account_and_by_nobody_else(changes, who, allowed):
    for action in ("sts:AssumeRole", "sts:TagSession"):
        assert allows(TRUST, action, context={**TAGS, **changes}, who=who) is allowed


# What buckets, queues and keys carry themselves

EVENTS = {"Service": "events.amazonaws.com"}
RULE = {"aws:SourceArn": "arn:aws:events:eu-central-1:123456789012:rule/headrace-uploads"}
ROOT = {"AWS": "arn:aws:iam::123456789012:root"}
ENCRYPTED, PLAIN = {"aws:SecureTransport": "true"}, {"aws:SecureTransport": "false"}


def denies(document, action, resource, *, context):
    """Whether it would be refused although a role allowed it."""
    role = {"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}
    both = {**document, "Statement": [role, *document["Statement"]]}
    return not allows(both, action, resource, context=context)


def test_only_the_stacks_own_rule_feeds_the_queue():
    document = owned.queue(ESTATE, QUEUE)
    assert allows(document, "sqs:SendMessage", QUEUE, context={**RULE, **ENCRYPTED}, who=EVENTS)
    other = {"aws:SourceArn": RULE["aws:SourceArn"].replace("uploads", "other")}
    assert not allows(document, "sqs:SendMessage", QUEUE, context={**other, **ENCRYPTED}, who=EVENTS)
    assert not allows(document, "sqs:SendMessage", QUEUE, context={**RULE, **ENCRYPTED}, who=ROOT)
    assert not allows(document, "sqs:ReceiveMessage", QUEUE, context={**RULE, **ENCRYPTED}, who=EVENTS)
    assert denies(document, "sqs:SendMessage", QUEUE, context={**RULE, **PLAIN})


def test_a_queue_without_rules_is_fed_by_nobody():
    document = owned.queue(replace(ESTATE, buckets={}), QUEUE)
    assert not allows(document, "sqs:SendMessage", QUEUE, context={**RULE, **ENCRYPTED}, who=EVENTS)
    assert denies(document, "sqs:ReceiveMessage", QUEUE, context=PLAIN)


def test_buckets_are_as_many_as_there_are_and_no_pattern_is_too_long():
    buckets = {f"b{number}": f"headrace-of-a-tenant-{number:03}-{'x' * 30}" for number in range(80)}
    many = replace(ESTATE, buckets=buckets)
    found = event_rules.patterns(many)
    assert list(found) == ["uploads", "uploads-2", "uploads-3"]
    assert all(len(each) <= 2048 for each in found.values())
    named = [name for each in found.values() for name in json.loads(each)["detail"]["bucket"]["name"]]
    assert named == sorted(buckets.values())
    second = {"aws:SourceArn": f"{RULE['aws:SourceArn']}-2"}
    document = owned.queue(many, QUEUE)
    assert allows(document, "sqs:SendMessage", QUEUE, context={**second, **ENCRYPTED}, who=EVENTS)
    assert not allows(
        owned.queue(ESTATE, QUEUE), "sqs:SendMessage", QUEUE, context={**second, **ENCRYPTED}, who=EVENTS
    )


def test_buckets_are_closed_to_plain_http():
    document = owned.bucket(s3("acme-uploads"))
    assert denies(document, "s3:GetObject", s3("acme-uploads/a"), context=PLAIN)
    assert denies(document, "s3:ListBucket", s3("acme-uploads"), context=PLAIN)
    assert not denies(document, "s3:GetObject", s3("acme-uploads/a"), context=ENCRYPTED)


def test_keys_are_used_by_the_accounts_roles_and_the_one_service_that_needs_them():
    logs = {"Service": "logs.eu-central-1.amazonaws.com"}
    group = {"kms:EncryptionContext:aws:logs:arn": ACCOUNT.arn("logs", "log-group:/aws/eks/headrace/cluster")}
    plain, events = owned.key(ESTATE), owned.events_key(ESTATE)
    cluster = owned.cluster_key(ESTATE, "/aws/eks/headrace/cluster")
    assert all(allows(each, "kms:PutKeyPolicy", "*", who=ROOT) for each in (plain, events, cluster))
    assert allows(events, "kms:GenerateDataKey", "*", who=EVENTS)
    assert not allows(events, "kms:ScheduleKeyDeletion", "*", who=EVENTS)
    assert not allows(plain, "kms:GenerateDataKey", "*", who=EVENTS)
    assert allows(cluster, "kms:GenerateDataKey", "*", context=group, who=logs)
    assert not allows(cluster, "kms:GenerateDataKey", "*", who=logs)


def test_by_the_endpoint_nothing_leaves_for_buckets_of_others():
    document = owned.store_endpoint(ESTATE)
    own, others = {"s3:ResourceAccount": "123456789012"}, {"s3:ResourceAccount": "999999999999"}
    layers = s3("layers-of-a-registry/layer")
    assert allows(document, "s3:PutObject", s3("acme-results/a"), context=own)
    assert not allows(document, "s3:PutObject", s3("somebody-elses/a"), context=others)
    assert allows(document, "s3:GetObject", layers, context=others)
    assert not allows(document, "s3:PutObject", layers, context=others)


@pytest.mark.parametrize(
    ("region", "partition", "registry"),
    [
        ("eu-central-1", "aws", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/headrace"),
        ("us-gov-west-1", "aws-us-gov", "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/headrace"),
    ],
)
def test_names_are_those_of_the_regions_part_of_aws(region, partition, registry):
    account = Account("123456789012", region, "headrace")
    assert account.bucket_arn("b", "k") == f"arn:{partition}:s3:::b/k"
    assert account.registry == registry
    assert (
        account.managed_policy("AmazonEKSClusterPolicy")
        == f"arn:{partition}:iam::aws:policy/AmazonEKSClusterPolicy"
    )


def test_a_buckets_name_is_the_accounts_own_and_never_too_long():
    assert ACCOUNT.bucket_name("uploads") == "headrace-uploads-123456789012-eu-central-1"
    long = ACCOUNT.bucket_name("u" * 63)
    assert len(long) == 63
    assert long != ACCOUNT.bucket_name("u" * 62)
