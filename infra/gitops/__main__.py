"""`python -m infra.gitops render|secrets STACK`: a stack's objects as files, its secrets onto its cluster.

Progress goes to stderr. Exit codes: 0 done (or, with --check, all is as it should be), 1 files differ with
--check or the cluster did not answer, 2 something has to be changed first.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from headrace.kube.port import Kube, Manifest
from headrace.model.errors import ConfigurationError, HeadraceError
from infra.gitops import applying, given, keeping, printing
from infra.gitops.applying import Outcome
from infra.gitops.files import different, write
from infra.gitops.making import Wanted, kept_in, wanted
from infra.gitops.programs import Program, program, unplayed
from infra.gitops.projects import PLATFORM, PROJECTS, Project, stack_file
from infra.gitops.rendering import rendered_files, stack_without_secrets
from infra.pinning.providing import told
from infra.pinning.reading import uid_on
from infra.reaching import reached


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked, PROJECTS[asked.project], Path.cwd()))
    except ConfigurationError as error:
        _tell(str(error))
        return 2
    except HeadraceError as error:
        _tell(str(error))
        return 1


def _render(asked: argparse.Namespace, project: Project, checkout: Path) -> int:
    files = rendered_files(project, checkout, asked.stack)
    folder = asked.out or Path("manifests", asked.stack, asked.project)
    if not asked.check:
        changed = write(checkout / folder, files)
        _tell(f"{folder}: {len(files)} files, {len(changed)} changed; no secret is in them")
        if names := unplayed(project, checkout, asked.stack):
            _tell(f"not played: {', '.join(names)}; run ansible-playbook for them (docs/on-premises.md)")
        return 0
    changed = different(checkout / folder, files)
    for path in changed:
        _tell(f"{folder}/{path}: differs from what the stack's file says; run `make render`")
    return int(bool(changed))


def _secrets(asked: argparse.Namespace, project: Project, checkout: Path) -> int:
    _refuse_idle(asked)
    file = stack_file(checkout, project, asked.stack)
    if asked.given is None:
        texts = given.by_pulumi(project, checkout, file)
    else:
        texts = given.by_file(project, file, asked.given)
    with given.hidden(file, texts):
        return _made(asked, project, checkout, texts)


def _refuse_idle(asked: argparse.Namespace) -> None:
    """Flags that would do nothing beside the others."""
    if asked.previous and not asked.print:
        raise ConfigurationError(
            "--previous: found without --print, allowed with it only, as the cluster keeps what was made; "
            "add --print, or take it out"
        )
    if asked.take_over and asked.print:
        raise ConfigurationError(
            "--take-over: found beside --print, allowed without it only, as what is printed reaches no "
            "cluster; take one of them out"
        )


def _made(asked: argparse.Namespace, project: Project, checkout: Path, texts: Mapping[str, str]) -> int:
    known = program(project, checkout, asked.stack, texts=texts)
    shown = stack_without_secrets(project, checkout, asked.stack).objects
    if asked.print:
        before = printing.secret_in(asked.previous) if asked.previous else None
        found = wanted(known, kept_in(before), shown)
        sys.stdout.write(printing.printed(found))
        _tell(_told_made(found))
        return 0
    missing = [key for key in ("kubeconfig", "context") if key not in texts]
    if missing:
        raise ConfigurationError(
            f"configuration of stack {asked.stack}: {' and '.join(missing)} missing, so no cluster is meant; "
            "write them, or take --print and apply what it prints"
        )
    return asyncio.run(_on_cluster(known, shown, texts, take_over=asked.take_over))


async def _on_cluster(
    known: Program, shown: Sequence[Manifest], texts: Mapping[str, str], *, take_over: bool
) -> int:
    async with reached(texts["kubeconfig"], texts["context"]) as kube:
        await _refuse_other(kube, texts.get("clusterUid", ""), texts["context"])
        keeps = known.project is PLATFORM
        before = await applying.found(kube, known.namespace, keeping.NAME) if keeps else None
        # Pulumi runs the program in a loop of its own.
        found = await asyncio.to_thread(wanted, known, kept_in(before), shown)
        if not take_over:
            await applying.refuse_foreign(kube, found)
        outcome = await applying.apply(kube, found, before, datetime.now(UTC).isoformat(timespec="seconds"))
    _tell(_told_made(found))
    _tell(_told(outcome))
    return 0


async def _refuse_other(kube: Kube, expected: str, context: str) -> None:
    found = await uid_on(kube)
    if found != (expected or found):
        raise ConfigurationError(told(found, expected, context))


def _told_made(found: Wanted) -> str:
    return f"made now: {', '.join(sorted(found.made)) or 'nothing; all was kept'}"


def _told(outcome: Outcome) -> str:
    counts = Counter(each.value for each in outcome.changes.values())
    secrets = ", ".join(f"{count} {change}" for change, count in sorted(counts.items())) or "none"
    restarted = ", ".join(outcome.restarted) or "nothing"
    return f"secrets: {secrets}; restarted: {restarted}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.gitops", description=__doc__)
    commands = parser.add_subparsers(required=True)
    render = _command(commands, "render", "write a stack's objects as files, without any secret")
    render.add_argument("--out", type=Path, help="the folder; manifests/STACK/PROJECT where it is left out")
    render.add_argument("--check", action="store_true", help="write nothing; tell which files differ")
    render.set_defaults(run=_render)
    secrets = _command(commands, "secrets", "keep or make a stack's secrets, and put them onto its cluster")
    secrets.add_argument("--given", help="a YAML file with what is encrypted in the stack's file; -: stdin")
    secrets.add_argument(
        "--print", action="store_true", help="print them instead, in plain text, for a sealing tool"
    )
    secrets.add_argument("--take-over", action="store_true", help="replace those that `pulumi up` made, too")
    secrets.add_argument("--previous", type=Path, help="with --print: what it printed last, to be kept")
    secrets.set_defaults(run=_secrets)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, told: str
) -> argparse.ArgumentParser:
    found = commands.add_parser(name, help=told, description=told)
    found.add_argument("stack", help="its name, as in stacks/Pulumi.NAME.yaml")
    found.add_argument(
        "--project", choices=list(PROJECTS), default="platform", help="which of the two projects"
    )
    return found


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
