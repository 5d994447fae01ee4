"""The keys by which everything that lies still is encrypted; each is renewed every year."""

from dataclasses import dataclass

import pulumi
from pulumi_aws.kms import Alias, Key

from infra.aws import owned
from infra.aws.estate import Estate
from infra.aws.policy import Document, written
from infra.aws_ground import AwsGround

DATA, EVENTS, CLUSTER = "data", "events", "cluster"
WAITING_DAYS = 30  # between the order to delete a key and its end, the longest that AWS has


@dataclass(frozen=True, slots=True)
class KeysArgs:
    """The estate, the name of the control plane's logs, and where the keys are declared."""

    estate: Estate
    log_group: str
    ground: AwsGround


class Keys(pulumi.ComponentResource):
    """ARNs: of objects, of the queues of events, of the cluster's secrets, logs and images."""

    data: pulumi.Output[str]
    events: pulumi.Output[str]
    cluster: pulumi.Output[str]

    def __init__(self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Keys", name, None, opts)
        self._args, self._ground = args, args.ground.under(self)
        estate = args.estate
        self.data = self._create(DATA, "objects", owned.key(estate))
        self.events = self._create(EVENTS, "queues of events", owned.events_key(estate))
        cluster = owned.cluster_key(estate, args.log_group)
        self.cluster = self._create(CLUSTER, "the cluster's secrets, its logs, images", cluster)
        self.register_outputs({"data": self.data})

    def _create(self, what: str, told: str, policy: Document) -> pulumi.Output[str]:
        name = self._args.estate.account.own(what)
        key = Key(
            f"key-{what}",
            description=f"{name}: {told}",
            enable_key_rotation=True,
            deletion_window_in_days=WAITING_DAYS,
            policy=written(policy),
            tags={"Name": name},
            opts=self._ground.keeping(),
        )
        Alias(f"key-{what}", name=f"alias/{name}", target_key_id=key.id, opts=self._ground.keeping())
        return key.arn
