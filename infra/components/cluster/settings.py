"""The settings documents, one secret a reader, and the marks by which pods notice that theirs changed."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from headrace.model.labels import AUTHORITY_KEY, SETTINGS_KEY
from infra import names
from infra.components.cluster.credentials import Credentials
from infra.documents import Made, Queues, document, password_of
from infra.host_files import NO_FILES, HostFiles
from infra.logins import readers
from infra.manifests.parts import secret
from infra.marks import marked
from infra.objects import Ground, declare
from infra.service_settings import Api
from infra.settings import StackSettings

# Secrets for whoever gives people what they log in by.
API_USERS = "api-users"  # a password a user
STATUS_LOGIN = "status-login"  # the token of those who may act


@dataclass(frozen=True, slots=True)
class DocumentsArgs:
    """The stack, its credentials, where it is declared, and what the scaler reaches hosts by."""

    stack: StackSettings
    credentials: Credentials
    ground: Ground
    hosts: HostFiles = NO_FILES
    queues: pulumi.Output[Queues] | None = None  # of S3's events, on AWS


class Documents(pulumi.ComponentResource):
    """A secret for each service, for each tenant's workers and for the operator's command line."""

    marks: Mapping[str, pulumi.Output[str]]  # by reader

    def __init__(self, name: str, args: DocumentsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Documents", name, None, opts)
        self.marks = {reader: self._create(reader, args) for reader in readers(args.stack)}
        for tenant in sorted(args.stack.tenants):
            self._create(names.WORKER, args, tenant)
        if args.stack.api is not None:
            self._create_passwords(args.stack.api, args)
        if args.stack.status is not None:
            token = args.credentials.made.apply(lambda made: {"token": made.status_token})
            self._create_login(STATUS_LOGIN, names.STATUS, token, args)
        self.register_outputs({})

    def _create(self, reader: str, args: DocumentsArgs, tenant: str = "") -> pulumi.Output[str]:
        stack = args.stack
        known = pulumi.Output.all(made=args.credentials.made, queues=args.queues)
        contents = known.apply(lambda found: _contents(reader, args, found["made"], found["queues"], tenant))
        # Workers read theirs in the namespace where they run.
        space = (tenant or stack.functions_namespace) if reader == names.WORKER else stack.namespace
        found = secret(names.own(reader), space, reader, contents)
        declare(args.ground.under(self, *args.ground.after), found)
        return marked(args.credentials.salt, contents)

    def _create_passwords(self, api: Api, args: DocumentsArgs) -> None:
        """For whoever gives them to the API's users."""
        found = args.credentials.made.apply(
            lambda made: {name: password_of(name, each, made) for name, each in api.users.items()}
        )
        self._create_login(API_USERS, names.API, found, args)

    def _create_login(
        self, name: str, component: str, contents: pulumi.Output[dict[str, str]], args: DocumentsArgs
    ) -> None:
        manifest = secret(names.own(name), args.stack.namespace, component, contents)
        declare(args.ground.under(self, *args.ground.after), manifest)


def _contents(
    reader: str, args: DocumentsArgs, made: Made, queues: Queues | None, tenant: str
) -> dict[str, str]:
    found = document(reader, args.stack, made, args.hosts.settings, queues=queues, tenant=tenant)
    settings = found.to_json().decode()
    keys = args.hosts.keys if reader == names.SCALER else {}
    files = {key: args.hosts.files[place] for place, key in keys.items()}
    return {SETTINGS_KEY: settings, AUTHORITY_KEY: made.authority, **files}
