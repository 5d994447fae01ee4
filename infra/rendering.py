"""A function's folder -> the object that is applied, its image named and its script inlined."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headrace.catalog.folder import FILE_NAME, Installed, examine
from headrace.manifests.worker_pod import worker_pod
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function, digest_of
from headrace.model.settings import KubernetesSettings, SidecarSettings
from infra.function_settings import FunctionSettings

_ANY = KubernetesSettings(namespace="any", platform_namespace="any", sidecar=SidecarSettings(image="any"))


@dataclass(frozen=True, slots=True)
class Rendered:
    """A function as it is applied, and the same as its author's document with what was added."""

    function: Function
    manifest: Mapping[str, Any]

    @property
    def buckets(self) -> frozenset[str]:
        """The logical names of all buckets that it reads or writes."""
        spec = self.function.spec
        return frozenset([*(each.bucket for each in spec.input), *(each.bucket for each in spec.output)])


def rendered(settings: FunctionSettings, top: Path, images: Mapping[str, str]) -> Sequence[Rendered]:
    """The functions that a stack names, from folders below `top`; `images`: by function, where it names none.

    Raises ConfigurationError that lists every fault of all of them.
    """
    folders = [top / name for name in settings.functions]
    found = examine(folder for folder in folders if (folder / FILE_NAME).is_file())
    faults = [*_missing(folders), *map(str, found.faults)]
    known = {each.function.name for each in found.installed}
    faults += [
        f"images.{name}: no function of this stack; remove it"
        for name in settings.images
        if name not in known
    ]
    chosen = {**images, **settings.images}
    made = [_rendered(each, chosen.get(each.function.name)) for each in found.installed]
    faults += [fault for _, own in made for fault in own]
    faults += _unknown_secrets(settings, (each for each, _ in made if each))
    if faults:
        raise ConfigurationError("\n".join(faults))
    return [each for each, _ in made if each]


def built_images(settings: FunctionSettings, top: Path) -> Mapping[str, str]:
    """The images that `make images` built, where the stack names its file. Raises ConfigurationError."""
    if not settings.images_file:
        return {}
    path = (top / settings.images_file).resolve()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"imagesFile: {path} can't be read ({error}); run `make images` on this machine, or, for a "
            "checkout that has not built them (a runner's, the operator's), take imagesFile out and name "
            "images by function, with digests, in images"
        ) from error
    return images_of(text, f"imagesFile {path}")


def images_of(text: str, told: str) -> Mapping[str, str]:
    """Image by name, from the file that `make images` writes. Raises ConfigurationError."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{told}: is no JSON ({error}); run `make images` again") from error
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ConfigurationError(f"{told}: found no mapping of names to images; run `make images` again")
    return found


def _missing(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        if not (folder / FILE_NAME).is_file():
            yield f"functions: found {folder.name!r}, but no {folder / FILE_NAME}; write it or drop the name"


def _rendered(installed: Installed, image: str | None) -> tuple[Rendered | None, Sequence[str]]:
    """The function, or what is in its way."""
    document = installed.function.model_dump(mode="json", by_alias=True, exclude_unset=True)
    spec = document["spec"]
    if image is not None:
        spec["image"] = image
    script = installed.function.spec.run.script
    told = str(installed.folder / FILE_NAME)
    try:
        if script is not None:
            spec["run"]["source"] = (installed.folder / script).read_bytes().decode()
        function = Function.from_json(json.dumps(document))
        # What a pod can't run is said now, and not only by the controller after the deployment.
        worker_pod(function, digest_of(function, {}), ordinal=0, node="any", settings=_ANY)
    except UnicodeDecodeError as error:
        return None, [f"{told} (spec.run.script): {script} is no UTF-8 ({error.reason}); save it as UTF-8"]
    except ValidationError as error:
        return None, [f"{told}: {each['msg']}" for each in error.errors()]
    except ConfigurationError as error:
        return None, [f"{told}: {error}"]
    return Rendered(function, document), ()


def _unknown_secrets(settings: FunctionSettings, functions: Iterable[Rendered]) -> Iterator[str]:
    """Secrets that are configured and that no function of the stack names."""
    used = {name for each in functions for name in each.function.spec.secrets}
    for name in settings.secrets:
        if name not in used:
            yield f"secrets.{name}: no function of this stack names it; add it to spec.secrets or remove it"
