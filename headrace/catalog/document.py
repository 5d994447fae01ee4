"""function.yaml as text -> a tree of plain values, strictly: what YAML reads in a surprising way is refused.

Refused: more than one document, a key twice, tags, merge keys, dates, `yes` and `on`, octal and sexagesimal
numbers, and what grows beyond bounds. Anchors and aliases are taken, but count each time they are used.
`read_texts` is for files of others, whose fields' kinds are known to who reads them: nothing there is read in
a surprising way, as every value stays the text that it is written as.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import yaml

from headrace.catalog.tabs import TabLoader

MAX_BYTES = 64 * 1024
MAX_TEXTS_BYTES = 1024 * 1024  # with scripts inline
MAX_DEPTH = 20  # the deepest field of a function is at 5
MAX_VALUES = 10_000  # after aliases are followed

Tree = None | bool | int | float | str | list["Tree"] | dict[str, "Tree"]
Route = tuple[str | int, ...]  # the steps to a value: keys and indices

_STANDARD = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?([0-9]{1,300}\.[0-9]{0,300}|\.[0-9]{1,300})([eE][-+][0-9]{1,3})?")


class DocumentError(ValueError):
    """The text can't be read on; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """The tree, and the line of each value in it.

    `faults` are (path, message); at the paths in `broken` the tree holds None in a value's place.
    """

    tree: Tree
    lines: Mapping[Route, int]
    faults: tuple[tuple[Route, str], ...]
    broken: frozenset[Route]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How strictly is read: scalars by their kinds, which may be keys and how, what an empty file lacks."""

    max_bytes: int
    scalars: Mapping[str, Callable[[str], Tree]]
    keys: frozenset[str]
    key: Callable[[str], str]
    example: str


def read_document(data: bytes) -> Document:
    """Parse one document. Raises DocumentError where the text is no YAML or beyond the bounds."""
    return _read(data, _STRICT)


def read_texts(data: bytes) -> Document:
    """Parse one document, all of its scalars as texts, but for null; JSON is read as well.

    Raises DocumentError where the text is no YAML or beyond the bounds.
    """
    return _read(data, _TEXTS)


def _read(data: bytes, reading: _Reading) -> Document:
    if len(data) > reading.max_bytes:
        allowed = f"allowed {reading.max_bytes}; keep data in files beside it"
        raise DocumentError(1, f"found {len(data)} bytes, {allowed}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(
            line, f"found bytes that are no UTF-8 ({error.reason}); save it as UTF-8"
        ) from error
    root = _compose(text)
    if root is None:
        raise DocumentError(1, f"is empty; {reading.example}")
    builder = _Builder(reading)
    tree = builder.build(root, ())
    return Document(tree, builder.lines, tuple(builder.faults), frozenset(builder.broken))


def _compose(text: str) -> yaml.Node | None:
    """The graph of nodes; None where there is none. Raises DocumentError."""
    try:
        _check_depth(text)
        return yaml.compose(text, Loader=TabLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError(mark.line + 1 if mark else 1, f"is no YAML: {reason}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(line, f"is no YAML: {error.reason}") from error
    except ValueError as error:  # PyYAML lets int() and chr() fail on absurd escapes and directives
        raise DocumentError(1, f"is no YAML: {error}") from error


def _check_depth(text: str) -> None:
    """PyYAML composes by recursion: what nests too deep is refused before."""
    depth = 0
    for event in yaml.parse(text, Loader=TabLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise DocumentError(_line(event), f"nests deeper than {MAX_DEPTH}; flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass
class _Builder:
    """Walks the graph of nodes once and gathers what is wrong on the way."""

    reading: _Reading
    lines: dict[Route, int] = field(default_factory=dict)
    faults: list[tuple[Route, str]] = field(default_factory=list)
    broken: set[Route] = field(default_factory=set)
    values: int = 0

    def build(self, node: yaml.Node, path: Route) -> Tree:
        self.values += 1
        line = _line(node)
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise DocumentError(
                line, f"has over {MAX_VALUES} values once its aliases are followed; write less"
            )
        self.lines[path] = line
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_STANDARD}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_STANDARD}seq":
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._break(path, f"found the tag {node.tag!r}, allowed none; remove it")
        return None

    def _mapping(self, node: yaml.MappingNode, path: Route) -> dict[str, Tree]:
        tree: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in tree:
                self.faults.append(
                    ((*path, key), f"found a second time at line {_line(key_node)}; remove one")
                )
                continue
            tree[key] = self.build(value_node, (*path, key))
        return tree

    def _key(self, node: yaml.Node, path: Route) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag.removeprefix(_STANDARD) in self.reading.keys:
            return self._whole(node, path)
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_STANDARD}merge":
            self.faults.append((path, f"found the merge key << at line {_line(node)}; write the keys out"))
            return None
        found = f"{node.value[:60]!r}" if isinstance(node, yaml.ScalarNode) else "a list or mapping"
        self.faults.append(
            (path, f"found {found} as a key at line {_line(node)}, allowed strings; put it in quotes")
        )
        return None

    def _whole(self, node: yaml.ScalarNode, path: Route) -> str | None:
        try:
            return self.reading.key(node.value)
        except ValueError as error:
            self.faults.append((path, f"a key at line {_line(node)}: {error}"))
            return None

    def _scalar(self, node: yaml.ScalarNode, path: Route) -> Tree:
        kind = node.tag.removeprefix(_STANDARD)
        try:
            return self.reading.scalars.get(kind, _tagged)(node.value)
        except ValueError as error:
            self._break(path, str(error))
            return None

    def _break(self, path: Route, message: str) -> None:
        self.faults.append((path, message))
        self.broken.add(path)


def _line(part: yaml.Node | yaml.Event) -> int:
    return int(part.start_mark.line) + 1 if part.start_mark else 1


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError(
        f'found {text}, which YAML may read as a boolean; write "{text}" in quotes, or true or false'
    )


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text):
        return int(text)
    raise ValueError(
        f'found {text[:60]}, which YAML reads as a number in its own way; write "{text[:60]}" in quotes, '
        "or a decimal number"
    )


def _fraction(text: str) -> float:
    if _FRACTION.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise ValueError(
        f'found {text[:60]}, which YAML reads as a number in its own way; write "{text[:60]}" in quotes, '
        "or a decimal number"
    )


def _date(text: str) -> Tree:
    raise ValueError(f'found {text[:60]}, which YAML reads as a date; write "{text[:60]}" in quotes')


def _tagged(text: str) -> Tree:
    raise ValueError(f"found a tag before {text[:60]!r}, allowed none; remove it")


def _empty(_: str) -> Tree:
    return None


_SCALARS: Mapping[str, Callable[[str], Tree]] = {
    "str": str,
    "bool": _boolean,
    "int": _integer,
    "float": _fraction,
    "null": _empty,
    "timestamp": _date,
}
_STRICT = _Reading(MAX_BYTES, _SCALARS, frozenset({"str"}), str, "`headrace function new` writes an example")


def _whole_text(text: str) -> str:
    """Two halves of a character, as JSON's escapes write it, become one."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise ValueError("found half of a character; write all of it") from error


_TEXTS = _Reading(
    MAX_TEXTS_BYTES,
    {**dict.fromkeys((*_SCALARS, "value"), _whole_text), "null": _empty},
    frozenset({*_SCALARS, "value"}),
    _whole_text,
    "name a file with a definition",
)
