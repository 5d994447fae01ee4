"""The surroundings of pages for hosts on premises: a checkout, ssh with a person behind it, what he writes.

reader = seated(folder, files, password="…")           # or key=…, of somebody who may log in already
blocks = as_followed(page, words={"10.0.0.": "10.99.1."}, written={"cp -r ansible/": files_of_his})
run_page(blocks, reader.surroundings, folder)
"""

import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.documents.reading import ROOT, Block, blocks_of
from tests.documents.running import PageError
from tests.documents.surroundings import Surroundings, plain
from tests.documents.survey import LAB

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
echo "$1" >>{asked}
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
        """What ssh asked him, line by line."""
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
    home, found = folder / "home", plain(folder, files)
    shutil.copytree(ROOT / "ansible", found.checkout / "ansible")
    own = home / ".ssh"
    own.mkdir(parents=True, mode=0o700)
    (own / "config").write_text(_CONFIG.format(home=own))
    (own / "known_hosts").write_text(known)
    if key is not None:
        shutil.copy(key, own / "id_ed25519")
    programs = home / "bin"
    _program(programs / "ssh", _SSH.format(ssh=shutil.which("ssh"), config=own / "config"))
    _program(programs / "askpass", _ASKED.format(asked=home / "asked", password=shlex.quote(password)))
    variables = {
        **found.environ,
        "HOME": str(home),
        "SSH_ASKPASS": str(programs / "askpass"),
        "SSH_ASKPASS_REQUIRE": "force",
        **(environ or {}),
    }
    variables["PATH"] = f"{programs}:{variables['PATH']}"
    return Reader(home, Surroundings(found.checkout, variables, LAB, BLOCK_SECONDS))


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def as_followed(
    page: str, words: Mapping[str, str], written: Mapping[str, Path] | None = None
) -> Iterator[Block]:
    """A page's blocks as a reader follows them. Raises PageError where the page has nothing of that.

    `words`: what he puts into the place of what the page says. `written`: behind the one line of this
    beginning he puts a folder's files into the checkout: what the page has told him to write.
    """
    blocks = list(blocks_of(page))
    lines = [line for block in blocks for line in block.text.splitlines()]
    for word in words:
        if not any(word in line for line in lines):
            raise PageError(f"{page} has no {word!r} for which a reader has his own")
    for start in written or {}:
        if sum(line.startswith(start) for line in lines) != 1:
            raise PageError(f"{page} has not one line that begins with {start!r}, behind which to write")
    for block in blocks:
        told = "".join(f"{line}\n{_copying(line, written or {})}" for line in block.text.splitlines())
        yield replace(block, text=changed(told, words))


def _copying(line: str, written: Mapping[str, Path]) -> str:
    folders = [folder for start, folder in written.items() if line.startswith(start)]
    return "".join(f"cp -rp {shlex.quote(str(folder))}/. .\n" for folder in folders)


def changed(text: str, words: Mapping[str, str]) -> str:
    """A text with a reader's own words in it."""
    for word, own in words.items():
        text = text.replace(word, own)
    return text
