"""The pack's edge: Pulumi's SDK on one side (only the pack's Python has it), the rules on the other."""

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime import get_config_env
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from .judging import Judge
from .rules import RULES
from .settings import judge
from .tree import UNKNOWN, Node
from .values import Resource, Rule


def serve(shipped: Path) -> None:
    """Serve the policies until Pulumi is done. `shipped`: the file of Headrace's own exceptions."""
    deciding = judge(
        RULES,
        config=get_config_env(),
        stack=os.environ.get("PULUMI_STACK", ""),
        shipped=yaml.safe_load(shipped.read_text(encoding="utf-8")),
        today=datetime.datetime.now(tz=datetime.UTC).date(),
    )
    policies = [_policy(rule, deciding) for rule in RULES]
    PolicyPack("headrace", [*policies, *_about_exceptions(deciding)], EnforcementLevel.MANDATORY)


def _policy(rule: Rule, deciding: Judge) -> Policy:
    def look(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for verdict in deciding.verdicts(rule, [_resource(args)]):
            if verdict.exemption is None:
                report(str(verdict), None)

    def look_at_all(args: StackValidationArgs, report: ReportViolation) -> None:
        for verdict in deciding.verdicts(rule, _resources(args)):
            if verdict.exemption is None:
                report(str(verdict), verdict.resource.urn)

    if rule.together is not None:
        return StackValidationPolicy(rule.name, rule.title, look_at_all)
    return ResourceValidationPolicy(rule.name, rule.title, look)


def _about_exceptions(deciding: Judge) -> Iterator[Policy]:
    """What is wrong with exceptions is refused; which were used, and which no longer are, is told."""

    def refuse(_: StackValidationArgs, report: ReportViolation) -> None:
        for fault in deciding.exemptions.faults:
            report(fault, None)

    def tell(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = _resources(args)
        for verdict in deciding.let_pass(resources):
            report(str(verdict), verdict.resource.urn)
        for told in deciding.stale(resources):
            report(told, None)

    title = "An exception names a rule and a resource, and has a reason"
    yield StackValidationPolicy("policy-settings", title, refuse)
    title = "What passes by an exception is told, and an exception that nothing needs goes"
    yield StackValidationPolicy("exceptions", title, tell, EnforcementLevel.ADVISORY)


def _resources(args: StackValidationArgs) -> Sequence[Resource]:
    return [_resource(each, _refers(each)) for each in args.resources]


def _resource(
    told: ResourceValidationArgs | PolicyResource, refers: Mapping[str, frozenset[str]] | None = None
) -> Resource:
    return Resource(
        told.resource_type,
        told.name,
        told.urn,
        Node(_plain(told.props)),
        refers or {},
        Node(_plain(told.provider.props) if told.provider else None),
    )


def _refers(told: PolicyResource) -> Mapping[str, frozenset[str]]:
    return {key: frozenset(each.urn for each in found) for key, found in told.property_dependencies.items()}


def _plain(value: object) -> object:
    """A tree of the SDK's, which raises where a preview does not know something yet."""
    if isinstance(value, Mapping):
        return {str(key): _part(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_part(value, index) for index in range(len(value))]
    return value


def _part(value: Mapping[Any, object] | Sequence[object], key: Any) -> object:  # noqa: ANN401  (of either)
    try:
        return _plain(value[key])
    except UnknownValueError:
        return UNKNOWN
