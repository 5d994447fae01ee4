"""Functions from a folder: each sub-folder with a function.yaml is one."""

from dataclasses import dataclass
from pathlib import Path

from headrace.model.function import Function

FILE_NAME = "function.yaml"


@dataclass(frozen=True, slots=True)
class Installed:
    """A function, the folder its code lies in, and the digest of both."""

    function: Function
    folder: Path
    digest: str
