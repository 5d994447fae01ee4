"""From an uploaded object to the receiver: EventBridge's rules, and the queue that they feed."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws.cloudwatch import EventRule, EventTarget
from pulumi_aws.sqs import Queue, QueuePolicy, RedriveAllowPolicy

from infra.aws import event_rules, owned
from infra.aws.estate import DEAD_LETTERS, QUEUE, Estate
from infra.aws.policy import written
from infra.aws_ground import AwsGround

DAY = 24 * 3600
KEPT_SECONDS = 14 * DAY  # the longest that SQS keeps a message
HIDDEN_SECONDS = 60  # the receiver asks for its own time with each message
POLL_SECONDS = 20  # the longest
# The most that SQS allows. The receiver itself moves what is no event: what SQS counts are servers that were
# away, and a low limit would bury good messages in an outage.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
MOST_RECEIVES = 1000
DELIVERY_SECONDS, DELIVERY_TRIES = DAY, 185  # EventBridge's own defaults, and its most
KEY_SECONDS = 300  # SQS asks KMS so often


@dataclass(frozen=True, slots=True)
class EventsArgs:
    """The estate with the functions' buckets, the queues' key, and where they are declared."""

    estate: Estate
    key: pulumi.Output[str]
    ground: AwsGround


class Events(pulumi.ComponentResource):
    """`queue` and `dead_letters`: addresses of the queues."""

    queue: pulumi.Output[str]
    dead_letters: pulumi.Output[str]

    def __init__(self, name: str, args: EventsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Events", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        dead = self._create_queue(DEAD_LETTERS)
        redrive = dead.arn.apply(
            lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
        )
        queue = self._create_queue(QUEUE, redrive)
        RedriveAllowPolicy(
            DEAD_LETTERS,
            queue_url=dead.url,
            redrive_allow_policy=queue.arn.apply(_only_from),
            opts=self._ground.keeping(),
        )
        for rule, pattern in event_rules.patterns(args.estate).items():
            self._create_rule(rule, pattern, queue, dead)
        self.queue, self.dead_letters = queue.url, dead.url
        self.register_outputs({"queue": self.queue})

    def _create_queue(self, what: str, redrive: pulumi.Output[str] | None = None) -> Queue:
        estate = self._args.estate
        queue = Queue(
            what,
            name=estate.account.own(what),
            kms_master_key_id=self._args.key,
            kms_data_key_reuse_period_seconds=KEY_SECONDS,
            message_retention_seconds=KEPT_SECONDS,
            receive_wait_time_seconds=POLL_SECONDS,
            visibility_timeout_seconds=HIDDEN_SECONDS,
            redrive_policy=redrive,
            opts=self._ground.keeping(),
        )
        policy = queue.arn.apply(lambda arn: written(owned.queue(estate, arn)))
        QueuePolicy(what, queue_url=queue.url, policy=policy, opts=self._ground.keeping())
        return queue

    def _create_rule(self, name: str, pattern: str, queue: Queue, dead: Queue) -> None:
        """Exactly the functions' buckets: no key of the platform's own ever starts a task."""
        rule = EventRule(
            name,
            name=self._args.estate.account.own(name),
            description="objects that were put into the functions' buckets",
            event_pattern=pattern,
            opts=self._ground.options(),
        )
        EventTarget(
            name,
            rule=rule.name,
            target_id=QUEUE,
            arn=queue.arn,
            dead_letter_config={"arn": dead.arn},
            retry_policy={
                "maximum_event_age_in_seconds": DELIVERY_SECONDS,
                "maximum_retry_attempts": DELIVERY_TRIES,
            },
            opts=self._ground.options(),
        )


def _only_from(arn: str) -> str:
    return json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn]})
