"""The settings documents, one secret a reader, and the marks by which pods notice that theirs changed."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from headrace.model.labels import AUTHORITY_KEY, SETTINGS_KEY
from infra import names
from infra.components.cluster.credentials import Credentials
from infra.documents import READERS, Made, document
from infra.manifests.parts import metadata
from infra.marks import marked
from infra.objects import Ground, declare
from infra.settings import StackSettings


@dataclass(frozen=True, slots=True)
class DocumentsArgs:
    """The stack, its credentials, and where it is declared."""

    stack: StackSettings
    credentials: Credentials
    ground: Ground


class Documents(pulumi.ComponentResource):
    """A secret for each service, for workers and for the operator's command line."""

    marks: Mapping[str, pulumi.Output[str]]  # by reader

    def __init__(self, name: str, args: DocumentsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Documents", name, None, opts)
        self.marks = {reader: self._create(reader, args) for reader in READERS}
        self.register_outputs({})

    def _create(self, reader: str, args: DocumentsArgs) -> pulumi.Output[str]:
        stack = args.stack
        contents = args.credentials.made.apply(lambda made: _contents(reader, stack, made))
        # Workers read theirs in the namespace where they run.
        space = stack.functions_namespace if reader == names.WORKER else stack.namespace
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(names.own(reader), space, reader),
            "type": "Opaque",
            "stringData": contents,
        }
        declare(args.ground.under(self, *args.ground.after), secret)
        return marked(args.credentials.salt, contents)


def _contents(reader: str, stack: StackSettings, made: Made) -> dict[str, str]:
    return {SETTINGS_KEY: document(reader, stack, made).to_json().decode(), AUTHORITY_KEY: made.authority}
