"""Generates Python modules from the messages that the kubelet speaks: `make messages`.

Beside each module comes its `.pyi`, by which mypy knows the messages.
"""

import sys
from pathlib import Path

from grpc_tools import protoc

FOLDER = Path(__file__).parents[1] / "headrace" / "gpu" / "kubelet"


def generate(folder: Path, into: Path) -> None:
    """Raises OSError where protoc fails."""
    for source in sorted(folder.glob("*.proto")):
        options = [f"--proto_path={folder}", f"--python_out={into}", f"--pyi_out={into}", str(source)]
        if protoc.main(["protoc", *options]) != 0:
            raise OSError(f"protoc has failed on {source}")


if __name__ == "__main__":
    generate(FOLDER, FOLDER)
    sys.exit(0)
