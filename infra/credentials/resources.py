"""Passwords, authorities and certificates as resources of a stack; their secrets are secret outputs."""

from collections.abc import Sequence

import pulumi
from pulumi import dynamic

from infra.credentials.providing import AuthorityMaker, CertificateMaker, PasswordMaker

PASSWORD_LENGTH = 40  # 238 bits


class Password(dynamic.Resource, module="headrace", name="Password"):
    """A random text of letters and digits."""

    value: pulumi.Output[str]  # secret

    def __init__(self, name: str, *, rotation: int, parent: pulumi.Resource) -> None:
        inputs = {"length": PASSWORD_LENGTH, "rotation": rotation, **dict.fromkeys(PasswordMaker.outputs)}
        super().__init__(PasswordMaker(), name, inputs, _options(parent, ["value"]))


class Authority(dynamic.Resource, module="headrace", name="Authority"):
    """What signs servers' certificates."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]  # secret
    ends: pulumi.Output[str]

    def __init__(self, name: str, *, rotation: int, parent: pulumi.Resource) -> None:
        inputs = {"name": name, "rotation": rotation, **dict.fromkeys(AuthorityMaker.outputs)}
        super().__init__(AuthorityMaker(), name, inputs, _options(parent, ["key"]))


class Certificate(dynamic.Resource, module="headrace", name="Certificate"):
    """A server's certificate for some names; made anew when its authority is."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]  # secret
    ends: pulumi.Output[str]

    def __init__(
        self, name: str, names: Sequence[str], *, authority: Authority, rotation: int, parent: pulumi.Resource
    ) -> None:
        inputs = {
            "names": list(names),
            "authority": authority.certificate,
            "authority_key": authority.key,
            "rotation": rotation,
            **dict.fromkeys(CertificateMaker.outputs),
        }
        super().__init__(CertificateMaker(), name, inputs, _options(parent, ["key", "authority_key"]))


def _options(parent: pulumi.Resource, secret: list[str]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent, additional_secret_outputs=secret)
