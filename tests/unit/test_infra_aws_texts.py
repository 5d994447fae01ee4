"""What the target aws writes for people to read, and its names: signs and lengths that AWS takes."""

import functools
import re

import pytest

from tests.infra.aws import deployed, example

# Of each kind and field, the whole text. As AWS's references of its calls have it:
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
GROUP = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}"
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
ROLE, ROLE_TOLD = r"[\w+=,.@-]{1,64}", r"[\t\n\r -~\u00a1-\u00ff]{0,1000}"
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
RULE, RULE_TOLD = r"[._A-Za-z0-9-]{1,64}", r".{0,512}"
TEXTS = {
    ("SecurityGroup", "description"): GROUP,
    ("SecurityGroup", "ingress.description"): GROUP,
    ("Role", "name"): ROLE,
    ("Role", "description"): ROLE_TOLD,
    ("EventRule", "name"): RULE,
    ("EventRule", "description"): RULE_TOLD,
    ("EventTarget", "targetId"): RULE,
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html and API_CreateAlias.html
    ("Key", "description"): r".{0,8192}",
    ("Alias", "name"): r"alias/[a-zA-Z0-9/_-]{1,250}",
    # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
    ("Budget", "name"): r"(?!.*/action/)[^:\\]{1,100}",
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    ("Queue", "name"): r"[A-Za-z0-9_-]{1,80}",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    ("Bucket", "bucket"): r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    ("BucketLifecycleConfiguration", "rules.id"): r".{1,255}",
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
    ("Repository", "name"): r"(?=.{2,256}$)([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*",
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    ("LogGroup", "name"): r"[._/#A-Za-z0-9-]{1,512}",
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html
    ("LaunchTemplate", "name"): r"[a-zA-Z0-9().\-/_]{3,128}",
    # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html and API_CreateNodegroup.html
    ("Cluster", "name"): r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}",
    ("NodeGroup", "nodeGroupName"): r"[0-9A-Za-z][A-Za-z0-9_-]{0,62}",
}
# The strictest: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
TAG, TAG_VALUE = r"(?!aws:)[\w\s.:/=+\-@]{1,128}", r"[\w\s.:/=+\-@]{0,256}"


@functools.cache
def resources():
    return [each for name, each in deployed(example()).items() if name and each.type.startswith("aws:")]


def texts(value, path=()):
    """Each text in inputs, with the names on its way: `ingress.description`, whichever of the rules it is."""
    if isinstance(value, str):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, path)


def written(kind, field):
    return [
        text
        for each in resources()
        if each.type.rpartition(":")[2] == kind
        for path, text in texts(each.inputs)
        if path == field
    ]


@pytest.mark.parametrize(("kind", "field"), TEXTS)
def test_aws_takes_the_text(kind, field):
    found = written(kind, field)
    assert found, "no resource has it"
    assert [text for text in found if not re.fullmatch(TEXTS[kind, field], text)] == []


def test_no_description_is_left_out():
    found = {
        (each.type.rpartition(":")[2], path)
        for each in resources()
        for path, _ in texts(each.inputs)
        if path.endswith("description")
    }
    assert found <= TEXTS.keys()


def test_aws_takes_the_tags():
    found = [
        (key, value) for each in resources() for tags in _tags(each.inputs) for key, value in tags.items()
    ]
    assert found
    assert [key for key, _ in found if not re.fullmatch(TAG, key)] == []
    assert [value for _, value in found if not re.fullmatch(TAG_VALUE, value)] == []


def _tags(inputs):
    yield inputs.get("tags", {})
    yield from (each["tags"] for each in inputs.get("tagSpecifications", ()))
    if "tag" in inputs:
        yield {inputs["tag"]["key"]: inputs["tag"]["value"]}
