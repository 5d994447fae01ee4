"""The queue: one NATS server with TLS, its users and its volume."""

from dataclasses import dataclass

import pulumi

from infra import names
from infra.components.cluster.credentials import Credentials
from infra.documents import Made
from infra.logins import queue_users
from infra.manifests import nats, network
from infra.manifests.parts import claim, config_map, disruption_budget, secret, service, stateful_set
from infra.marks import marked
from infra.objects import Ground, declare
from infra.settings import StackSettings

PASSWORDS, CERTIFICATE = "nats-passwords", "nats-tls"


@dataclass(frozen=True, slots=True)
class QueueArgs:
    """The stack, its credentials, and where it is declared."""

    stack: StackSettings
    credentials: Credentials
    ground: Ground


class Queue(pulumi.ComponentResource):
    """A NATS server that keeps its streams on a volume."""

    def __init__(self, name: str, args: QueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Queue", name, None, opts)
        self._stack, self._credentials = args.stack, args.credentials
        self._space = args.stack.namespace
        ground = args.ground.under(self, *args.ground.after)
        mark = self._create_configuration(ground)
        self._create_openings(ground)
        self._create_server(ground, mark)
        self.register_outputs({})

    def _create_configuration(self, ground: Ground) -> pulumi.Output[str]:
        """What the server reads at start; the result changes with it."""
        pair = self._credentials.queue_certificate
        passwords = self._credentials.made.apply(_variables)
        keys = pulumi.Output.all(**{"tls.crt": pair.certificate, "tls.key": pair.key})
        stack = self._stack
        text = nats.configuration(
            storage=stack.queue.disk.storage, tenants=sorted(stack.tenants), own=queue_users(stack)
        )
        declare(ground, config_map(names.NATS, self._space, names.QUEUE, {nats.FILE: text}))
        declare(ground, secret(PASSWORDS, self._space, names.QUEUE, passwords))
        hidden: pulumi.Output[dict[str, str]] = pulumi.Output.secret(keys)
        declare(ground, secret(CERTIFICATE, self._space, names.QUEUE, hidden, kind="kubernetes.io/tls"))
        everything = pulumi.Output.all(passwords, keys).apply(
            lambda known: {**known[0], **known[1], nats.FILE: text}
        )
        return marked(self._credentials.salt, everything)

    def _create_openings(self, ground: Ground) -> None:
        stack = self._stack
        clients = [network.pods(each) for each in stack.services]
        workers = [network.pods(names.WORKER, each) for each in stack.function_namespaces]
        opening = network.incoming([*clients, *workers], [nats.PORT])
        declare(ground, network.openings(names.QUEUE, self._space, ingress=[opening]))
        declare(ground, disruption_budget(names.NATS, self._space, names.QUEUE))

    def _create_server(self, ground: Ground, mark: pulumi.Output[str]) -> None:
        stack, disk = self._stack, self._stack.queue.disk
        kind = disk.storage_class or stack.storage_class
        volume = claim(names.NATS, self._space, names.QUEUE, storage=disk.storage, storage_class=kind)
        # A volume of another class would be a new, empty one: that is a move of data, not an update.
        declare(ground, volume, ignore_changes=["spec.storageClassName"], holds_data=True)
        pod = nats.pod(
            stack.images.nats,
            secret=PASSWORDS,
            certificate=CERTIFICATE,
            static_pools=stack.static_pools,
            pull=stack.image_pull_secrets,
        )
        server = stateful_set(names.NATS, self._space, names.QUEUE, mark=mark, pod=pod)
        declare(ground, server, holds_data=True)
        declare(ground, service(names.NATS, self._space, names.QUEUE, ports={"nats": nats.PORT}))


def _variables(made: Made) -> dict[str, str]:
    return {nats.password_variable(user): password for user, password in made.queue_passwords.items()}
