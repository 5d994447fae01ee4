"""What one run of a playbook is given: a value that the process which plays it reads."""

import sys
from collections.abc import Mapping

from pydantic import Field, JsonValue

from headrace.model.value import Value

COLLECTION = "headrace.hosts"
# Roles write GpuServer objects to such a folder on the machine that plays.
MANIFEST_FOLDERS = ("rcuda_server_manifest_folder", "lupine_server_manifest_folder")
# -P: the folder that a program runs in is not looked through for modules.
COMMAND = (sys.executable, "-P", "-m", "headrace.plays.running")

Variables = Mapping[str, JsonValue]


class Play(Value):
    """One run. Paths are absolute; `title` is the playbook as a person wrote it."""

    title: str
    playbook: str  # a path, or a name with its collection's before it
    inventory: str | Variables
    limit: str = ""
    forks: int = 0  # hosts at once; 0: as many as Ansible takes by itself
    variables: Variables = Field(default_factory=dict)
    secrets: Variables = Field(default_factory=dict, repr=False)
    vault_password_file: str = ""
    collection: str = ""  # the folder of headrace.hosts itself; empty: it is among `collections`
    collections: str = ""  # a folder with ansible_collections/ in it; empty: where Ansible looks by itself
    timeout_seconds: int = 3600


def full_name(playbook: str) -> str:
    """The name by which Ansible finds a collection's playbook."""
    return playbook if "." in playbook else f"{COLLECTION}.{playbook}"
