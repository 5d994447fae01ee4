"""What an operator's Secret in the platform's namespace holds, and how it reads on this machine."""

import base64
import binascii
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from headrace.connect.forwarding import HOST, forwarded
from headrace.kube.port import Manifest
from headrace.model.errors import ConfigurationError
from headrace.model.labels import AUTHORITY_KEY, OPERATOR_SECRET, SETTINGS_KEY
from headrace.model.settings import Settings, places_of
from headrace.model.troubles import Trouble


def settings_of(secret: Manifest) -> Settings:
    """The settings as services in the cluster have them. Raises ConfigurationError."""
    try:
        return Settings.from_json(_entry(secret, SETTINGS_KEY))
    except ValidationError as error:
        raise ConfigurationError(
            f"secret {OPERATOR_SECRET}: its {SETTINGS_KEY} does not fit this version of headrace "
            f"(see {places_of(error)}); use the version that the stack was deployed with",
            trouble=Trouble.VERSIONS_DIFFER,
        ) from error


def authority_of(secret: Manifest) -> bytes:
    """The certificate of the authority that the queue's server has. Raises ConfigurationError."""
    return _entry(secret, AUTHORITY_KEY)


def _entry(secret: Manifest, key: str) -> bytes:
    try:
        return base64.b64decode(secret["data"][key], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise ConfigurationError(
            f"secret {OPERATOR_SECRET}: found no {key}, allowed one that `pulumi up` wrote; "
            "deploy the platform again"
        ) from error


def localized(
    settings: Settings,
    *,
    store: int | None,
    queue: int | None,
    status: int | None,
    folder: Path,
    kubeconfig: Path,
) -> Settings:
    """The settings by way of forwarded ports (None: reached directly); `folder` holds what they name.

    The API server is reached by the kubeconfig.
    """
    changes: dict[str, object] = {"functions_directory": str(folder / "functions")}
    if store is not None:
        endpoint = forwarded(settings.storage.address, store)
        changes["storage"] = settings.storage.model_copy(update={"endpoint": endpoint})
    renewed = {"ca_file": str(folder / AUTHORITY_KEY) if settings.queue.ca_file else ""}
    if queue is not None:
        renewed["url"] = forwarded(settings.queue.url, queue)
        renewed["tls_hostname"] = settings.queue.tls_hostname or urlsplit(settings.queue.url).hostname or ""
    if settings.kubernetes is not None:
        changes["kubernetes"] = settings.kubernetes.model_copy(update={"kubeconfig": str(kubeconfig)})
    changes["queue"] = settings.queue.model_copy(update=renewed)
    if settings.status is not None and status is not None:
        changes["status"] = settings.status.model_copy(update={"host": HOST, "port": status})
    return settings.model_copy(update=changes)
