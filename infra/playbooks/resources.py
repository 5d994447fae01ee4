"""A playbook as a resource of a stack: it runs when what it reads has changed, and hands out what it wrote.

Two playbooks over the same hosts at once are up to `depends_on`: nothing here keeps them apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

from infra.playbooks import digests
from infra.playbooks.changes import FAULT
from infra.playbooks.finding import collection_in, is_path
from infra.playbooks.playing import ENDED, HOSTS, MANIFESTS
from infra.playbooks.providing import WANTED, Judge, Player

RUN, OUTCOME = "PlaybookRun", "PlaybookOutcome"


@dataclass(frozen=True, slots=True)
class PlaybookArgs:
    """What is played where. Paths are relative to `folder`, the project's.

    `playbook`: a name of the collection's, or a file's path. `inventory`: a path, or what would be there.
    `collections`: a folder with ansible_collections/ in it; none: the checkout's own collection. `triggers`:
    texts of any meaning; when one changes it runs again. `on_destroy`: played at the end; none: hosts stay as
    they are.
    Only values of `secret_variables` are kept out of messages.
    """

    playbook: str
    inventory: str | Mapping[str, Any]
    folder: Path
    limit: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    secret_variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    vault_password_file: str = ""
    collections: str = ""
    triggers: Sequence[str] = ()
    on_destroy: str = ""
    timeout_seconds: int = 3600


class PlaybookRun(dynamic.Resource, module="headrace", name=RUN):
    """The last run, one that failed too."""

    hosts: pulumi.Output[Mapping[str, Any]]
    manifests: pulumi.Output[Mapping[str, Any]]
    ended: pulumi.Output[str]
    fault: pulumi.Output[str]

    def __init__(self, name: str, args: PlaybookArgs, opts: pulumi.ResourceOptions) -> None:
        urn = pulumi.resource.create_urn(name, f"pulumi-python:dynamic/headrace:{RUN}", opts.parent)
        # A bare future: an output of the parent would make it wait for its own children.
        props = {**_inputs(args), "urn": urn.future(), HOSTS: None, MANIFESTS: None, ENDED: None, FAULT: None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=["secret_variables"])
        super().__init__(Player(), name, props, pulumi.ResourceOptions.merge(opts, secret))


class PlaybookOutcome(dynamic.Resource, module="headrace", name=OUTCOME):
    """Fails where a run did; whatever depends on it comes only after a run without a fault."""

    manifests: pulumi.Output[Mapping[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        fault: pulumi.Input[str],
        manifests: pulumi.Input[Mapping[str, Any]],
        wanted: Sequence[str] = (),
        opts: pulumi.ResourceOptions,
    ) -> None:
        props = {FAULT: fault, MANIFESTS: manifests, WANTED: list(wanted)}
        super().__init__(Judge(), name, props, opts)


class Playbook(pulumi.ComponentResource):
    """A playbook, and what came of it: hosts with their counts, specs of GpuServer objects by name."""

    hosts: pulumi.Output[Mapping[str, Any]]
    manifests: pulumi.Output[Mapping[str, Any]]
    ended: pulumi.Output[str]

    def __init__(self, name: str, args: PlaybookArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:playbooks:Playbook", name, None, opts)
        after = opts.depends_on if opts and opts.depends_on else []
        run = PlaybookRun(f"{name}-run", args, pulumi.ResourceOptions(parent=self, depends_on=after))
        outcome = PlaybookOutcome(
            f"{name}-outcome",
            fault=run.fault,
            manifests=run.manifests,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.hosts, self.manifests, self.ended = run.hosts, outcome.manifests, run.ended
        self.register_outputs({HOSTS: self.hosts, MANIFESTS: self.manifests, ENDED: self.ended})


def _inputs(args: PlaybookArgs) -> dict[str, Any]:
    playbook = digests.playbook(args.folder / args.playbook) if is_path(args.playbook) else {}
    collections = args.folder / Path(args.collections).expanduser() if args.collections else None
    return {
        "playbook": args.playbook,
        "playbook_files": playbook,
        "inventory": _inventory(args),
        "collection": digests.collection(collection_in(collections)),
        "collections": args.collections,
        "limit": args.limit,
        "variables": dict(args.variables),
        "secret_variables": pulumi.Output.secret(dict(args.secret_variables)),
        "triggers": list(args.triggers),
        "vault_password_file": args.vault_password_file,
        "on_destroy": args.on_destroy,
        "timeout_seconds": args.timeout_seconds,
        "folder": str(args.folder),
    }


def _inventory(args: PlaybookArgs) -> Mapping[str, Any]:
    if isinstance(args.inventory, str):
        return {"path": args.inventory, "files": digests.inventory(args.folder / args.inventory)}
    return {"inline": dict(args.inventory)}
