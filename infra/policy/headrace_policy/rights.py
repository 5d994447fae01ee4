"""Rights on AWS that know no bounds."""

import fnmatch
from collections.abc import Iterator

from .documents import Statement, statements
from .values import Fault, Resource, Rule, Surroundings

# These name no resource, so `*` is all that can be written for them.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_OF_NO_RESOURCE = (
    "autoscaling:describe*",
    "cloudwatch:getmetricdata",
    "cloudwatch:listmetrics",
    "cloudwatch:putmetricdata",
    "ec2:describe*",
    "ec2:getinstancetypesfrominstancerequirements",
    "ecr:getauthorizationtoken",
    "eks:listclusters",
    "elasticloadbalancing:describe*",
    "kms:createkey",
    "kms:generaterandom",
    "kms:listaliases",
    "kms:listkeys",
    "pricing:getproducts",
    "s3:listallmybuckets",
    "sts:getcalleridentity",
    "sts:getservicebearertoken",
    "xray:puttelemetryrecords",
    "xray:puttracesegments",
)
_KEY = "aws:kms/"
_ATTACHED = ("policyArn", "managedPolicyArns", "policyArns")
_WIDE_POLICIES = (
    "arn:aws*:iam::aws:policy/*AdministratorAccess",
    "arn:aws*:iam::aws:policy/*PowerUserAccess",
    "arn:aws*:iam::aws:policy/*FullAccess",
    "arn:aws*:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
)


def _boundless(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for statement in statements(resource):
        yield from _actions(resource, statement)
        if not statement.is_of_a_resource:
            yield from _resources(statement)
    for key in _ATTACHED if resource.type.startswith("aws:") else ():
        for arn in resource.inputs.at(key).entries():
            if any(fnmatch.fnmatchcase(arn.text, each) for each in _WIDE_POLICIES):
                remedy = "write a policy with what is needed"
                yield Fault(key, arn.text.rpartition("/")[2], "a policy that names actions", remedy)


def _actions(resource: Resource, statement: Statement) -> Iterator[Fault]:
    body = statement.body
    if not body.at("NotAction").is_absent:
        yield Fault(statement.where, "NotAction", "Action", "name the actions that are needed")
    wide = sorted(each for each in body.at("Action").texts() if is_wide(each))
    if wide and not _is_a_keys_own_account(resource, statement):
        yield Fault(
            statement.where,
            f"Action {', '.join(wide)}",
            "actions by name",
            "name the actions that are needed",
        )


def is_wide(action: str) -> bool:
    """Whether an action stands for all of a service, or of all."""
    service, _, name = action.partition(":")
    return "*" in service or "?" in service or (":" in action and name.strip("*?") == "")


def _is_a_keys_own_account(resource: Resource, statement: Statement) -> bool:
    """KMS lets a key's account rule it: without that the key could be lost for ever.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    named = statement.body.at("Principal", "AWS")
    roots = all(each.text.endswith(":root") for each in named.entries())
    return resource.type.startswith(_KEY) and roots and not named.is_absent


def _resources(statement: Statement) -> Iterator[Fault]:
    body = statement.body
    if not body.at("NotResource").is_absent:
        yield Fault(statement.where, "NotResource", "Resource", "name the resources that are needed")
    wide = sorted(each for each in body.at("Resource").texts() if is_everything(each))
    if wide and not (_names_no_resource(body.at("Action").texts()) or statement.is_bound_by_a_tag):
        yield Fault(
            statement.where,
            f"Resource {', '.join(wide)} for {', '.join(sorted(body.at('Action').texts()))}",
            "resources by name, or a condition on a tag; a statement of its own for what names no resource",
            "name the resources that are needed",
        )


def is_everything(resource: str) -> bool:
    """Whether a resource stands for every one of a service: `*`, or an ARN with only that behind it."""
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return resource.endswith("*")
    return parts[5].strip("*?/") == ""


def _names_no_resource(actions: frozenset[str]) -> bool:
    lowered = [each.lower() for each in actions]
    return bool(lowered) and all(
        any(fnmatch.fnmatchcase(each, known) for known in _OF_NO_RESOURCE) for each in lowered
    )


def _open_to_everybody(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    if resource.type.startswith("aws:s3/"):
        return  # another rule's matter
    for statement in statements(resource):
        if statement.is_for_everybody:
            yield Fault(
                statement.where,
                "everybody, in any account",
                "principals by name, or a condition that keeps it to somebody, as aws:SourceArn does",
                "name who may",
            )


RIGHTS = Rule(
    "iam-wildcard",
    "Rights on AWS are named one by one",
    "documents of IAM in every resource, attachments of AWS's own policies, access entries of EKS",
    "`*` or `SERVICE:*` as `Action`; `*` as `Resource`, but for actions that name no resource and under a "
    "condition on a tag; `NotAction` and `NotResource` that allow; `AdministratorAccess`, `…FullAccess` and "
    "the like; `AmazonEKSClusterAdminPolicy`",
    each=_boundless,
)
EVERYBODY = Rule(
    "iam-everybody",
    "A resource's own policy names who may",
    "policies of queues, topics, keys, repositories, roles and other resources",
    "`Principal: *` or `NotPrincipal` that allow without a condition that keeps it to somebody",
    each=_open_to_everybody,
)
