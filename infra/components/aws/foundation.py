"""All that a platform has on AWS, in order of creation; destroyed in the reverse one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from headrace.model.pool import Driver
from infra import names
from infra.aws import rights
from infra.aws.estate import Estate
from infra.aws.policy import written
from infra.aws.services import Rights, rights_of
from infra.aws_ground import AwsGround
from infra.aws_settings import AwsSettings
from infra.components.aws.addons import BEFORE_NODES, ON_NODES, Addons, AddonsArgs, Part
from infra.components.aws.buckets import Buckets, BucketsArgs
from infra.components.aws.budget import Budget, BudgetArgs
from infra.components.aws.cluster import Cluster, ClusterArgs, log_group
from infra.components.aws.events import Events, EventsArgs
from infra.components.aws.identity import PodsArgs, RoleArgs, TrustedRole, associate
from infra.components.aws.keys import Keys, KeysArgs
from infra.components.aws.network import Network, NetworkArgs
from infra.components.aws.nodes import Nodes, NodesArgs
from infra.components.aws.registry import Registry, RegistryArgs
from infra.documents import Queues
from infra.settings import StackSettings


@dataclass(frozen=True, slots=True)
class FoundationArgs:
    """The stack, its part on AWS, and where it is declared."""

    stack: StackSettings
    settings: AwsSettings
    ground: AwsGround


class Foundation(pulumi.ComponentResource):
    """Network, keys, cluster, nodes, buckets, queue of events, images, rights of pods."""

    cluster: Cluster
    keys: Keys
    estate: Estate  # without keys
    queues: pulumi.Output[Queues]

    def __init__(self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:aws:Foundation", name, None, opts)
        self._stack, self._settings = args.stack, args.settings
        self._opts, self._ground = pulumi.ResourceOptions(parent=self), args.ground.under(self)
        self.estate = args.stack.estate_on(args.settings)
        self.keys = Keys("keys", KeysArgs(self.estate, log_group(self.estate), self._ground), self._opts)
        network = Network(
            "network", NetworkArgs(args.settings.network, self.estate, self._ground), self._opts
        )
        self.cluster = self._create_cluster(network)
        self._create_nodes(network)
        self.queues = self._create_store()
        self._create_rest()
        self._create_identities()
        self.register_outputs({"cluster": self.cluster.name})

    def _create_cluster(self, network: Network) -> Cluster:
        settings, key = self._settings.cluster, self.keys.cluster
        args = ClusterArgs(settings, self.estate, network.subnets, key, self._ground)
        return Cluster("control-plane", args, self._opts)

    def _create_nodes(self, network: Network) -> None:
        """Nodes come once they have a way out and what pods need; the rest of that runs on them."""
        before = self._create_addons("addons-before-nodes", BEFORE_NODES)
        pools = {name: pool for name, pool in self._stack.pools.items() if pool.driver is Driver.EKS}
        ground = self._ground.under(self, network, before)
        args = NodesArgs(self._settings, pools, self.cluster.name, self.estate, network.subnets, ground)
        nodes = Nodes("nodes", args, self._opts)
        self._create_addons("addons", ON_NODES, nodes)

    def _create_addons(self, name: str, parts: Sequence[Part], *after: pulumi.Resource) -> Addons:
        ground = self._ground.under(self, *after)
        return Addons(name, AddonsArgs(parts, self.cluster.name, self.estate, ground), self._opts)

    def _create_store(self) -> pulumi.Output[Queues]:
        emptied = self._stack.deletes_data
        Buckets("buckets", BucketsArgs(self.estate, self.keys.data, emptied, self._ground), self._opts)
        events = Events("events", EventsArgs(self.estate, self.keys.events, self._ground), self._opts)
        found = pulumi.Output.all(events.queue, events.dead_letters)
        return found.apply(lambda known: Queues(known[0], known[1]))

    def _create_rest(self) -> None:
        settings, account = self._settings, self._settings.place
        args = RegistryArgs(
            account, settings.repositories, settings.kept_images, self.keys.cluster, self._ground
        )
        Registry("images", args, self._opts)
        if settings.budget is not None:
            Budget("budget", BudgetArgs(settings.budget, account, self._ground), self._opts)

    def _create_identities(self) -> None:
        """What the platform's own pods may do; functions' pods are the functions' stack's matter."""
        stack = self._stack
        for service, of in rights_of(self.estate, stack.services, deletes=stack.deletes_data).items():
            self._create_identity(service, of)

    def _create_identity(self, service: str, of: Rights) -> None:
        space, account = self._stack.namespace, names.own(service)
        args = RoleArgs(
            name=self._settings.place.role_name(service),
            trust=written(rights.trusted_by_pods(self.estate, namespace=space, service_account=account)),
            told=f"Headrace's {service}",
            ground=self._ground,
            own=self.with_keys().apply(lambda estate: written(of(estate))),
        )
        role = TrustedRole(f"role-{service}", args, self._opts)
        associate(f"pods-{service}", PodsArgs(self.cluster.name, space, account, role.arn, self._ground))

    def with_keys(self) -> pulumi.Output[Estate]:
        """The estate with its keys, once they are there."""
        keys = pulumi.Output.all(self.keys.data, self.keys.events)
        return keys.apply(lambda known: replace(self.estate, data_key=known[0], events_key=known[1]))
