"""Documents that things of a stack carry themselves: buckets, queues, keys, the endpoint of S3. Pure.

In them `*` stands for the thing that carries the document, or for whoever asks.
"""

from collections.abc import Sequence

from infra.aws import event_rules
from infra.aws.estate import Estate
from infra.aws.policy import EVERYBODY, Document, Statement, allow, deny, document

ITSELF = "*"


def bucket(arn: str) -> Document:
    """Nobody comes by plain HTTP. What is allowed stands in the roles."""
    return document(_no_plain_http("s3:*", [arn, f"{arn}/*"]))


def queue(estate: Estate, arn: str) -> Document:
    """Only the stack's own rules put events in; messages that EventBridge can't deliver come so, too."""
    sender, rules = {"Service": "events.amazonaws.com"}, event_rules.arns(estate)
    sends = [allow(("sqs:SendMessage",), [arn], who=sender, where={"ArnEquals": {"aws:SourceArn": rules}})]
    return document(*(sends if rules else ()), _no_plain_http("sqs:*", [arn]))


def key(estate: Estate, *more: Statement) -> Document:
    """The account's roles say who may use it; without this statement nobody could ever change the key again.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    root = {"AWS": estate.account.iam("root")}
    return document(allow(("kms:*",), [ITSELF], who=root), *more)


def events_key(estate: Estate) -> Document:
    """EventBridge writes to the encrypted queues, whose documents say by which rule.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html asks for exactly this.
    """
    sender = {"Service": "events.amazonaws.com"}
    return key(estate, allow(("kms:Decrypt", "kms:GenerateDataKey"), [ITSELF], who=sender))


def cluster_key(estate: Estate, log_group: str) -> Document:
    """CloudWatch encrypts the control plane's logs.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    account = estate.account
    writer = {"Service": f"logs.{account.region}.{account.domain}"}
    group = {"kms:EncryptionContext:aws:logs:arn": account.arn("logs", f"log-group:{log_group}")}
    actions = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*")
    return key(estate, allow(actions, [ITSELF], who=writer, where={"ArnEquals": group}))


def store_endpoint(estate: Estate) -> Document:
    """By this way only the account's own buckets are written and listed.

    Others' objects are read: layers of images lie in buckets of the registries' own.
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
    """
    own = {"StringEquals": {"s3:ResourceAccount": estate.account.id}}
    return document(
        allow(("s3:*",), [ITSELF], who=EVERYBODY, where=own),
        allow(("s3:GetObject",), [ITSELF], who=EVERYBODY),
    )


def _no_plain_http(actions: str, resources: Sequence[str]) -> Statement:
    return deny((actions,), resources, who=EVERYBODY, where={"Bool": {"aws:SecureTransport": "false"}})
