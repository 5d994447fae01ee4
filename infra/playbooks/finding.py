"""Where playbooks and the collection are."""

from pathlib import Path

import infra
from headrace.plays.play import COLLECTION

SUFFIXES = (".yml", ".yaml")
OWN_COLLECTION = Path(infra.__file__).resolve().parents[1] / "ansible"  # of the checkout


def collection_in(collections: Path | None) -> Path:
    """Where the collection is: in a folder of installed ones, or in the checkout."""
    if collections is None:
        return OWN_COLLECTION
    return collections.joinpath("ansible_collections", *COLLECTION.split("."))


def is_path(playbook: str) -> bool:
    """Whether a playbook is named by its file, not by its name in the collection."""
    return playbook.endswith(SUFFIXES)
