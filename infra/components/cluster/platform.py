"""The platform as a whole: what depends on what, in order of creation; destroyed in the reverse one."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps

from headrace.model.labels import API_VERSION
from infra import names
from infra.components.cluster.credentials import Credentials, CredentialsArgs
from infra.components.cluster.gpus import Gpus, GpusArgs
from infra.components.cluster.ground import BaseArgs, Definitions, Namespaces
from infra.components.cluster.hosts import Hosts
from infra.components.cluster.monitoring import Monitoring, MonitoringArgs
from infra.components.cluster.pools import Pools, PoolsArgs
from infra.components.cluster.queue import Queue, QueueArgs
from infra.components.cluster.service import AWAITED_LATER, Service, ServiceArgs
from infra.components.cluster.settings import Documents, DocumentsArgs
from infra.components.cluster.store import Store, StoreArgs
from infra.documents import Queues
from infra.host_files import NO_FILES
from infra.manifests.gpus import device_plugin_config
from infra.manifests.parts import metadata
from infra.objects import Ground, declare
from infra.settings import StackSettings

AWAITED = "headrace.dev/awaited"


@dataclass(frozen=True, slots=True)
class PlatformArgs:
    """The stack, the cluster where it is declared, and the hosts that are set up before.

    `queues`: addresses of the queues of S3's events, on AWS.
    """

    stack: StackSettings
    ground: Ground
    hosts: Hosts | None = None
    queues: pulumi.Output[Queues] | None = None


class Platform(pulumi.ComponentResource):
    """Everything of a stack but its functions."""

    credentials: Credentials

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Platform", name, None, opts)
        self._args = args
        self._stack, self._ground, self._hosts = args.stack, args.ground, args.hosts
        self._opts = pulumi.ResourceOptions(parent=self)
        # Hosts may be the cluster's own nodes, and all else comes after the namespaces and kinds.
        before = [*args.ground.after, *([args.hosts] if args.hosts else ())]
        base = BaseArgs(args.stack, args.ground.under(self, *before))
        spaces = Namespaces("namespaces", base, self._opts)
        kinds = Definitions("definitions", base, self._opts)
        self.credentials = Credentials("credentials", CredentialsArgs(args.stack), self._opts)
        # Namespaces and kinds are named, not referred to: that they come first has to be said.
        ground = args.ground.under(self, spaces, kinds)
        parts = self._create_parts(ground)
        self._create_bucket(spaces, kinds, parts)
        self.register_outputs({"namespace": args.stack.namespace})

    def _create_parts(self, ground: Ground) -> Sequence[pulumi.Resource]:
        """What serves; all of it is there before the platform's bucket, so none of it is gone before that."""
        stack, credentials = self._stack, self.credentials
        files = self._hosts.files if self._hosts else NO_FILES
        told = DocumentsArgs(stack, credentials, ground, files, self._args.queues)
        documents = Documents("settings", told, self._opts)
        servers: list[pulumi.Resource] = [
            Queue("queue", QueueArgs(stack, credentials, ground), self._opts),
            Pools("pools", PoolsArgs(stack.pools, ground), self._opts),
        ]
        if stack.device_plugin is not None:
            declare(ground, device_plugin_config(stack.pools, stack.device_plugin))
        if stack.remote_gpus is not None:
            set_up = self._hosts.gpu_servers if self._hosts else {}
            servers.append(Gpus("gpus", GpusArgs(stack, stack.remote_gpus, ground, set_up), self._opts))
        if stack.seaweedfs is not None:
            store = StoreArgs(stack, stack.seaweedfs, credentials, ground)
            servers.append(Store("store", store, self._opts))
        # A service reaches its servers by name; started before them it would only wait.
        after = self._ground.under(self, documents, *servers)
        services = [
            Service(each, ServiceArgs(stack, documents.marks[each], after, files), self._opts)
            for each in stack.services
        ]
        # Its kinds may be missing on the cluster: without it everything else is there nevertheless.
        Monitoring("monitoring", MonitoringArgs(stack, after), self._opts)
        return [documents, *servers, *services]

    def _create_bucket(
        self, spaces: pulumi.Resource, kinds: pulumi.Resource, parts: Sequence[pulumi.Resource]
    ) -> None:
        """Last to come and so first to go: while it may not be deleted, `destroy` leaves all as it is."""
        bucket = self._stack.platform_bucket
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "Bucket",
            "metadata": metadata(names.own("platform"), self._stack.namespace, "platform"),
            "spec": {"name": self._stack.platform_bucket_name, "onDelete": bucket.on_delete.value},
        }
        made = declare(self._ground.under(self, spaces, kinds, *parts), manifest, holds_data=True)
        if self._ground.wait:
            self._create_waiting(made)

    def _create_waiting(self, bucket: pulumi.Resource) -> None:
        """Wait for what needs the bucket. A patch that is deleted takes only its own mark away."""
        ground = self._ground.under(self, bucket)
        for name in (each for each in AWAITED_LATER if each in self._stack.services):
            apps.v1.DeploymentPatch(
                f"awaited/{name}",
                metadata={
                    "name": name,
                    "namespace": self._stack.namespace,
                    "annotations": {AWAITED: "true"},
                },
                opts=ground.options(),
            )
