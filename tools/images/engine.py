"""The programs that build images: what each is called with. Whichever answers first is taken."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.images.faults import ImagesError
from tools.images.recipe import Settings
from tools.images.running import fault_of

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One image to build: from `context` by `containerfile` into `archive`, called `reference`.

    `packages` changes with the packages in the context.
    """

    reference: str
    version: str
    packages: str
    containerfile: Path
    context: Path
    archive: Path
    settings: Settings

    @property
    def arguments(self) -> tuple[str, ...]:
        base = self.settings.base
        values = {"BASE": base.reference, "PYTHON": base.python, "VERSION": self.version}
        values["PACKAGES"] = self.packages
        return tuple(f"--build-arg={name}={value}" for name, value in values.items())


class Engine(Protocol):
    """Commands only; whoever holds them runs them. `told` is a file that `push` writes its answer to."""

    @property
    def name(self) -> str: ...

    @property
    def probe(self) -> Command: ...

    def build(self, order: Order) -> Sequence[Command]: ...

    def push(self, order: Order, told: Path) -> Sequence[Command]: ...

    def digest_in(self, told: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah, and podman, which takes the same arguments."""

    name: str = "buildah"
    # podman before 4.5 knows no levels. The first is a third faster in all and a tenth larger.
    compression: tuple[str, ...] = ("--compression-level=1",)

    @property
    def probe(self) -> Command:
        return (self.name, "info")

    def build(self, order: Order) -> Sequence[Command]:
        """chroot: nothing is run but the base's Python on our files, and it works within containers too."""
        build = (
            self.name, "build", "--isolation=chroot", "--layers", "--force-rm",
            f"--timestamp={order.settings.epoch}", *order.arguments, f"--file={order.containerfile}",
            f"--tag={order.reference}", str(order.context),
        )  # fmt: skip
        target = f"oci-archive:{order.archive}:{order.reference}"
        return build, (self.name, "push", "--format=oci", *self.compression, order.reference, target)

    def push(self, order: Order, told: Path) -> Sequence[Command]:
        target = f"docker://{order.reference}"
        options = ("--format=oci", *self.compression, f"--digestfile={told}")
        return ((self.name, "push", *options, order.reference, target),)

    def digest_in(self, told: str) -> str:
        return told.strip()


@dataclass(frozen=True, slots=True)
class Docker:
    """docker with buildx. The default driver exports no archive without the containerd image store."""

    name: str = "docker"

    @property
    def probe(self) -> Command:
        return (self.name, "buildx", "inspect", "--bootstrap")

    def build(self, order: Order) -> Sequence[Command]:
        return (self._command(order, f"type=oci,dest={order.archive},name={order.reference}"),)

    def push(self, order: Order, told: Path) -> Sequence[Command]:
        output = f"type=image,push=true,oci-mediatypes=true,name={order.reference}"
        return (self._command(order, output, f"--metadata-file={told}"),)

    def digest_in(self, told: str) -> str:
        return str(json.loads(told)["containerimage.digest"])

    def _command(self, order: Order, output: str, *options: str) -> Command:
        # A provenance record holds times and so changes the digest.
        return (
            self.name, "buildx", "build", "--provenance=false", "--sbom=false",
            f"--build-arg=SOURCE_DATE_EPOCH={order.settings.epoch}", *order.arguments,
            f"--file={order.containerfile}", f"--output={output},rewrite-timestamp=true", *options,
            str(order.context),
        )  # fmt: skip


ENGINES: tuple[Engine, ...] = (Buildah(), Buildah("podman", ()), Docker())


def engine(
    wanted: str | None = None,
    *,
    engines: Iterable[Engine] = ENGINES,
    which: Callable[[str], str | None] = shutil.which,
    fault: Callable[[Command], str] = fault_of,
) -> Engine:
    """The first that answers, or the one called `wanted`. Raises ImagesError with what each one said."""
    faults = []
    for each in engines:
        if wanted not in {None, each.name}:
            continue
        if which(each.name) is None:
            faults.append(f"{each.name} is not on PATH")
        elif said := fault(each.probe):
            faults.append(f"{each.name} does not answer: {said}")
        else:
            return each
    raise ImagesError(
        f"nothing here builds images: {'; '.join(faults)}. "
        "Install one of buildah, podman and docker with buildx (Debian: apt-get install buildah)"
    )
