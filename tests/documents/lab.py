"""The surroundings of pages for hosts on premises: a checkout, ssh with a person behind it, what he writes.

reader = seated(folder, files, password="…")           # or key=…, of somebody who may log in already
blocks = as_followed(page, words={"10.0.0.": "10.99.1."}, written={"cp -r ansible/": files_of_his})
run_page(blocks, reader.surroundings, folder)
"""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.documents import checkout
from tests.documents.surroundings import Surroundings, put_files, variables
from tests.documents.survey import LAB
from tests.toolchain.needed import search_path
from tests.toolchain.places import Places

BLOCK_SECONDS = 1800.0  # only for who hangs: a play on a busy machine takes long
# ssh knows a home of its own, not HOME: so its configuration is named to it.
_SSH = '#!/bin/sh\nexec {ssh} -F {config} "$@"\n'
_CONFIG = """\
Host *
  User root
  UserKnownHostsFile {home}/known_hosts
  IdentityFile {home}/id_ed25519
  IdentityAgent none
"""
# What a person types where ssh asks him; all that he was asked is noted.
_ASKED = """\
#!/bin/sh
echo "$1" | tail -n 1 >>{asked}
case $1 in
  *yes/no*) echo yes ;;
  *password:*) echo {password} ;;
  *) exit 1 ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who follows a page. He has a home of his own, below which is what he keeps there."""

    home: Path
    surroundings: Surroundings

    @property
    def asked(self) -> list[str]:
        """What ssh asked him: the last line of each question."""
        asked = self.home / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


def seated(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    password: str = "",
    key: Path | None = None,
    known: str = "",
    environ: Mapping[str, str] | None = None,
) -> Reader:
    """In a checkout in an empty folder, with `files` of his; he logs in as root by a password or a key.

    `known`: lines of hosts whose keys he has seen before. `environ`: variables beside the usual.
    """
    home, place = folder / "home", checkout.make(folder)
    put_files(place, files)
    own = home / ".ssh"
    own.mkdir(parents=True, mode=0o700)
    (own / "config").write_text(_CONFIG.format(home=own))
    (own / "known_hosts").write_text(known)
    if key is not None:
        shutil.copy(key, own / "id_ed25519")
    programs = home / "bin"
    _program(programs / "ssh", _SSH.format(ssh=shutil.which("ssh"), config=own / "config"))
    _program(programs / "askpass", _ASKED.format(asked=home / "asked", password=shlex.quote(password)))
    ours = {
        **variables(place / ".venv" / "bin", place),
        "HOME": str(home),
        "PULUMI_HOME": str(home / ".pulumi"),  # it does not ask HOME
        "SSH_ASKPASS": str(programs / "askpass"),
        "SSH_ASKPASS_REQUIRE": "force",
        **(environ or {}),
    }
    ours["PATH"] = f"{programs}:{search_path(Places.of(os.environ), ours)}"
    return Reader(home, Surroundings(place, ours, LAB, BLOCK_SECONDS))


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
