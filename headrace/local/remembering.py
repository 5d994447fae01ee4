"""What the scaler leaves in the state folder for its next start."""

from dataclasses import dataclass
from pathlib import Path

from headrace.files.whole import write_private
from headrace.files.wishes import read_or_set_aside
from headrace.scaler.memory import Remembered


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """See the scaler's port Keeper."""

    path: Path

    def read(self) -> Remembered:
        """See the port. A file that is none is set aside, for a person to look at."""
        return read_or_set_aside(self.path, Remembered.from_json) or Remembered()

    def keep(self, remembered: Remembered) -> None:
        """See the port."""
        write_private(self.path, remembered.to_json())
