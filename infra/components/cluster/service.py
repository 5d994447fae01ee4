"""One of Headrace's own services: receiver, scaler or controller."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi

from infra import access, names
from infra.host_files import NO_FILES, HostFiles
from infra.manifests import nats, network, seaweedfs, services
from infra.manifests.parts import Manifest, disruption_budget, service
from infra.objects import Ground, declare
from infra.settings import StackSettings

# The receiver is ready once the store has been tried in the platform's bucket, which comes last.
AWAITED_LATER = (names.RECEIVER,)
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
            replicas=self._replicas(),
            mark=mark,
            static_pools=stack.static_pools,
            host_files=self._hosts.keys if self._name == names.SCALER else {},
            pull=stack.image_pull_secrets,
        )
        later = self._name in AWAITED_LATER
        declare(ground, services.deployment(workload), awaited=not later)
        if self._name == names.RECEIVER:
            kind = stack.receiver.entrance.service.value
            ports = {"http": services.RECEIVER_PORT}
            entrance = service(self._name, stack.namespace, self._name, ports=ports, kind=kind)
            declare(ground, entrance, awaited=not later)

    def _replicas(self) -> int:
        stack = self._stack
        found = {
            names.RECEIVER: stack.receiver,
            names.SCALER: stack.scaler,
            names.CONTROLLER: stack.controller,
        }
        return found[self._name].replicas

    def _ingress(self) -> list[Manifest]:
        if self._name != names.RECEIVER:
            return []
        store = [network.pods(names.STORE)] if self._stack.seaweedfs else []
        peers = [*store, *network.at(self._stack.receiver.entrance.clients)]
        return [network.incoming(peers, [services.RECEIVER_PORT])] if peers else []

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
