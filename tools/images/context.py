"""The folder that an engine builds from: the same inputs give the same bytes, modes and times."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.images.faults import ImagesError
from tools.images.recipe import File, Recipe, Settings, packages_key
from tools.images.running import run

PACKAGES = "packages"
# Written by the installer: paths of this machine's Python, hashes of scripts that hold them, locks.
INSTALLERS = ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json", "uv_cache.json", "uv_build.json")


def compose(folder: Path, recipe: Recipe, settings: Settings, uv: Sequence[str], log: Path) -> None:
    """Lay out `folder`; packages stay from the last call where they are still those that are wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name != PACKAGES:
            _remove(path)
    if recipe.lock is None:
        _remove(folder / PACKAGES)
    else:
        _packages(folder, recipe.lock, settings, uv, log)
    for name, file in recipe.files.items():
        _write(folder / name, file)
    for path in folder.iterdir():
        if path.name != PACKAGES:
            level(path, settings.epoch)


def install_command(uv: Sequence[str], lock: Path, target: Path, settings: Settings) -> tuple[str, ...]:
    """Wheels by their hashes, for the base's Python and not this one's; nothing of them is run."""
    return (
        *uv, "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "--no-deps",
        f"--python={sys.executable}", f"--python-version={settings.base.python}",
        f"--python-platform={settings.wheels}", f"--target={target}", f"--requirements={lock}",
    )  # fmt: skip


def find_uv(checkout: Path) -> tuple[str, ...]:
    """As tools/bootstrap.sh finds it. Raises ImagesError where there is none."""
    own = checkout / ".cache" / "uv" / "bin" / "uv"
    if found := shutil.which("uv"):
        return (found,)
    if own.exists():
        return (str(own),)
    raise ImagesError(
        f"uv is neither on PATH nor at {own}: install it, or remove .venv and let make fetch it"
    )


def level(top: Path, epoch: int) -> None:
    """One mode for files, one for programs and folders; one time for all."""
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def tidy(packages: Path) -> None:
    """Take out what the installer wrote for this machine; a program in bin/ that is no script stays."""
    for path in packages.glob("*.dist-info/*"):
        if path.name in INSTALLERS:
            path.unlink()
    (packages / ".lock").unlink(missing_ok=True)
    for path in packages.glob("bin/*"):
        with path.open("rb") as file:
            is_script = file.read(2) == b"#!"
        if is_script:
            path.unlink()
    if (scripts := packages / "bin").is_dir() and not any(scripts.iterdir()):
        scripts.rmdir()


def _packages(folder: Path, lock: str, settings: Settings, uv: Sequence[str], log: Path) -> None:
    """Their digest lies beside the context, so that it gets into no image."""
    stamp = folder.with_name(f"{folder.name}.packages")
    wanted = packages_key(lock, settings)
    if stamp.is_file() and stamp.read_text() == wanted and (folder / PACKAGES).is_dir():
        return
    stamp.unlink(missing_ok=True)
    _remove(folder / PACKAGES)
    file = folder.with_name(f"{folder.name}.lock.txt")
    file.write_text(lock)
    run(install_command(uv, file, folder / PACKAGES, settings), log)
    tidy(folder / PACKAGES)
    level(folder / PACKAGES, settings.epoch)
    stamp.write_text(wanted)


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.body)
    path.chmod(0o755 if file.executable else 0o644)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
