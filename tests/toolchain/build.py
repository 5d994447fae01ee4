"""Makes engines: links, builds and copies what a step says, each by a rename, and stamps what is whole."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.toolchain.engines import Binary, Copied, Engine, outputs
from tests.toolchain.go import FLAGS, Go
from tests.toolchain.places import SOURCES, Places
from tests.toolchain.plan import OnPath, Step, decide, stale
from tests.toolchain.running import Spent, ToolchainError, output_of, run, spent_since, told_by
from tests.toolchain.stamps import Stamp, digest, mark, read, sources_in, write
from tests.toolchain.versions import version_in


def plan(engine: Engine, places: Places, go: Go) -> Step:
    """What is to be done for an engine now; programs on PATH are asked only for what is missing."""
    sources = sources_in(SOURCES / "engines" / engine.name)
    wanted_digest = digest(engine, sources, go=go.language, flags=FLAGS)
    seen = {each: mark(places.root / each) for each in outputs(engine)}
    wanted, reason = stale(engine, wanted_digest, read(_stamp(places, engine)), seen)
    missing = [binary for binary in engine.binaries if f"bin/{binary.name}" in wanted]
    return decide(engine, wanted_digest, wanted, reason, _offers(missing, places))


def perform(step: Step, places: Places, go: Go) -> Spent:
    """Make what the step says. Raises ToolchainError; what was there before then stays as it was."""
    engine, start = step.engine, spent_since()
    log = places.logs / f"{engine.name}.log"
    log.unlink(missing_ok=True)
    with _workshop(places, engine) as work:
        made = _build(step, work, go, log) if step.builds else {}
        shared = [(copied, _module(copied, work, go)) for copied in engine.shares] if step.copies else []
        _put_in_place(step, places, made)
        for copied, module in shared:
            _replace_folder(copied, module, places.share / engine.name / copied.target, work)
    spent = spent_since(start)
    marks = {each: mark(places.root / each) or "" for each in outputs(engine)}
    write(_stamp(places, engine), Stamp(step.digest, marks, round(spent.clock, 1), round(spent.processor, 1)))
    return spent


def clear_leavings(places: Places) -> None:
    """Remove what an interrupted run left; only under the lock."""
    shutil.rmtree(places.work, ignore_errors=True)


def _stamp(places: Places, engine: Engine) -> Path:
    return places.stamps / f"{engine.name}.json"


def _offers(binaries: list[Binary], places: Places) -> Mapping[str, OnPath]:
    """What PATH offers for binaries that may come from there; the toolchain's own folder doesn't count."""
    offers = {}
    for binary in binaries:
        found = shutil.which(binary.name) if binary.fits else None
        if found and Path(found).absolute().parent != places.bin:
            program = Path(found).absolute()
            offers[binary.name] = OnPath(program, version_in(told_by(program, binary.ask)))
    return offers


@contextmanager
def _workshop(places: Places, engine: Engine) -> Iterator[Path]:
    """A copy of the engine's sources, gone afterwards: a build writes nothing into the checkout."""
    places.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{engine.name}-", dir=places.work) as name:
        for source, body in sources_in(SOURCES / "engines" / engine.name).items():
            (Path(name) / source).write_bytes(body)
        yield Path(name)


def _build(step: Step, work: Path, go: Go, log: Path) -> dict[str, Path]:
    """The programs by name, still in the workshop."""
    engine = step.engine
    for copied in engine.embeds:
        for path in _files(copied, _module(copied, work, go)):
            shutil.copyfile(path, work / copied.target / path.name)
    out = work / "out"
    out.mkdir()
    binaries = [binary for binary in engine.binaries if binary.name in step.builds]
    target = out / binaries[0].name if len(engine.binaries) == 1 else f"{out}/"
    command = [str(go.program), "build", *FLAGS, f"-ldflags={_linking(engine)}"]
    if engine.tags:
        command.append(f"-tags={','.join(engine.tags)}")
    command += ["-o", str(target), *(binary.package for binary in binaries)]
    run(command, log, folder=work, environ=go.environ)
    return {binary.name: out / binary.name for binary in binaries}


def _linking(engine: Engine) -> str:
    return " ".join(["-s", "-w", *(f"-X={name}={value}" for name, value in engine.values.items())])


def _module(copied: Copied, work: Path, go: Go) -> Path:
    """The folder of a pinned module's sources, fetched if need be."""
    command = [str(go.program), "mod", "download", "-json", copied.module]
    return Path(json.loads(output_of(command, folder=work, environ=go.environ, limit=600))["Dir"])


def _files(copied: Copied, module: Path) -> list[Path]:
    found = sorted((module / copied.source).glob(copied.pattern))
    if not found:
        raise ToolchainError(
            f"{copied.module} has no {copied.source}/{copied.pattern}: is it another version?"
        )
    return found


def _put_in_place(step: Step, places: Places, made: Mapping[str, Path]) -> None:
    places.bin.mkdir(parents=True, exist_ok=True)
    for name, path in made.items():
        path.replace(places.bin / name)
    for name, offer in step.links.items():
        new = places.work / f"{name}.link"
        new.unlink(missing_ok=True)
        new.symlink_to(offer.path)
        new.replace(places.bin / name)


def _replace_folder(copied: Copied, module: Path, target: Path, work: Path) -> None:
    new = Path(tempfile.mkdtemp(dir=work))
    new.chmod(0o755)
    for path in _files(copied, module):
        shutil.copyfile(path, new / path.name)
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    new.replace(target)
