"""The page of all checks, made from them; `python -m headrace.doctor.page` prints it."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from headrace.doctor.checkup import EVERY
from headrace.doctor.finding import Check, Severity

_HEAD = """# Doctor

`headrace doctor` looks for what is wrong and tells what to do about it. It examines the stack in the state
folder (`--state`), on this machine or, while `headrace connect` runs, a cluster's; with `--kubeconfig FILE`
it connects to a cluster by itself; without any of these it says what is missing to begin.

```sh run long
headrace doctor                         # this machine, and the stack in .headrace
```

```text output
Examined: this machine, and the stack in .headrace

machine  … ok
…
versions … ok, … skipped

0 faults, … ok, … skipped; --all shows every check
```

It can tell more, and try more:

```sh run long
headrace doctor --all                   # every check, also what is well or was skipped
headrace doctor --json                  # one document: code, group, severity, found, remedy, see
headrace doctor --write                 # also try to write; what is put is removed, and starts no function
headrace doctor --bundle help.tar.gz    # for whoever helps: findings, settings without secrets, logs' ends
```

Of a cluster:

```sh run box
headrace doctor --kubeconfig lab.yaml
```

Nothing is changed, but for what `--write` puts and removes again. No secret is shown or bundled. All groups
are asked at once, each for a bounded time; what does not answer is skipped, with the reason. A check that
rests on another, which failed, is skipped too: mend the first one first.

| exit code | meaning |
|---|---|
| 0 | nothing is wrong, perhaps with warnings |
| 1 | at least one fault |
| 2 | the cluster could not be asked, or the command line must be changed |

| severity | meaning |
|---|---|
| ok | it was looked at, and is well |
| warning | it works, or works for others; look at it |
| fault | something does not work |
| skipped | it was not looked at, for the reason told |

A code never changes its meaning. Words in capitals are filled in by the command. Errors of other commands are
told on [a page of their own](troubleshooting.md).

This page is generated from the checks; `make docs` writes it anew.
"""
_TITLES = {
    "machine": "This machine",
    "stack": "A stack of this machine",
    "cluster": "The platform on a cluster",
    "rights": "Rights on a cluster",
    "queue": "Queue",
    "store": "Store",
    "clocks": "Clocks",
    "nodes": "Nodes and pools",
    "gpus": "GPUs",
    "versions": "Versions",
}


class _Capitals(dict[str, str]):
    """Places that a remedy leaves open, as words in capitals."""

    def __missing__(self, name: str) -> str:
        return name.upper()


def page() -> str:
    """The page, in Markdown."""
    groups = [(name, list(members)) for name, members in groupby(EVERY, key=lambda each: each.group)]
    rows = [f"| [{each.code}](#{each.code}) | {each.asks} | {each.worst} |" for each in EVERY]
    table = ["## All checks", "", "| code | question | finds at worst |", "|---|---|---|", *rows]
    sections = [part for name, members in groups for part in _group(name, members)]
    return "\n\n".join([_HEAD.rstrip(), "\n".join(table), *sections]) + "\n"


def _group(name: str, checks: Sequence[Check]) -> Iterator[str]:
    yield f"## {_TITLES[name]}"
    for each in checks:
        yield "\n\n".join([f"### {each.code}", each.asks, *_remedies(each)])


def _remedies(check: Check) -> Iterator[str]:
    if check.worst is Severity.OK:
        return
    if check.on_cluster and check.on_cluster != check.remedy:
        yield f"On one machine: `{_filled(check.remedy)}`"
        yield f"On a cluster: `{_filled(check.on_cluster)}`"
    else:
        yield f"What to do: `{_filled(check.remedy)}`"


def _filled(remedy: str) -> str:
    return remedy.format_map(_Capitals())


if __name__ == "__main__":
    sys.stdout.write(page())
