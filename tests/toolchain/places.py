"""Where the toolchain lies; nothing here touches it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "HEADRACE_TOOLCHAIN"
SOURCES = Path(__file__).parent
CHECKOUT = SOURCES.parents[1]


@dataclass(frozen=True, slots=True)
class Places:
    """The folders under `root`; what is in `bin` and `share` is for tests, the rest is this package's own."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Places":
        """HEADRACE_TOOLCHAIN, else headrace/toolchain in the user's cache folder."""
        if named := environ.get(VARIABLE):
            return cls(Path(named).expanduser().absolute())
        cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
        return cls(Path(cache) / "headrace" / "toolchain")

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def share(self) -> Path:
        return self.root / "share"

    @property
    def stamps(self) -> Path:
        return self.root / "stamps"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def work(self) -> Path:
        """Half-made things; on the file system of `bin`, so that a rename is atomic."""
        return self.root / "work"

    @property
    def go(self) -> Path:
        """Go from PyPI, where PATH has none that will do."""
        return self.root / "go"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"
