"""One of Headrace's own services."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi

from headrace.model.quantity import parse_bytes
from infra import access, names
from infra.host_files import NO_FILES, HostFiles
from infra.manifests import nats, network, seaweedfs, services
from infra.manifests.parts import Manifest, disruption_budget, service
from infra.objects import Ground, declare
from infra.service_settings import Entered
from infra.settings import StackSettings
from infra.store_settings import Entrance

# They are ready once they have reached the platform's bucket, which comes last.
AWAITED_LATER = (names.RECEIVER, names.STATUS)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServiceArgs:
    """The stack, the mark of the service's settings, where it is declared, and what reaches hosts."""

    stack: StackSettings
    mark: pulumi.Output[str]
    ground: Ground
    hosts: HostFiles = NO_FILES


class Service(pulumi.ComponentResource):
    """Its pods, its account and rights, its openings in the network."""

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"headrace:cluster:{name.capitalize()}", name, None, opts)
        self._name, self._stack, self._hosts = name, args.stack, args.hosts
        ground = args.ground.under(self, *args.ground.after)
        granted = self._create_access(ground)
        self._create_openings(ground)
        # Without its rights a service would fail and be restarted: they are no data of the pod.
        self._create_pods(args.ground.under(self, *args.ground.after, *granted), args.mark)
        self.register_outputs({})

    def _create_access(self, ground: Ground) -> Sequence[pulumi.Resource]:
        stack = self._stack
        drivers = sorted({pool.driver for pool in stack.pools.values()})
        rules = access.of_service(self._name, drivers, remote_gpus=stack.remote_gpus is not None)
        account = declare(ground, services.account(self._name, stack.namespace))
        roles = services.roles(
            self._name, rules, platform=stack.namespace, functions=stack.function_namespaces
        )
        return [account, *(declare(ground, each) for each in roles)]

    def _create_openings(self, ground: Ground) -> None:
        space = self._stack.namespace
        policy = network.openings(self._name, space, ingress=self._ingress(), egress=self._egress())
        declare(ground, policy)
        declare(ground, disruption_budget(self._name, space, self._name))

    def _create_pods(self, ground: Ground, mark: pulumi.Output[str]) -> None:
        stack = self._stack
        workload = services.Workload(
            name=self._name,
            namespace=stack.namespace,
            image=stack.headrace_image,
            replicas=stack.services[self._name].replicas,
            mark=mark,
            static_pools=stack.static_pools,
            host_files=self._hosts.keys if self._name == names.SCALER else {},
            pull=stack.image_pull_secrets,
            spool_bytes=parse_bytes(stack.api.spool) if stack.api and self._name == names.API else 0,
        )
        later = self._name in AWAITED_LATER
        declare(ground, services.deployment(workload), awaited=not later)
        if (entrance := self._entrance) is not None:
            ports = {"http": services.PORTS[self._name]}
            found = service(self._name, stack.namespace, self._name, ports=ports, kind=entrance.service.value)
            declare(ground, found, awaited=not later)

    @property
    def _entrance(self) -> Entrance | None:
        """How it is reached, where it is more than what answers the kubelet."""
        found = self._stack.services[self._name]
        return found.entrance if isinstance(found, Entered) else None

    def _ingress(self) -> list[Manifest]:
        if (entrance := self._entrance) is None:
            return []
        tells = self._name == names.RECEIVER and self._stack.seaweedfs is not None
        store = [network.pods(names.STORE)] if tells else []
        peers = [*store, *network.at(entrance.clients)]
        return [network.incoming(peers, [services.PORTS[self._name]])] if peers else []

    def _egress(self) -> list[Manifest]:
        reach = self._stack.network
        return [
            network.names_servers(reach.dns),
            network.outgoing([network.pods(names.QUEUE)], [nats.PORT]),
            *self._to_store(),
            *self._to_hosts(),
            network.outgoing(network.at(reach.api_server), list(reach.api_server_ports)),
        ]

    def _to_hosts(self) -> list[Manifest]:
        power = self._stack.hosts.power if self._stack.hosts else None
        if power is None or self._name != names.SCALER:
            return []
        return [network.to_hosts(power.networks)]

    def _to_store(self) -> list[Manifest]:
        if self._stack.aws is not None:
            return network.to_aws()
        given = self._stack.given_store
        if given is None:
            return [network.outgoing([network.pods(names.STORE)], [seaweedfs.PORT])]
        parts = urlsplit(given.endpoint)
        return [network.outgoing(network.at(given.addresses), [parts.port or _PORTS[parts.scheme]])]
