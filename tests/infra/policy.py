"""The policy pack's folder, and the Python of its own that tests run it in."""

import fcntl
import os
import subprocess

from tests.toolchain.needed import leave_out
from tests.toolchain.places import CHECKOUT

PACK = CHECKOUT / "infra" / "policy"
PYTHON = PACK / ".venv" / "bin" / "python"
LIMIT_SECONDS = 240.0


def make_python() -> None:
    """From its lock file, where it is not there yet, one test at a time; skips where it can't be had."""
    command = ["sh", str(CHECKOUT / "tools" / "bootstrap.sh"), "policy"]
    folder = os.open(PACK, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        made = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    finally:
        os.close(folder)
    if made.returncode:
        leave_out(f"the policy pack's Python can't be made: {made.stderr}")
