"""What one run of a playbook is given: a value that the process which plays it reads."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, JsonValue

import infra
from headrace.model.value import Value

COLLECTION = "headrace.hosts"
# Roles write GpuServer objects to such a folder on the machine that plays.
MANIFEST_FOLDERS = ("rcuda_server_manifest_folder", "lupine_server_manifest_folder")
SUFFIXES = (".yml", ".yaml")
OWN_COLLECTION = Path(infra.__file__).resolve().parents[1] / "ansible"  # of the checkout

Variables = Mapping[str, JsonValue]


class Play(Value):
    """One run. Paths are absolute."""

    title: str  # the playbook as a person wrote it
    playbook: str  # a path, or a name with its collection's before it
    inventory: str | Variables
    limit: str = ""
    variables: Variables = Field(default_factory=dict)
    secrets: Variables = Field(default_factory=dict, repr=False)
    vault_password_file: str = ""
    collection: str = ""  # the folder of headrace.hosts itself; empty: it is among `collections`
    collections: str = ""  # a folder with ansible_collections/ in it
    timeout_seconds: int = 3600


def collection_in(collections: Path | None) -> Path:
    """Where the collection is: in a folder of installed ones, or in the checkout."""
    if collections is None:
        return OWN_COLLECTION
    return collections.joinpath("ansible_collections", *COLLECTION.split("."))


def is_path(playbook: str) -> bool:
    """Whether a playbook is named by its file, not by its name in the collection."""
    return playbook.endswith(SUFFIXES)


def full_name(playbook: str) -> str:
    """The name by which Ansible finds a collection's playbook."""
    return playbook if "." in playbook else f"{COLLECTION}.{playbook}"
