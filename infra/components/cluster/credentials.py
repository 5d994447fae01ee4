"""Every secret of the platform that is made, and none that is given."""

from dataclasses import dataclass

import pulumi

from infra import names
from infra.credentials.resources import Authority, Certificate, Password
from infra.documents import Made
from infra.manifests import nats, seaweedfs
from infra.settings import StackSettings

SALT = "salt"
TOKEN = "receiver"  # noqa: S105  (what the token is for)


@dataclass(frozen=True, slots=True)
class CredentialsArgs:
    """The stack: its names and its rotation."""

    stack: StackSettings


class Credentials(pulumi.ComponentResource):
    """Passwords by user, the receiver's token, the authority and the queue's certificate."""

    made: pulumi.Output[Made]  # secret
    authority: Authority
    queue_certificate: Certificate
    salt: pulumi.Output[str]  # secret; keys the marks by which pods notice changed settings

    def __init__(self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Credentials", name, None, opts)
        rotation = args.stack.rotation
        self.authority = Authority(f"{name}-authority", rotation=rotation.authority, parent=self)
        self.queue_certificate = Certificate(
            f"{name}-queue",
            _server_names(names.NATS, args.stack.namespace),
            authority=self.authority,
            rotation=rotation.certificates,
            parent=self,
        )
        tenants, bucket = args.stack.declared_tenants, args.stack.platform_bucket_name
        users = nats.users([each.name for each in tenants])
        queue = {user: self._password(f"queue-{user}", rotation.passwords) for user in users}
        known = seaweedfs.identities(tenants, platform_bucket=bucket)
        store = {user: self._password(f"store-{user}", rotation.passwords) for user in known}
        self.salt = self._password(SALT, rotation.passwords)
        self.made = pulumi.Output.secret(
            pulumi.Output.all(
                queue=pulumi.Output.all(**queue),
                store=pulumi.Output.all(**store),
                token=self._password(TOKEN, rotation.passwords),
                authority=self.authority.certificate,
            ).apply(_made)
        )
        self.register_outputs({"authority": self.authority.certificate})

    def _password(self, what: str, rotation: int) -> pulumi.Output[str]:
        return Password(f"credentials-{what}", rotation=rotation, parent=self).value


def _made(found: dict[str, object]) -> Made:
    queue, store = found["queue"], found["store"]
    if not (isinstance(queue, dict) and isinstance(store, dict)):
        raise TypeError("passwords come by user; this is a fault of infra/")
    return Made(queue, store, str(found["token"]), str(found["authority"]))


def _server_names(service: str, namespace: str) -> list[str]:
    host = names.host(service, namespace)
    return [host, f"{host}.cluster.local", f"{service}.{namespace}", service]
