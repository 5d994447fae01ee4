"""One run of a Pulumi program, in a process of its own: `program.py REQUEST RESPONSE`, two files of gRPC."""

import os
import runpy
import sys
from pathlib import Path

from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2
from pulumi.runtime.settings import SETTINGS


def main(asked: Path, answered: Path) -> None:
    """Run the program that the request names, and write what became of it."""
    request = language_pb2.RunRequest.FromString(asked.read_bytes())
    folder = request.info.program_directory
    program = os.path.normpath(Path(folder, request.info.entry_point or "."))
    sys.argv = [program]
    sys.path.insert(0, program if Path(program).is_dir() else folder)

    def run() -> None:
        SETTINGS.root_directory = request.info.root_directory  # as the real host does, and this server not
        runpy.run_path(program, run_name="__main__")

    server = LanguageServer(run)
    response = server.Run(request, None)  # type: ignore[no-untyped-call]  # the SDK gives it no types
    answered.write_bytes(response.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
