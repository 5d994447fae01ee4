"""The function of a worker in a pod, from the folder that its ConfigMap is mounted as."""

from pathlib import Path

from pydantic import ValidationError

from headrace.catalog.folder import FILE_NAME, Installed
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, digest_of


def load_deployed(folder: Path, tenant: str = "") -> Installed:
    """The function that the controller wrote; its digest is of its spec alone, as its code is in the image.

    It is the tenant's whom the worker's settings name, or the stack's own. Raises ConfigurationError.
    """
    path = folder / FILE_NAME
    try:
        function = Function.from_json(path.read_bytes()).owned_by(tenant)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: can't be read ({error.strerror}); mount the function's ConfigMap there"
        ) from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in fault["loc"])
        raise ConfigurationError(
            f"{path}: {where}: {fault['msg']}; let controller and workers be of the same version"
        ) from error
    return Installed(function, folder, digest_of(function, {}))
