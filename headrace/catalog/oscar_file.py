"""A file of OSCAR's definitions, with the scripts beside it -> functions, and what is said of each field."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.catalog.document import DocumentError, Route, read_texts
from headrace.catalog.fault import Fault
from headrace.model.cycles import find_cycles
from headrace.model.function import MAX_SCRIPT_BYTES
from headrace.oscar import (
    Definition,
    Finding,
    Imported,
    Kind,
    Refused,
    Service,
    Site,
    function_of,
    read_fdl,
)
from headrace.oscar.finding import joined, refused, warning

Lines = Mapping[str, int]  # of a path, in small letters


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take of a file, and where to.

    `scripts` is the folder that scripts' paths begin at, None: the file's own; `cluster` takes the services
    of one cluster alone, empty: of all.
    """

    site: Site = field(default_factory=Site)
    scripts: Path | None = None
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one service; `where` is its place in the file."""

    where: str
    outcome: Imported | Refused


@dataclass(frozen=True, slots=True)
class OscarFile:
    """A file's services in their order; it is imported as a whole, so any fault refuses all of it."""

    judged: tuple[Judged, ...]
    faults: tuple[Fault, ...]
    remarks: tuple[Fault, ...]

    @property
    def imported(self) -> tuple[Imported, ...]:
        return tuple(each.outcome for each in self.judged if isinstance(each.outcome, Imported))


def read_oscar_file(path: Path, wanted: Wanted) -> OscarFile:
    """Judge every service of a file. Raises nothing: what can't be read is a fault."""
    try:
        document = read_texts(path.read_bytes())
    except DocumentError as error:
        return OscarFile((), (Fault(str(path), error.line, "", str(error)),), ())
    except OSError as error:
        reason = f"can't be read ({error.strerror or error}); name a file of OSCAR's definitions"
        return OscarFile((), (Fault(str(path), None, "", reason),), ())
    lines = _lines(document.lines)
    told = _Told(str(path), lines)
    faults = [told.fault(joined("", *route), message) for route, message in document.faults]
    fdl = read_fdl(document.tree, wanted.site)
    chosen = [each for each in fdl.definitions if wanted.cluster in ("", each.cluster)]
    judged = tuple(_judge(each, wanted, path.parent) for each in chosen)
    findings = [*fdl.findings, *_misfits(fdl.definitions, chosen, wanted.cluster), *_of_services(judged)]
    faults += told.all_of(findings, Kind.REFUSED)
    if not faults:
        faults += _cycles(str(path), judged)
    return OscarFile(judged, tuple(faults), tuple(told.all_of(findings, Kind.WARNING)))


@dataclass(frozen=True, slots=True)
class _Told:
    """Findings as what is told of a file's lines."""

    file: str
    lines: Lines

    def fault(self, where: str, message: str) -> Fault:
        return Fault(self.file, self._line(where.lower()), where, message)

    def all_of(self, findings: Iterable[Finding], kind: Kind) -> list[Fault]:
        chosen = (self.fault(each.field, each.message) for each in findings if each.kind is kind)
        return list(dict.fromkeys(chosen))

    def _line(self, where: str) -> int:
        """Of the value there, or of the nearest one that it would be in."""
        while where and where not in self.lines:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return self.lines.get(where, 1)


def _lines(lines: Mapping[Route, int]) -> Lines:
    return {joined("", *route).lower(): line for route, line in lines.items()}


def _judge(definition: Definition, wanted: Wanted, folder: Path) -> Judged:
    service, fault = _scripted(definition.service, wanted.scripts or folder)
    read = (*definition.read.findings, *fault)
    return Judged(definition.where, function_of(service, wanted.site, read=read))


def _of_services(judged: Iterable[Judged]) -> Iterator[Finding]:
    """Their findings, by their place in the file."""
    for each in judged:
        yield from (found.below(each.where) for found in each.outcome.findings)


def _scripted(service: Service, folder: Path) -> tuple[Service, Sequence[Finding]]:
    """The service with its script's text. Of several lines, it is the text already; else it names a file.

    OSCAR's CLI takes an absolute path too for one below the file's folder:
    https://github.com/grycap/oscar-cli/blob/main/pkg/service/service.go
    """
    if not service.script.strip() or "\n" in service.script:
        return service, ()
    path = folder / service.script.strip().lstrip("/")
    try:
        scripted = service.with_script(_script_of(path))
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return service, (refused("script", f"no script at {path}: {reason}"),)
    if path.resolve().is_relative_to(folder.resolve()):
        return scripted, ()
    return scripted, (warning("script", f"{path} lies outside of {folder}; look at what it is"),)


def _script_of(path: Path) -> str:
    """Raises ValueError and OSError with what is wrong."""
    if not path.is_file():
        raise ValueError("no file is there; put it there, or name its folder by --scripts")
    size = path.stat().st_size
    if size > MAX_SCRIPT_BYTES:
        raise ValueError(f"found {size} bytes, allowed {MAX_SCRIPT_BYTES}; put the rest into the image")
    content = path.read_bytes()
    if b"\0" in content:
        raise ValueError("it holds a NUL character; write a script of text")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is no UTF-8; save it as UTF-8") from error


def _misfits(
    definitions: Sequence[Definition], chosen: Sequence[Definition], cluster: str
) -> Iterator[Finding]:
    """What services of one file have against one another."""
    clusters = ", ".join(sorted({each.cluster for each in definitions if each.cluster})) or "none"
    if definitions and not chosen:
        yield refused("", f"found services for {clusters}, none for --cluster {cluster}; name one of these")
    seen: dict[str, Definition] = {}
    for each in chosen:
        other = seen.setdefault(each.service.name, each)
        if other is each or not each.service.name:
            continue
        advice = "rename one" if other.cluster == each.cluster else "import one by --cluster"
        message = f"found {each.service.name!r} a second time, first at {other.where}; {advice}"
        yield refused(joined(each.where, "name"), message)


def _cycles(file: str, judged: Iterable[Judged]) -> Iterator[Fault]:
    functions = [each.outcome.function for each in judged if isinstance(each.outcome, Imported)]
    for cycle in find_cycles(functions):
        yield Fault(file, None, "", f"cycle: {cycle}")
