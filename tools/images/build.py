"""Builds what is not there yet: context, image, archive, bill of materials, registry, in this order."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from tools.images.archive import contents_of
from tools.images.bill import write_bill
from tools.images.context import compose
from tools.images.engine import Engine, Order
from tools.images.faults import ImagesError, with_base_told
from tools.images.recipe import Recipe, Settings, inputs, packages_key
from tools.images.running import run


class State(StrEnum):
    """`ready`: nothing had to be done; `planned`: something would be."""

    READY = "ready"
    BUILT = "built"
    PLANNED = "planned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an archive was made from; it holds for an archive of this size only."""

    inputs: str
    reference: str
    digest: str
    archive_bytes: int
    layer_bytes: int
    pushed_digest: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image. `digest` is that of the registry where it was pushed, else the archive's."""

    name: str
    state: State
    reference: str
    told: str = ""
    seconds: float = 0.0
    stamp: Stamp | None = None

    @property
    def digest(self) -> str:
        return (self.stamp.pushed_digest or self.stamp.digest) if self.stamp else ""


@dataclass(frozen=True, slots=True)
class Shop:
    """Where images are made and by what. `output` takes archives, bills and what they are made from."""

    output: Path
    engine: Engine
    uv: Sequence[str]
    settings: Settings
    tell: Callable[[str], None]
    now: Callable[[], float] = time.monotonic
    bills: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)  # what the engine sees beside this process's own

    def archive(self, name: str) -> Path:
        return self.output / f"{name}.tar"

    def bill(self, name: str) -> Path:
        return self.output / f"{name}.cdx.json"

    def _stamp(self, name: str) -> Path:
        return self.output / "stamps" / f"{name}.json"

    def stamp(self, name: str) -> Stamp | None:
        """The stamp of a whole archive; one that can't be read counts as none."""
        try:
            found = Stamp(**json.loads(self._stamp(name).read_bytes()))
            whole = self.archive(name).stat().st_size == found.archive_bytes
        except (OSError, ValueError, TypeError):
            return None
        return found if whole and (self.bill(name).exists() or not self.bills) else None

    def ready(self, recipe: Recipe, reference: str, *, push: bool) -> Stamp | None:
        """The stamp where nothing is to be done."""
        found, wanted = self.stamp(recipe.name), inputs(recipe, self.settings, self.engine.name)
        if found is None or (found.inputs, found.reference) != (wanted, reference):
            return None
        return None if push and not found.pushed_digest else found

    def make(self, recipe: Recipe, reference: str, *, push: bool, again: bool, dry_run: bool) -> Outcome:
        """Never raises ImagesError: it is told in the outcome, so that the other images are built."""
        start = self.now()
        if not again and (stamp := self.ready(recipe, reference, push=push)):
            return Outcome(recipe.name, State.READY, reference, stamp=stamp)
        if dry_run:
            return Outcome(recipe.name, State.PLANNED, reference, "push" if push else "build")
        self.tell(f"{recipe.name}: building {reference} (log: {self._log(recipe.name)})")
        try:
            stamp = self._made(recipe, reference, push=push)
        except ImagesError as fault:
            return Outcome(recipe.name, State.FAILED, reference, str(fault), self.now() - start)
        return Outcome(recipe.name, State.BUILT, reference, seconds=self.now() - start, stamp=stamp)

    def _made(self, recipe: Recipe, reference: str, *, push: bool) -> Stamp:
        log = self._log(recipe.name)
        log.unlink(missing_ok=True)
        order = self._ordered(recipe, reference)
        compose(order.context, recipe, self.settings, self.uv, log)
        self.tell(f"{recipe.name}: context ready")
        order.archive.unlink(missing_ok=True)
        try:
            for command in self.engine.build(order):
                run(command, log, environ=os.environ | self.environ)
        except ImagesError as fault:
            raise with_base_told(fault) from fault
        contents = contents_of(order.archive)
        if self.bills:
            count = write_bill(
                order.archive, self.bill(recipe.name), name=recipe.name, reference=reference,
                epoch=self.settings.epoch,
            )  # fmt: skip
            self.tell(f"{recipe.name}: bill of materials with {count} packages")
        pushed = self._pushed(order, recipe.name, log) if push else ""
        size = order.archive.replace(self.archive(recipe.name)).stat().st_size
        wanted = inputs(recipe, self.settings, self.engine.name)
        stamp = Stamp(wanted, reference, contents.digest, size, contents.compressed_bytes, pushed)
        _write(self._stamp(recipe.name), asdict(stamp))
        return stamp

    def _ordered(self, recipe: Recipe, reference: str) -> Order:
        folder = self.output / "context"
        folder.mkdir(parents=True, exist_ok=True)
        containerfile = folder / f"{recipe.name}.Containerfile"
        containerfile.write_text(recipe.containerfile)
        new = self.output / f".{recipe.name}.new.tar"
        packages = packages_key(recipe.lock, self.settings)
        context = folder / recipe.name
        return Order(reference, recipe.version, packages, containerfile, context, new, self.settings)

    def _pushed(self, order: Order, name: str, log: Path) -> str:
        """The digest that the registry has it by."""
        told = self.output / f".{name}.pushed"
        for command in self.engine.push(order, told):
            run(command, log, environ=os.environ | self.environ)
        digest = self.engine.digest_in(told.read_text())
        told.unlink()
        self.tell(f"{name}: pushed as {digest}")
        return digest

    def _log(self, name: str) -> Path:
        return self.output / "logs" / f"{name}.log"

    def record(self, outcomes: Iterable[Outcome]) -> Path:
        """images.json: reference and digest by name, for infra's configuration; others' entries stay."""
        path = self.output / "images.json"
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError):
            known = {}
        new = {each.name: f"{each.reference}@{each.digest}" for each in outcomes if each.stamp}
        _write(path, dict(sorted({**known, **new}.items())))
        return path


def _write(path: Path, document: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document, indent=1) + "\n")
    new.replace(path)


def reference_of(recipe: Recipe, registry: str, tag: str | None = None) -> str:
    """`registry/name:version`; without a registry the engines' name for what is only here."""
    return f"{registry.rstrip('/') or 'localhost'}/{recipe.name}:{tag or recipe.version}"
