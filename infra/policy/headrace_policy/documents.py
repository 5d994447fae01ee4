"""Documents of IAM, wherever a resource of AWS holds one: as a text of JSON or as a mapping.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from .reach import is_everyone, network
from .tree import Node
from .values import Resource

# Not a grant but a bound on what others grant: open by default.
_BOUNDS = ("aws:ec2/vpcEndpoint", "aws:organizations/")
_POSITIVE = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress")
# Each keeps a statement to resources that carry a tag.
_TAGS = (
    "aws:resourcetag/",
    "aws:requesttag/",
    "ec2:resourcetag/",
    "autoscaling:resourcetag/",
    "ecr:resourcetag/",
)
# With a fixed value they keep a principal `*` to somebody: how S3 itself judges what is public.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
_SOMEBODY = frozenset(
    [
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:principalorgid",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:userid",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "kms:calleraccount",
    ]
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that allows something; `where`: the input and its number or Sid."""

    where: str
    body: Node

    @property
    def is_of_a_resource(self) -> bool:
        """Whether it stands in a resource's own policy: that names who may, and its resource is itself."""
        return not (self.body.at("Principal").is_absent and self.body.at("NotPrincipal").is_absent)

    @property
    def is_for_everybody(self) -> bool:
        """Whether anybody may, in whichever account, and no condition keeps it to somebody."""
        named = self.body.at("Principal")
        listed = [named, *(part for _, part in named.fields())]
        everybody = any("*" in each.texts() for each in listed) or not self.body.at("NotPrincipal").is_absent
        return everybody and not any(_is_fixed(key, value) for key, value in self._conditions())

    @property
    def is_bound_by_a_tag(self) -> bool:
        return any(key.startswith(_TAGS) and _is_definite(value) for key, value in self._conditions())

    def _conditions(self) -> Iterator[tuple[str, Node]]:
        """Conditions that must hold, by key: of several values of an operator's key one is enough."""
        for operator, keys in self.body.at("Condition").fields():
            if operator.lower().removeprefix("foranyvalue:") in _POSITIVE:
                yield from ((key.lower(), value) for key, value in keys.fields())


def statements(resource: Resource) -> Iterator[Statement]:
    """The statements that allow something, in every document of a resource of AWS."""
    if resource.type.startswith("aws") and not resource.type.startswith(_BOUNDS):
        for path, document in _documents(resource.inputs, ""):
            for number, body in enumerate(document.at("Statement").entries(), 1):
                if body.at("Effect").says("Allow"):
                    yield Statement(f"{path} statement {body.at('Sid').text or number}", body)


def _documents(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    if node.text:
        node = _parsed(node.text)
    if not node.at("Statement").is_absent:
        yield path, node
        return
    if isinstance(node.value, list | tuple):
        parts = [(f"{path}[{index}]", part) for index, part in enumerate(node.entries())]
    else:
        parts = [(f"{path}.{key}".removeprefix("."), part) for key, part in node.fields()]
    for place, part in parts:
        yield from _documents(part, place)


def _parsed(text: str) -> Node:
    """The document in a text; nothing where it holds none."""
    if not text.lstrip().startswith("{"):
        return Node()
    try:
        found = json.loads(text)
    except ValueError:
        return Node()
    return Node(found)


def _is_fixed(key: str, value: Node) -> bool:
    """Whether a condition on a key keeps everybody to somebody; unknown values will be something fixed."""
    if key not in _SOMEBODY:
        return False
    if key == "aws:sourceip":
        ranges = [network(each.text) for each in value.entries()]
        return bool(ranges) and not any(each is None or is_everyone(each) for each in ranges)
    return _is_definite(value)


def _is_definite(value: Node) -> bool:
    """Whether each of the values is something, and of an ARN at least the account or the resource."""
    if value.is_unknown:
        return True
    return bool(value.entries()) and all(
        each.is_unknown or _is_somebody(each.text) for each in value.entries()
    )


def _is_somebody(text: str) -> bool:
    parts = text.split(":", 5)
    if parts[0] != "arn":
        return text.strip("*?") != ""
    return any(part and part[0] not in "*?" for part in parts[4:])
