"""Buckets of S3 that everyone could read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from collections.abc import Iterator, Sequence

from .documents import statements
from .tree import Node
from .values import Fault, Finding, Resource, Rule, Surroundings

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_ACCOUNT_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
_SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_OPEN_ACLS = ("public-read", "public-read-write", "authenticated-read")
_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)


def _public(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    if not resource.type.startswith("aws:s3/"):
        return
    inputs = resource.inputs
    if inputs.at("acl").text in _OPEN_ACLS:
        yield Fault("acl", inputs.at("acl").text, "private", "take it out")
    for path in (("grants",), ("accessControlPolicy", "grants")):
        for grant in inputs.at(*path).entries():
            uri = grant.at("uri").text or grant.at("grantee", "uri").text
            if uri in _GROUPS:
                yield Fault(".".join(path), uri.rpartition("/")[2], "accounts by name", "take it out")
    for statement in statements(resource):
        if statement.is_for_everybody:
            remedy = "name who may"
            yield Fault(statement.where, "everybody", "principals by name, or a condition", remedy)
    if resource.type in (_BLOCK, _ACCOUNT_BLOCK):
        yield from _switched_off(inputs)


def _switched_off(block: Node) -> Iterator[Fault]:
    off = [each for each in _SWITCHES if block.at(each).is_not_true]
    if off:
        yield Fault("", f"{', '.join(off)} not true", "all four true", "write them")


def _unblocked(resources: Sequence[Resource], _: Surroundings) -> Iterator[Finding]:
    if any(each.type == _ACCOUNT_BLOCK for each in resources):
        return
    blocks = [each for each in resources if each.type == _BLOCK]
    for bucket in resources:
        if bucket.type in BUCKETS and not any(_is_of(block, bucket) for block in blocks):
            yield (
                bucket,
                Fault(
                    "",
                    "no BucketPublicAccessBlock",
                    "one, with all four switches true",
                    "declare one beside the bucket: a single object could be made public without it",
                ),
            )


def _is_of(block: Resource, bucket: Resource) -> bool:
    """By the output that the block's bucket comes from; by name where that is written out."""
    if bucket.urn in block.refers.get("bucket", frozenset()):
        return True
    named = block.inputs.at("bucket")
    return bool(named.text) and named.text in (
        bucket.inputs.at("bucket").value,
        bucket.inputs.at("id").value,
    )


PUBLIC = Rule(
    "public-bucket",
    "No bucket is public",
    "buckets of S3 with their lists of access, policies and objects",
    "lists of access for all users, a policy for everybody, a `BucketPublicAccessBlock` with less than its "
    "four switches",
    each=_public,
)
UNBLOCKED = Rule(
    "bucket-block",
    "No bucket can become public",
    "buckets of S3, with what is declared beside them",
    "a bucket without a `BucketPublicAccessBlock` in its stack (or one of the account)",
    together=_unblocked,
)
