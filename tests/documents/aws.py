"""Judges command lines of the AWS CLI by botocore's models, of which that CLI is made."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.session
from botocore import xform_name

# Of the CLI alone, no calls of AWS's: https://docs.aws.amazon.com/cli/latest/reference/s3/
_CLI_ALONE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("s3", "cp"): (),
    ("s3", "ls"): (),
    ("ecr", "get-login-password"): (),
}
_GLOBAL = ("--query", "--output", "--region", "--profile", "--endpoint-url", "--no-cli-pager")


def faults_of(words: Sequence[str]) -> list[str]:
    return list(_faults(words))


def _faults(words: Sequence[str]) -> Iterator[str]:
    service, operation, *rest = words
    service = "s3" if service == "s3api" else service
    options = [word for word in rest if word.startswith("--")]
    if (service, operation) in _CLI_ALONE:
        known = _CLI_ALONE[service, operation]
    else:
        model = _model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names} if model else {}
        if operation not in names:
            yield f"AWS has no {service} {operation}"
            return
        known = tuple(_options(model.operation_model(names[operation]).input_shape))
    yield from (f"aws {service} {operation} takes no {o}" for o in options if o not in (*known, *_GLOBAL))


def _options(shape: Any) -> Iterator[str]:
    for name, member in shape.members.items() if shape else ():
        yield f"--{xform_name(name, '-')}"
        if member.type_name == "boolean":
            yield f"--no-{xform_name(name, '-')}"


@functools.cache
def _model(service: str) -> Any:
    session = botocore.session.get_session()
    return session.get_service_model(service) if service in session.get_available_services() else None
