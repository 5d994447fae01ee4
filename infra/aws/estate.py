"""What a stack has on AWS, as far as rights name it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infra.aws.account import Account

QUEUE, DEAD_LETTERS = "events", "events-dead"


@dataclass(frozen=True, slots=True)
class Estate:
    """`buckets`: logical name -> name in the store; `node_groups`: of pools; keys by their ARN."""

    account: Account
    platform_bucket: str
    buckets: Mapping[str, str] = field(default_factory=dict)
    node_groups: Sequence[str] = ()
    data_key: str = ""
    events_key: str = ""

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self.account.own()

    @property
    def cluster_arn(self) -> str:
        return self.account.arn("eks", f"cluster/{self.cluster}")

    @property
    def queue_arn(self) -> str:
        """Of the queue of S3's events."""
        return self.account.arn("sqs", self.account.own(QUEUE))

    @property
    def dead_letters_arn(self) -> str:
        """Of the queue of what can never be a task."""
        return self.account.arn("sqs", self.account.own(DEAD_LETTERS))

    def bucket(self, logical: str) -> str:
        """ARN of a bucket of the functions, by its logical name. Raises KeyError."""
        return self.account.bucket_arn(self.buckets[logical])

    @property
    def function_buckets(self) -> list[str]:
        """ARNs of the functions' buckets, in order of logical names."""
        return [self.bucket(logical) for logical in sorted(self.buckets)]

    @property
    def platform(self) -> str:
        """ARN of the platform's own bucket."""
        return self.account.bucket_arn(self.platform_bucket)
