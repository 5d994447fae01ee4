"""Functions from a folder: each sub-folder with a function.yaml is one."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from headrace.catalog.document import Document, DocumentError, Route, Tree, read_document
from headrace.catalog.explain import explained, fault_at
from headrace.catalog.fault import Fault, refuse, shown
from headrace.catalog.files import FolderError, read_files
from headrace.model.errors import ConfigurationError
from headrace.model.function import MAX_SCRIPT_BYTES, Function, digest_of
from headrace.model.schema import function_schema
from headrace.model.troubles import Trouble

FILE_NAME = "function.yaml"


@dataclass(frozen=True, slots=True)
class Installed:
    """A function, the folder its code lies in, and the digest of both."""

    function: Function
    folder: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What folders hold: the functions that are sound, in order of names, and every fault of the others."""

    installed: tuple[Installed, ...]
    faults: tuple[Fault, ...]


def load_function(folder: Path) -> Installed:
    """The function of one folder. Raises ConfigurationError that names every fault of it."""
    examined = examine([folder])
    refuse(examined.faults)
    return examined.installed[0]


def load_folder(path: Path) -> tuple[Installed, ...]:
    """Every function below a folder, in order of names.

    Raises ConfigurationError that names every fault of all of them.
    """
    examined = examine(function_folders(path))
    refuse(examined.faults)
    return examined.installed


def function_folders(path: Path) -> tuple[Path, ...]:
    """The sub-folders that hold a function.yaml, hidden ones aside. Raises ConfigurationError."""
    try:
        folders = sorted(path.iterdir())
    except OSError as error:
        raise ConfigurationError(
            f"{path}: can't be read as a folder of functions ({error.strerror}); name a folder whose "
            f"sub-folders hold a {FILE_NAME} each",
            trouble=Trouble.FUNCTIONS_FOLDER,
        ) from error
    return tuple(each for each in folders if not each.name.startswith(".") and (each / FILE_NAME).is_file())


def examine(folders: Iterable[Path]) -> Examined:
    """Read functions' folders; a name that two of them bear is a fault of the later one."""
    found: dict[str, Installed] = {}
    faults: list[Fault] = []
    for folder in folders:
        installed, own_faults = _examine_one(folder)
        faults.extend(own_faults)
        if installed is None:
            continue
        other = found.setdefault(installed.function.name, installed)
        if other is not installed:
            message = f"found {other.function.name!r}, which {other.folder} bears too; rename one"
            faults.append(Fault(str(folder / FILE_NAME), None, "metadata.name", message))
    return Examined(tuple(found[name] for name in sorted(found)), tuple(faults))


def _examine_one(folder: Path) -> tuple[Installed | None, Sequence[Fault]]:
    file = str(folder / FILE_NAME)
    try:
        document = read_document((folder / FILE_NAME).read_bytes())
        function, faults = _function_of(document, file)
        files = read_files(folder)
    except DocumentError as error:
        return None, [Fault(file, error.line, "", str(error))]
    except FolderError as error:
        return None, [*faults, Fault(str(folder), None, "", str(error))]
    except OSError as error:
        reason = f"can't be read ({error.strerror or error}); make it readable"
        return None, [Fault(str(error.filename or file), None, "", reason)]
    faulty = {fault.where for fault in faults}
    misfits = (
        fault_at(path, text, document=document, file=file)
        for path, text in _misfits(document.tree, folder, files)
    )
    faults += [fault for fault in misfits if fault.where not in faulty]
    if function is None or faults:
        return None, sorted(faults, key=lambda fault: fault.line or 0)
    code = {name: content for name, content in files.items() if name != FILE_NAME}
    return Installed(function, folder, digest_of(function, code)), ()


def _function_of(document: Document, file: str) -> tuple[Function | None, list[Fault]]:
    found = list(document.faults)
    function = None
    try:
        function = Function.from_json(json.dumps(document.tree))
    except ValidationError as error:
        found += explained(error, function_schema(), document=document)
    return function, [fault_at(path, message, document=document, file=file) for path, message in found]


def _misfits(tree: Tree, folder: Path, files: Mapping[str, bytes]) -> Iterator[tuple[Route, str]]:
    """(path, message) of what the file says and its folder does not bear out, also of a faulty file."""
    name = _text_at(tree, "metadata", "name")
    if name is not None and name != folder.resolve().name:
        found = f"found {shown(name)}, allowed {folder.resolve().name!r}, the folder's name"
        yield ("metadata", "name"), f"{found}; rename one of them"
    handler = _text_at(tree, "spec", "run", "handler")
    if handler is not None:
        yield from _handler_misfits(handler, files)
    script = _text_at(tree, "spec", "run", "script")
    if script is not None:
        yield from _script_misfits(script, files)
    if _text_at(tree, "spec", "run", "source") is not None:
        yield (
            ("spec", "run", "source"),
            "found a text, allowed none beside a folder, whose file runs; drop it",
        )


def _text_at(tree: Tree, *path: str) -> str | None:
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) else None


def _handler_misfits(handler: str, files: Mapping[str, bytes]) -> Iterator[tuple[Route, str]]:
    path = handler.partition(":")[0].replace(".", "/")
    modules = (f"{path}.py", f"{path}/__init__.py")
    if not any(module in files for module in modules):
        found = f"found {shown(handler)}, but no {' or '.join(modules)} in the folder"
        yield ("spec", "run", "handler"), f"{found}; write one"


def _script_misfits(script: str, files: Mapping[str, bytes]) -> Iterator[tuple[Route, str]]:
    where = ("spec", "run", "script")
    if script not in files:
        found = f"found {shown(script)}, but no such file among the folder's"
        yield where, f"{found}; name one by its path in the folder"
    elif len(files[script]) > MAX_SCRIPT_BYTES:
        found = f"found {shown(script)} of {len(files[script])} bytes, allowed {MAX_SCRIPT_BYTES}"
        yield where, f"{found}; put the rest into the image"
