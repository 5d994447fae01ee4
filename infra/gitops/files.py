"""Objects as files: one each, the same bytes for the same object, with what kustomize reads beside them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

from headrace.files.whole import partial_of, write_whole
from headrace.model.errors import ConfigurationError
from infra.gitops.collecting import stage_of
from infra.objects import Manifest

KUSTOMIZATION = "kustomization.yaml"
HEADER = "# Written by `make render`, which overwrites this folder: change the stack's file instead.\n"
_FIRST_KEYS = ("apiVersion", "kind", "metadata")
_WIDTH = 10_000  # no line is folded: a changed word is a changed line

# What PyYAML takes for a text and others don't: YAML 1.2's numbers and Go's, which drops underscores, and
# YAML 1.1's short booleans. https://yaml.org/spec/1.2.2/#103-core-schema
# https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go
_NO_TEXT = re.compile(
    r"""[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
    |[-+]?0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)
    |[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\ ].*)?
    |[yYnN]""",
    re.VERBOSE,
)

Files = Mapping[str, str]  # content by path in the folder


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, in quotes what some reader would take for another thing; sequences
    indented below their key.
    """

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  (PyYAML's)
        super().increase_indent(flow, False)  # noqa: FBT003  (PyYAML's)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    """None: PyYAML chooses, and quotes what it would not read as a text itself."""
    if "\n" in text:
        return "|"
    return "'" if _NO_TEXT.fullmatch(text.replace("_", "")) else None


_Dumper.add_representer(str, _text)


def as_yaml(document: Manifest) -> str:
    """One document; apiVersion, kind and metadata come first, all other keys in order of the alphabet."""
    first = {key: document[key] for key in _FIRST_KEYS if key in document}
    rest = {key: document[key] for key in sorted(document) if key not in _FIRST_KEYS}
    ordered = {key: _ordered(value) for key, value in {**first, **rest}.items()}
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)


def staged(objects: Sequence[Manifest]) -> Files:
    """A folder for each stage of a sync, so that one may depend on the other, and one over them all."""
    stages: dict[str, list[Manifest]] = {}
    for each in objects:
        stages.setdefault(stage_of(each), []).append(each)
    found = {KUSTOMIZATION: _kustomization(sorted(stages))}
    for stage, members in sorted(stages.items()):
        found |= {f"{stage}/{name}": text for name, text in flat(members).items()}
    return found


def flat(objects: Sequence[Manifest]) -> Files:
    """All in one folder."""
    files = {_name(each): as_yaml(each) for each in objects}
    return {KUSTOMIZATION: _kustomization(sorted(files)), **dict(sorted(files.items()))}


def different(folder: Path, files: Files) -> Sequence[str]:
    """Paths whose content would change, those of files that would go among them.

    Raises ConfigurationError for a folder with content that was not written here.
    """
    _refuse_foreign(folder, files)
    found = {path: (folder / path).read_text(encoding="utf-8") for path in _there(folder)}
    return sorted(path for path in found.keys() | files.keys() if found.get(path) != files.get(path))


def write(folder: Path, files: Files) -> Sequence[str]:
    """Make the folder hold these files; the paths that changed. Raises ConfigurationError as `different`.

    What is there is named by a kustomization at any moment: so a run after one that was cut short knows it.
    """
    changed = different(folder, files)
    for path in sorted((each for each in changed if each not in files), key=_is_kustomization):
        (folder / path).unlink()
    for path in sorted((each for each in changed if each in files), key=_order):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / path, files[path].encode(), mode=0o644)
    return changed


def _is_kustomization(path: str) -> bool:
    return PurePosixPath(path).name == KUSTOMIZATION


def _order(path: str) -> tuple[bool, int]:
    return not _is_kustomization(path), path.count("/")


def _refuse_foreign(folder: Path, files: Files) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (_has_content(folder) and not _marked(folder / KUSTOMIZATION)):
        raise ConfigurationError(
            f"{folder}: found content that `make render` did not write, allowed a folder of its own, as what "
            "is no longer declared is removed there; name another with OUT=…"
        )
    own = {
        *_named(folder, PurePosixPath()),
        *(path for path, text in files.items() if _holds(folder / path, text)),
    }
    foreign = [path for path in _there(folder) if path not in own]
    if foreign:
        raise ConfigurationError(
            f"{folder}: found {', '.join(foreign)}, which `make render` did not write, allowed a folder of "
            "its own, as what is no longer declared is removed there; move that, or name another with OUT=…"
        )


def _has_content(folder: Path) -> bool:
    """But for the very first file, where writing it was cut short."""
    return any(each.name != partial_of(each.with_name(KUSTOMIZATION)).name for each in folder.iterdir())


def _marked(path: Path) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8").startswith(HEADER)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _named(folder: Path, inner: PurePosixPath) -> Iterator[str]:
    """What was written there: the kustomizations that are marked, and what they name."""
    path = inner / KUSTOMIZATION
    if not _marked(folder / path):
        return
    yield path.as_posix()
    found = yaml.safe_load((folder / path).read_text(encoding="utf-8"))
    for name in found.get("resources", ()) if isinstance(found, dict) else ():
        if (folder / inner / name).is_dir():
            yield from _named(folder, inner / name)
        else:
            yield (inner / name).as_posix()


def _there(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.yaml")):
        yield path.relative_to(folder).as_posix()


def _kustomization(resources: Sequence[str]) -> str:
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }
    return HEADER + as_yaml(document)


def _name(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    parts = (manifest["kind"].lower(), metadata.get("namespace"), metadata["name"])
    return PurePosixPath(".".join(filter(None, parts)) + ".yaml").name


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(each) for each in value] if isinstance(value, list | tuple) else value
