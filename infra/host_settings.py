"""What a person configures of hosts on premises: which playbooks are played on which, with what."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, JsonValue

from headrace.catalog.document import Route
from headrace.model.function import EnvironmentName
from headrace.model.metadata import Name
from headrace.model.value import ConsistentValue, Value
from headrace.plays.play import MANIFEST_FOLDERS
from infra.ranges import Range

PlaybookName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9./][A-Za-z0-9_./-]*$", description="a name of the collection's, or a file's path"
    ),
]


FileName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=100, description="a file's name, without a folder")
]


class HostPower(Value):
    """How the scaler reaches hosts that it switches: pools with driver `power`."""

    networks: tuple[Range, ...] = Field(
        min_length=1, description="address ranges of hosts and BMCs, where the scaler may connect to"
    )
    files: Mapping[FileName, str] = Field(
        default_factory=dict,
        repr=False,
        description="files that lie beside the inventory in its pod, by name: ssh keys, passwords of BMCs; "
        "set with `pulumi config set --secret --path`",
    )


class HostSettings(ConsistentValue):
    """Hosts that Ansible sets up. Paths are relative to the project's folder."""

    inventory: str = Field(min_length=1, description="path of Ansible's inventory, a file or a folder")
    playbooks: tuple[PlaybookName, ...] = Field(
        min_length=1,
        description="played one after the other: names of the collection `headrace.hosts`, like `rcuda`, "
        "names of another's in full, or paths that end in .yml",
        examples=[["site"]],
    )
    limit: str = Field(default="", description="a pattern of hosts, as `--limit` has it; empty: all")
    variables: Mapping[EnvironmentName, JsonValue] = Field(
        default_factory=dict, description="variables of any type, which go before those of the inventory"
    )
    secret_variables: Mapping[EnvironmentName, JsonValue] = Field(
        default_factory=dict,
        repr=False,
        description="likewise secret ones; set with `pulumi config set --secret --path`",
    )
    gpu_servers: tuple[Name, ...] = Field(
        default=(),
        description="names of GpuServer objects that the playbooks write, to be declared on the cluster: "
        "Pulumi has to know which there are before it plays",
    )
    vault_password_file: str = Field(default="", description="path of the file with Ansible Vault's password")
    collections: str = Field(
        default="",
        description="path of a folder that `ansible-galaxy collection install -p` filled; "
        "empty: headrace.hosts of this checkout is all there is",
    )
    power: HostPower | None = Field(
        default=None, description="how the scaler switches them; none: it switches no hosts"
    )
    triggers: tuple[str, ...] = Field(
        default=(), description="texts of any meaning; the playbooks run again when one changes"
    )
    timeout_seconds: int = Field(
        default=3600, ge=10, le=86400, description="how long one playbook may take before it is ended"
    )

    @property
    def secret_parts(self) -> tuple[Route, ...]:
        """The routes to all that must not be read by others."""
        files = self.power.files if self.power else ()
        return (
            *(("secretVariables", name) for name in self.secret_variables),
            *(("power", "files", name) for name in files),
        )

    def _faults(self) -> Iterator[str]:
        for name in sorted(self.variables.keys() & self.secret_variables.keys()):
            yield f"found {name} in variables and in secretVariables, allowed in one; take one out"
        for name in MANIFEST_FOLDERS:
            if name in self.variables:
                yield f"found variables.{name}, which `pulumi up` sets itself, allowed others; take it out"
        for what, names in (("playbooks", self.playbooks), ("gpuServers", self.gpu_servers)):
            for name in sorted({each for each in names if names.count(each) > 1}):
                yield f"found {name!r} twice in {what}, allowed once; take one out"
