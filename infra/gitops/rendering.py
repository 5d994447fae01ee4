"""A stack's files: its program recorded with stand-ins for all secrets, so that no secret is ever at hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.gitops.collecting import Collected, collected
from infra.gitops.files import Files, flat, staged
from infra.gitops.keeping import MAKERS
from infra.gitops.programs import Program, program
from infra.gitops.projects import PLATFORM, Project
from infra.gitops.recording import declared
from infra.gitops.stand_ins import stand_in

PROVIDER = "__provider"  # of a dynamic resource: a reference to a class, other in another version of Python


def rendered_files(project: Project, checkout: Path, stack: str) -> Files:
    """The files of a stack. Raises ConfigurationError, with all faults of its configuration at once."""
    objects = stack_without_secrets(project, checkout, stack).objects
    return staged(objects) if project is PLATFORM else flat(objects)


def stack_without_secrets(project: Project, checkout: Path, stack: str) -> Collected:
    """What a stack declares, with stand-ins in its secrets.

    Marks by which pods notice changed secrets are made of the stand-ins, and those of what a person writes:
    the numbers of `rotation`, other names, another encrypted value.
    """
    found = program(project, checkout, stack, read=lambda path: stand_in("file", path.name))
    return recorded(found)


def recorded(found: Program) -> Collected:
    """A program's objects, made things being stand-ins."""
    declared_ = declared(found.run, _answer, project=found.project.name, stack=found.stack)
    return collected(declared_, found.stack)


def _answer(kind: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {key: value for key, value in inputs.items() if key != PROVIDER}
    outputs = MAKERS[kind].outputs if kind in MAKERS else ()
    return {output: stand_in(name, output, known) for output in outputs}
