"""What is installed in an image, read from its files: Debian's packages, Python's packages, Python itself."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from enum import StrEnum
from typing import cast

from debian.copyright import Copyright, License, NotMachineReadableError
from debian.deb822 import Packages

from tools.images.archive import Tree

STATUS, STATUS_FOLDER = "var/lib/dpkg/status", "var/lib/dpkg/status.d/"
RELEASE = "usr/lib/os-release"


class Kind(StrEnum):
    """The type of a package URL, https://github.com/package-url/purl-spec."""

    DEBIAN = "deb"
    PYTHON = "pypi"
    OTHER = "generic"


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """`licences` as the package tells them: one SPDX expression, or names."""

    kind: Kind
    name: str
    version: str
    architecture: str = ""
    distribution: str = ""
    licences: tuple[str, ...] = ()
    homepage: str = ""


def is_wanted(path: str) -> bool:
    """The files that `installed` reads."""
    name = posixpath.basename(path)
    return (
        path in {STATUS, RELEASE}
        or path.startswith(STATUS_FOLDER)
        or (name == "copyright" and path.startswith("usr/share/doc/"))
        or (name == "METADATA" and posixpath.dirname(path).endswith(".dist-info"))
    )


def installed(tree: Tree, config: Mapping[str, object]) -> tuple[Package, ...]:
    """Sorted; `config` is the image's configuration."""
    return tuple(sorted({*_debian(tree), *_python(tree), *_interpreter(config)}))


def _debian(tree: Tree) -> list[Package]:
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', tree.files.get(RELEASE, b"").decode(), re.MULTILINE))
    codename = release.get("VERSION_CODENAME", "")
    # Slim bases without dpkg keep one file a package.
    bodies = [body for path, body in tree.files.items() if path == STATUS or path.startswith(STATUS_FOLDER)]
    paragraphs = [each for body in bodies for each in Packages.iter_paragraphs(body, use_apt_pkg=False)]
    return [
        Package(
            Kind.DEBIAN, each["Package"], each["Version"], each.get("Architecture", ""), codename,
            _debian_licences(tree.read(f"usr/share/doc/{each['Package']}/copyright")),
            each.get("Homepage", ""),
        )
        for each in paragraphs
        if "Version" in each and each.get("Status", "install ok installed").endswith(" installed")
    ]  # fmt: skip


def _debian_licences(body: bytes | None) -> tuple[str, ...]:
    """Names by Debian's copyright format 1.0; of free text, the common licences that it points to."""
    if body is None:
        return ()
    text = body.decode(errors="replace")
    try:
        found = Copyright(text.splitlines(keepends=True), strict=False)
        # Its annotations name the descriptor and not what it gives.
        told = [cast("License | None", each.license) for each in found.all_files_paragraphs()]
        names = {each.synopsis for each in told if each}
    except (NotMachineReadableError, ValueError):
        names = set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])", text))
    return tuple(sorted(name for name in names if name))


def _python(tree: Tree) -> list[Package]:
    parse = BytesHeaderParser().parsebytes
    found = [parse(body) for path, body in tree.files.items() if path.endswith(".dist-info/METADATA")]
    return [
        Package(
            Kind.PYTHON, re.sub(r"[-_.]+", "-", each["Name"]).lower(), each["Version"],
            licences=_python_licences(each), homepage=_homepage(each),
        )
        for each in found
    ]  # fmt: skip


def _python_licences(metadata: Message) -> tuple[str, ...]:
    """The SPDX expression, else classifiers, else the first line of what older packages say."""
    if expression := metadata.get("License-Expression"):
        return (expression,)
    classifiers = [str(each) for each in metadata.get_all("Classifier", ())]
    told = sorted(each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: "))
    if named := [each for each in told if each != "OSI Approved"]:
        return tuple(named)
    lines = str(metadata.get("License") or "").strip().splitlines()
    return (lines[0].strip()[:100],) if lines else ()


def _homepage(metadata: Message) -> str:
    urls = [str(each).partition(",") for each in metadata.get_all("Project-URL", ())]
    named = {label.strip().lower(): url.strip() for label, _, url in urls}
    return metadata.get("Home-page") or named.get("homepage") or named.get("source") or ""


def _interpreter(config: Mapping[str, object]) -> list[Package]:
    """Upstream's Python images compile it, so that no package manager knows it, and tell the version."""
    inner = config.get("config")
    values: Sequence[str] = (inner.get("Env") or ()) if isinstance(inner, Mapping) else ()
    found = [value.partition("=")[2] for value in values if value.startswith("PYTHON_VERSION=")]
    return [
        Package(Kind.OTHER, "cpython", version, licences=("PSF-2.0",), homepage="https://www.python.org/")
        for version in found
    ]
