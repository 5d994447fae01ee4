"""Files that two users share: what the user's processes may write, and how results leave their reach.

Every folder on the way to them is the supervisor's own. The user's processes write below a task's `output`
and into its `log`; a script also below its `scratch` and, as under OSCAR's supervisor, beside its input and
into it; and nowhere else.
"""

import errno
import os
import shutil
import stat
from pathlib import Path

from headrace.worker.attempt import Folder, Staged, shell_environment, task_environment

UMASK = 0o027  # what the supervisor makes, the user's processes may read, as members of its group
READABLE = 0o2750
WRITABLE = 0o2770  # set-group-id: what is made below belongs to the shared group
NO_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.ENOENT})  # a link, a socket, gone by now


def lay_out(staged: Staged, *, script: bool) -> None:
    """Make a task's folder ready for the user's processes."""
    folder = staged.folder
    staged.file.chmod(0o640)  # a download keeps it to itself
    folder.output.chmod(WRITABLE)
    os.close(os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    folder.log.chmod(0o660)
    if script:
        staged.file.chmod(0o660)
        scratch = folder.path / "scratch"
        scratch.mkdir(exist_ok=True)
        for writable in (folder.input, scratch):
            writable.chmod(WRITABLE)
        folder.environment.write_text(shell_environment(task_environment(staged)))


def close_input(folder: Folder) -> None:
    """Let nobody but the supervisor write there: it stages the next file where a link may not wait for it."""
    folder.input.chmod(READABLE)


def take_results(folder: Folder) -> None:
    """Replace a task's output folder by one that only the supervisor sees, with the same files in it.

    A handler's process lives on and may put links in place of what it wrote: then this process would read
    for it what it must not see. So each file is reached without following any link, and linked by what was
    opened; what is no regular file is left out. Raises OSError for what can't be read.
    """
    written = folder.path / "written"
    folder.output.rename(written)
    folder.output.mkdir(mode=0o700)
    for base, _, names, opened in os.fwalk(written, onerror=_refuse, follow_symlinks=False):
        target = folder.output / Path(base).relative_to(written)
        for name in names:
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            _take(name, opened, target / name)


def _refuse(error: OSError) -> None:
    raise error


def _take(name: str, folder: int, target: Path) -> None:
    try:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in NO_FILE:
            return
        raise
    with os.fdopen(source, "rb") as file:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            return
        try:
            # linkat(2): with a folder's descriptor, though unused, the link below /proc is followed.
            os.link(f"/proc/self/fd/{source}", target, src_dir_fd=folder, follow_symlinks=True)
        except OSError:  # fs.protected_hardlinks, where the group may not write it
            with target.open("wb") as copy:
                shutil.copyfileobj(file, copy)
