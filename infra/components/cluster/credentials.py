"""Every secret of the platform that is made, and none that is given."""

from dataclasses import dataclass

import pulumi

from infra import names
from infra.credentials.resources import Authority, Certificate, Password
from infra.documents import Made
from infra.logins import queue_users, store_identities
from infra.manifests import nats
from infra.settings import StackSettings

SALT = "salt"
TOKEN = "receiver"  # noqa: S105  (what the token is for)
TOKEN_KEY = ".tokens"  # noqa: S105  (no user of the API can be called so)


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
        users = nats.users(sorted(args.stack.tenants), queue_users(args.stack))
        queue = {user: self._password(f"queue-{user}", rotation.passwords) for user in users}
        known = store_identities(args.stack)
        store = {user: self._password(f"store-{user}", rotation.passwords) for user in known}
        self.salt = self._password(SALT, rotation.passwords)
        self.made = pulumi.Output.secret(
            pulumi.Output.all(
                queue=pulumi.Output.all(**queue),
                store=pulumi.Output.all(**store),
                token=self._password(TOKEN, rotation.passwords),
                authority=self.authority.certificate,
                api=self._of_api(args.stack),
                status=self._of_status(args.stack),
            ).apply(_made)
        )
        self.register_outputs({"authority": self.authority.certificate})

    def _of_api(self, stack: StackSettings) -> pulumi.Output[dict[str, str]]:
        """Passwords of its users that none was given, and the key of its tokens under no user's name."""
        if stack.api is None:
            return pulumi.Output.from_input({})
        users = sorted(name for name, each in stack.api.users.items() if each.password is None)
        passwords = {user: self._password(f"api-user-{user}", stack.rotation.passwords) for user in users}
        return pulumi.Output.all(
            **passwords, **{TOKEN_KEY: self._password("api-tokens", stack.rotation.passwords)}
        )

    def _of_status(self, stack: StackSettings) -> pulumi.Output[str]:
        """The token of people who act by the status page."""
        if stack.status is None:
            return pulumi.Output.from_input("")
        return self._password("status", stack.rotation.passwords)

    def _password(self, what: str, rotation: int) -> pulumi.Output[str]:
        return Password(f"credentials-{what}", rotation=rotation, parent=self).value


def _made(found: dict[str, object]) -> Made:
    queue, store, api = found["queue"], found["store"], found["api"]
    if not (isinstance(queue, dict) and isinstance(store, dict) and isinstance(api, dict)):
        raise TypeError("passwords come by user; this is a fault of infra/")
    passwords = {user: password for user, password in api.items() if user != TOKEN_KEY}
    return Made(
        queue_passwords=queue,
        store_keys=store,
        receiver_token=str(found["token"]),
        authority=str(found["authority"]),
        api_passwords=passwords,
        api_token_key=api.get(TOKEN_KEY, ""),
        status_token=str(found["status"]),
    )


def _server_names(service: str, namespace: str) -> list[str]:
    host = names.host(service, namespace)
    return [host, f"{host}.cluster.local", f"{service}.{namespace}", service]
