"""Hosts on premises: playbooks one after the other, and the GPU servers that they leave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from infra.host_files import HostFiles, host_files, text_of
from infra.host_settings import HostSettings
from infra.playbooks.resources import Playbook, PlaybookArgs, PlaybookOutcome

Specs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HostsArgs:
    """What is played where; `folder`: the project's, `read_secret`: reads files that are secret."""

    hosts: HostSettings
    folder: Path
    read_secret: Callable[[Path], str] = text_of


class Hosts(pulumi.ComponentResource):
    """Set up, once this is there. `gpu_servers`: specs of GpuServer objects by name."""

    gpu_servers: Mapping[str, pulumi.Output[Specs]]
    files: HostFiles  # what the scaler reaches them by

    def __init__(self, name: str, args: HostsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headrace:cluster:Hosts", name, None, opts)
        self.files = host_files(args.hosts, args.folder, args.read_secret)
        self.gpu_servers = self._create_servers(args.hosts.gpu_servers, self._create_playbooks(args))
        self.register_outputs({})

    def _create_playbooks(self, args: HostsArgs) -> list[Playbook]:
        played: list[Playbook] = []
        for name in args.hosts.playbooks:
            # The same hosts may be in both: one playbook at a time.
            opts = pulumi.ResourceOptions(parent=self, depends_on=list(played[-1:]))
            played.append(Playbook(f"hosts-{name}", _playbook(name, args), opts))
        return played

    def _create_servers(
        self, wanted: Sequence[str], played: Sequence[Playbook]
    ) -> Mapping[str, pulumi.Output[Specs]]:
        if not wanted:
            return {}
        written = pulumi.Output.all(*(each.manifests for each in played)).apply(_merged)
        outcome = PlaybookOutcome(
            "hosts-gpu-servers",
            fault="",
            manifests=written,
            wanted=wanted,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return {name: _spec(outcome, name) for name in wanted}


def _playbook(name: str, args: HostsArgs) -> PlaybookArgs:
    hosts = args.hosts
    return PlaybookArgs(
        playbook=name,
        inventory=hosts.inventory,
        folder=args.folder,
        limit=hosts.limit,
        variables=hosts.variables,
        secret_variables=hosts.secret_variables,
        vault_password_file=hosts.vault_password_file,
        collections=hosts.collections,
        triggers=hosts.triggers,
        timeout_seconds=hosts.timeout_seconds,
    )


def _merged(written: Sequence[Specs]) -> Specs:
    return {name: spec for each in written for name, spec in each.items()}


def _spec(outcome: PlaybookOutcome, name: str) -> pulumi.Output[Specs]:
    return outcome.manifests.apply(lambda manifests: manifests[name])
