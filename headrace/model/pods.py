"""What a function says of its pods, in Kubernetes' words: taints that they tolerate, claims to mount."""

from typing import Literal

from pydantic import Field

from headrace.model.metadata import Name
from headrace.model.value import Value


class Toleration(Value):
    """As in a pod's spec."""

    key: str | None = Field(default=None, description="the taint's key; none: all taints")
    operator: Literal["Exists", "Equal"] = Field(default="Equal", description="how `value` is compared")
    value: str | None = Field(default=None, description="the taint's value")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="the taint's effect; none: all effects"
    )


class Volume(Value):
    """An existing claim, mounted into the user's container."""

    name: Name = Field(description="the volume's name in the pod")
    claim: str = Field(min_length=1, description="name of a PersistentVolumeClaim")
    mount_path: str = Field(pattern=r"^/", description="where it is mounted")
    read_only: bool = Field(default=True, description="whether it is mounted read-only")
