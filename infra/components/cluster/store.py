"""The store that the stack runs: one SeaweedFS server, its users and its volume."""

from dataclasses import dataclass

import pulumi

from infra import names
from infra.components.cluster.credentials import Credentials
from infra.documents import Made
from infra.logins import store_identities
from infra.manifests import network, seaweedfs
from infra.manifests.parts import claim, disruption_budget, secret, service, stateful_set
from infra.manifests.services import RECEIVER_PORT
from infra.marks import marked
from infra.objects import Ground, declare
from infra.settings import StackSettings
from infra.store_settings import SeaweedStore


@dataclass(frozen=True, slots=True)
class StoreArgs:
    """The stack and its store, its credentials, and where it is declared."""

    stack: StackSettings
    store: SeaweedStore
    credentials: Credentials
    ground: Ground


class Store(pulumi.ComponentResource):
    """A SeaweedFS server that tells the receiver of every bucket but the platform's."""

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Store", name, None, opts)
        self._stack, self._store = args.stack, args.store
        self._space = args.stack.namespace
        ground = args.ground.under(self, *args.ground.after)
        mark = self._create_configuration(ground, args.credentials)
        self._create_openings(ground)
        self._create_server(ground, mark)
        self.register_outputs({})

    def _create_configuration(self, ground: Ground, credentials: Credentials) -> pulumi.Output[str]:
        """What the server reads at start; the result changes with it."""
        contents = credentials.made.apply(self._files)
        declare(ground, secret(names.SEAWEEDFS, self._space, names.STORE, contents))
        return marked(credentials.salt, contents)

    def _files(self, made: Made) -> dict[str, str]:
        return seaweedfs.files(
            made.store_keys,
            store_identities(self._stack),
            endpoint=f"http://{names.host(names.RECEIVER, self._space)}:{RECEIVER_PORT}/events",
            token=made.receiver_token,
            platform_bucket=self._stack.platform_bucket_name,
        )

    def _create_openings(self, ground: Ground) -> None:
        own = [network.pods(each) for each in self._stack.services]
        workers = [network.pods(names.WORKER, each) for each in self._stack.function_namespaces]
        others = network.at(self._store.entrance.clients)
        opening = network.incoming([*own, *workers, *others], [seaweedfs.PORT])
        egress = [
            network.outgoing([network.pods(names.RECEIVER)], [RECEIVER_PORT]),
            network.names_servers(self._stack.network.dns),
        ]
        policy = network.openings(names.STORE, self._space, ingress=[opening], egress=egress)
        declare(ground, policy)
        declare(ground, disruption_budget(names.SEAWEEDFS, self._space, names.STORE))

    def _create_server(self, ground: Ground, mark: pulumi.Output[str]) -> None:
        stack, disk = self._stack, self._store.disk
        volume = claim(
            names.SEAWEEDFS, self._space, names.STORE, storage=disk.storage, storage_class=disk.storage_class
        )
        # A volume of another class would be a new, empty one: that is a move of data, not an update.
        declare(ground, volume, ignore_changes=["spec.storageClassName"], holds_data=True)
        pod = seaweedfs.pod(
            stack.images.seaweedfs,
            secret=names.SEAWEEDFS,
            static_pools=stack.static_pools,
            pull=stack.image_pull_secrets,
        )
        server = stateful_set(names.SEAWEEDFS, self._space, names.STORE, mark=mark, pod=pod)
        declare(ground, server, holds_data=True)
        kind = self._store.entrance.service.value
        ports = {"s3": seaweedfs.PORT}
        declare(ground, service(names.SEAWEEDFS, self._space, names.STORE, ports=ports, kind=kind))
