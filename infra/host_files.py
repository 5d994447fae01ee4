"""What the scaler's pod is given to reach hosts by: the inventory, and secret files beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.model.errors import ConfigurationError
from headrace.model.settings import HostsSettings
from infra.host_settings import HostSettings
from infra.playbooks.digests import inventory_files

PLACE = "/etc/headrace/hosts"
COLLECTIONS = "/opt/headrace/collections"  # in the services' image
VAULT = ".vault-password"


@dataclass(frozen=True, slots=True)
class HostFiles:
    """Contents by place below PLACE, and where services find them; None: the scaler switches no hosts."""

    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: HostsSettings | None = None

    @property
    def keys(self) -> Mapping[str, str]:
        """By place the key of a secret, which may have no slash."""
        return {place: f"host-file-{number}" for number, place in enumerate(sorted(self.files))}


NO_FILES = HostFiles()


def text_of(path: Path) -> str:
    """What a file says. Raises ConfigurationError where it can't be read."""
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"hosts: {path} can't be read: {error}; mend it, or take it out") from error


def host_files(hosts: HostSettings, folder: Path, read_secret: Callable[[Path], str] = text_of) -> HostFiles:
    """What a stack gives; `folder`: the project's, `read_secret`: reads a file that is secret.

    Raises ConfigurationError where a file can't be read, or is there twice.
    """
    if hosts.power is None:
        return NO_FILES
    found = {name: text_of(path) for name, path in inventory_files(folder / hosts.inventory).items()}
    twice = sorted(found.keys() & hosts.power.files.keys())
    if twice:
        raise ConfigurationError(
            f"hosts.power.files.{twice[0]}: found a file of that name beside the inventory, allowed one; "
            "rename it"
        )
    vault = hosts.vault_password_file
    given = {name: _whole(text) for name, text in hosts.power.files.items()}
    secrets = {**given, **({VAULT: read_secret(folder / vault)} if vault else {})}
    return HostFiles({**found, **secrets}, _settings(hosts, folder))


def _whole(text: str) -> str:
    """With the last line's end, which `pulumi config set` takes away and without which ssh reads no key."""
    return text if text.endswith("\n") else f"{text}\n"


def _settings(hosts: HostSettings, folder: Path) -> HostsSettings:
    is_folder = (folder / hosts.inventory).is_dir()
    return HostsSettings(
        inventory=PLACE if is_folder else f"{PLACE}/{Path(hosts.inventory).name}",
        vault_password_file=f"{PLACE}/{VAULT}" if hosts.vault_password_file else "",
        collections=COLLECTIONS,
    )
