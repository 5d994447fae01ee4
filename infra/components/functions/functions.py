"""Functions with the buckets and secrets that they name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from headrace.model.labels import API_VERSION
from infra import names
from infra.components.functions.platform import PlatformOutputs
from infra.function_settings import FunctionBucket, FunctionSettings
from infra.manifests.parts import metadata, secret
from infra.objects import Ground, declare
from infra.rendering import Rendered


@dataclass(frozen=True, slots=True)
class FunctionsArgs:
    """The functions, what is configured of them, the platform, and where they are declared.

    `roles`: rights of their pods on AWS, which a pod gets at its start or not at all.
    """

    settings: FunctionSettings
    functions: Sequence[Rendered]
    platform: PlatformOutputs
    ground: Ground
    roles: Sequence[pulumi.Resource] = ()


class Functions(pulumi.ComponentResource):
    """Everything of a set of functions."""

    def __init__(self, name: str, args: FunctionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:functions:Functions", name, None, opts)
        self._args, self._space = args, args.platform.namespace
        ground = args.ground.under(self)
        needed = [*args.roles, *self._create_buckets(ground), *self._create_secrets(ground)]
        # A function names its buckets and secrets; without them its first pods would fail.
        after = args.ground.under(self, *needed)
        for each in args.functions:
            declare(after, self._function(each))
        self.register_outputs({"functions": [each.function.name for each in args.functions]})

    def _create_buckets(self, ground: Ground) -> Sequence[pulumi.Resource]:
        used = sorted({bucket for each in self._args.functions for bucket in each.buckets})
        return [declare(ground, self._bucket(logical)) for logical in used]

    def _create_secrets(self, ground: Ground) -> Sequence[pulumi.Resource]:
        return [
            declare(ground, secret(name, self._space, "function", pulumi.Output.secret(dict(entries))))
            for name, entries in sorted(self._args.settings.secrets.items())
        ]

    def _function(self, rendered: Rendered) -> dict[str, Any]:
        document = rendered.manifest
        own = document["metadata"]
        labels = {**own.get("labels", {}), **names.labels("function")}
        return {**document, "metadata": {**own, "namespace": self._space, "labels": labels}}

    def _bucket(self, logical: str) -> dict[str, Any]:
        bucket = self._args.settings.buckets.get(logical, FunctionBucket())
        real = self._args.platform.real_bucket(logical)
        spec: dict[str, Any] = {"name": real, "onDelete": bucket.on_delete.value}
        if bucket.notification_arn is not None:
            spec["notificationArn"] = bucket.notification_arn
        return {
            "apiVersion": API_VERSION,
            "kind": "Bucket",
            "metadata": metadata(logical, self._space, "bucket"),
            "spec": spec,
        }
