"""Builds the tests' images, each once a machine, and keeps the newest archives of each."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.toolchain.images import base
from tests.toolchain.images.recipes import INCLUDED, REGISTRY, base_of, recipes
from tests.toolchain.places import CHECKOUT, Places
from tests.toolchain.running import ToolchainError, output_of, run
from tools.images.build import Shop, State, reference_of
from tools.images.context import find_uv
from tools.images.engine import Buildah, Engine
from tools.images.faults import ImagesError
from tools.images.recipe import EPOCH_SECONDS, Base, Recipe, Settings, inputs

KEPT = 3  # archives of one image: several checkouts may share a machine
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # where a base has none, any will do
PROGRAMS = ("buildah", "debootstrap", "unshare", "apt-get")


class BuiltImage(NamedTuple):
    """An OCI archive, and the name that the image in it has."""

    archive: Path
    reference: str


def _mark_of(included: Sequence[str]) -> Sequence[str]:
    """What tells a base with these packages from one with others."""
    return [hashlib.sha256(repr(included).encode()).hexdigest()[:8]] if included else []


def lacking() -> tuple[str, ...]:
    """Why this machine can't build them; empty where it can."""
    programs = tuple(f"{name} (make toolchain)" for name in PROGRAMS if shutil.which(name) is None)
    return programs if os.geteuid() == 0 else (*programs, "root, for debootstrap")


@dataclass
class Images(Mapping[str, BuiltImage]):
    """By name; looking one up builds it. Raises ToolchainError, and KeyError for a name that is none."""

    places: Places
    built: dict[str, BuiltImage] = field(default_factory=dict)
    engine: Engine = field(default_factory=Buildah)
    recipes: dict[str, Recipe] = field(default_factory=recipes)  # the checkout as it is now

    def __getitem__(self, name: str) -> BuiltImage:
        if name not in self.built:
            recipe = self.recipes[name]
            with self.alone():
                self.built[name] = self._build(recipe)
        return self.built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.recipes)

    def __len__(self) -> int:
        return len(self.recipes)

    @property
    def root(self) -> Path:
        return self.places.root / "images"

    @property
    def environ(self) -> dict[str, str]:
        """A storage of the tests' own: nothing is found in or left in the machine's."""
        return {"CONTAINERS_STORAGE_CONF": str(self.root / "storage.conf")}

    def shop(self, base_name: str) -> Shop:
        """Where images on that base are built; the base is there afterwards."""
        with self.alone():
            return self._shop(base_name)

    def _shop(self, base_name: str) -> Shop:
        settings = Settings.of(self._base(base_name), {})
        output = self.root / "output"
        return Shop(
            output, self.engine, find_uv(CHECKOUT), settings, _tell, bills=False, environ=self.environ
        )

    def _build(self, recipe: Recipe) -> BuiltImage:
        shop = self._shop(base_of(recipe.name))
        key = inputs(recipe, shop.settings, shop.engine.name)[:12]
        reference = reference_of(recipe, REGISTRY, key)
        kept = self.root / "archives" / f"{recipe.name}-{key}.tar"
        if not kept.exists():
            outcome = shop.make(recipe, reference, push=False, again=False, dry_run=False)
            if outcome.state is State.FAILED:
                raise ToolchainError(f"image {recipe.name}: {outcome.told}")
            self._keep(shop.archive(recipe.name), kept, recipe.name)
        return BuiltImage(kept, reference)

    def _keep(self, archive: Path, kept: Path, name: str) -> None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.link(archive, kept)
        for old in outdated(kept.parent, name):
            old.unlink()
            self._forget(name, old.stem.removeprefix(f"{name}-"))

    def _forget(self, name: str, tag: str) -> None:
        """Of the layers, those stay that newer images stand on."""
        for options in ([f"{REGISTRY}/{name}:{tag}"], ["--prune"]):
            with suppress(ToolchainError):  # in use, or gone with the storage
                output_of(["buildah", "rmi", *options], environ=os.environ | self.environ)

    def _base(self, name: str) -> Base:
        """From the storage, else from its archive, else by debootstrap, which takes half a minute."""
        source = base.source_here()
        tag = "-".join((source.suite, str(base.FORMAT), *_mark_of(INCLUDED[name])))
        reference = f"localhost/headrace-test-base-{name}:{tag}"
        archive = self.root / "base" / f"{name}-{tag}.tar"
        told = archive.with_suffix(".python")
        self._configure()
        if not (archive.exists() and told.exists()):
            self._make_base(name, source, reference, archive)
        if not self._is_stored(reference):
            self._buildah(["pull", "--quiet", f"oci-archive:{archive}"], name)
        return Base(reference, told.read_text() or THIS_PYTHON)

    def _make_base(self, name: str, source: base.Source, reference: str, archive: Path) -> None:
        """As an archive: images tell their base's digest, and only what is pulled has one to rely on."""
        _tell(f"base {name}: debootstrap of {source.suite}")
        context = self.root / "base" / name
        self._log(name).unlink(missing_ok=True)
        base.bootstrap(context / "root", source, INCLUDED[name], self.root / "base" / "debs", self._log(name))
        (context / "Containerfile").write_text("FROM scratch\nCOPY root /\n")
        options = [f"--timestamp={EPOCH_SECONDS}", "--layers=false", f"--tag={reference}"]
        self._buildah(["build", *options, str(context)], name)
        archive.unlink(missing_ok=True)
        self._buildah(
            ["push", "--quiet", "--format=oci", reference, f"oci-archive:{archive}:{reference}"], name
        )
        self._buildah(["rmi", "--force", reference], name)
        archive.with_suffix(".python").write_text(base.python_of(context / "root"))
        shutil.rmtree(context)

    def _buildah(self, arguments: Sequence[str], base_name: str) -> None:
        run(["buildah", *arguments], self._log(base_name), environ=os.environ | self.environ)

    def _log(self, base_name: str) -> Path:
        return self.places.logs / f"images-{base_name}.log"

    def _is_stored(self, reference: str) -> bool:
        with suppress(ToolchainError):
            output_of(["buildah", "inspect", "--type=image", reference], environ=os.environ | self.environ)
            return True
        return False

    def _configure(self) -> None:
        """overlay where the kernel lets it; vfs, which copies all at each step, goes everywhere."""
        path = self.root / "storage.conf"
        if path.exists():
            return
        path.write_text(storage_conf(self.root, "overlay"))
        try:
            output_of(["buildah", "info"], environ=os.environ | self.environ)
        except ToolchainError:
            shutil.rmtree(self.root / "storage", ignore_errors=True)
            path.write_text(storage_conf(self.root, "vfs"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Processes beside one another take turns: the second finds what the first has built, and none takes
        what another has not named yet for a leaving.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            except ImagesError as fault:
                raise ToolchainError(str(fault)) from fault


def outdated(archives: Path, name: str) -> list[Path]:
    """All but the newest of an image's archives."""
    known = sorted(archives.glob(f"{name}-{'?' * 12}.tar"), key=lambda path: path.stat().st_mtime)
    return known[:-KEPT]


def storage_conf(root: Path, driver: str) -> str:
    """https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md."""
    folders = f'graphroot = "{root / "storage"}"\nrunroot = "{root / "run"}"\n'
    return f'[storage]\ndriver = "{driver}"\n{folders}'


def _tell(line: str) -> None:
    sys.stderr.write(f"images: {line}\n")
