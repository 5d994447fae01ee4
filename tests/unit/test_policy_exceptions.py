"""Exceptions of the policy pack: what one lets pass, what is wrong with one, which are of no use any more."""

import datetime

import pytest

from infra.policy.headrace_policy.exceptions import Exemptions, parse
from infra.policy.headrace_policy.judging import Judge
from infra.policy.headrace_policy.rules import NAMES, RULES
from infra.policy.headrace_policy.tree import UNKNOWN
from infra.policy.headrace_policy.values import Surroundings
from tests.unit.policy_cases import resource, spec

DAY = datetime.date(2026, 1, 31)
KIND = "kubernetes:core/v1:Pod"
REASON = "The kubelet speaks by sockets in its folders"
USUAL = {"rule": "pod-host", "resource": f"*{KIND}::plugin", "reason": REASON}
FOLDERS = [{"name": name, "hostPath": {"path": f"/{name}"}} for name in ("cdi", "state")]
SPACE = {"namespace": "a"}
HOSTED = resource(KIND, "plugin", metadata=SPACE, spec=spec(volumes=FOLDERS, hostPID=True))
OTHER = resource(KIND, "other", metadata=SPACE, spec=spec(hostPID=True))
SOUND = resource(KIND, "plugin", metadata=SPACE, spec=spec())


def parsed(*entries, shipped=False):
    return parse(list(entries), "the file", rules=NAMES, today=DAY, shipped=shipped)


def judge(*entries, shipped=False):
    return Judge(RULES, parsed(*entries, shipped=shipped), Surroundings())


def verdicts(by, *found):
    return [
        (each.resource.name, each.fault.where, each.exemption is not None)
        for rule in RULES
        for each in by.verdicts(rule, found)
    ]


def test_only_the_rule_and_the_resource_that_are_named_pass():
    assert verdicts(judge(USUAL), HOSTED, OTHER) == [
        ("plugin", "pod", True),
        ("plugin", "volume cdi", True),
        ("plugin", "volume state", True),
        ("other", "pod", False),
    ]
    assert not any(passed for _, _, passed in verdicts(judge({**USUAL, "rule": "pod-root"}), HOSTED))


def test_an_exception_may_name_the_place_too():
    assert verdicts(judge({**USUAL, "at": "volume c*"}), HOSTED) == [
        ("plugin", "pod", False),
        ("plugin", "volume cdi", True),
        ("plugin", "volume state", False),
    ]


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("urn:pulumi:prod::headrace::headrace:cluster:Platform$kubernetes:core/v1:Pod::plugin", True),
        ("headrace:cluster:Platform$kubernetes:core/v1:Pod::plugin", True),
        ("kubernetes:core/v1:Pod::plugin", True),
        ("*::plug??", True),
        ("kubernetes:core/v1:Pod::*", True),
        ("kubernetes:core/v1:Pod", False),
        ("plugin", False),
        ("*::plug[ij]n", False),
        ("*::PLUGIN", False),
    ],
)
def test_a_resource_is_named_by_type_and_name_with_or_without_what_is_before(pattern, named):
    assert [each.names(HOSTED) for each in parsed({**USUAL, "resource": pattern}).valid] == [named]


def test_what_passes_tells_the_reason_and_where_it_stands():
    found = list(judge({**USUAL, "at": "pod"}).let_pass([HOSTED]))
    assert [str(each) for each in found] == [
        (
            "pod-host let pass: plugin: pod: found hostPID: true, allowed false; take it out\n"
            f"by the file [1]: {REASON}"
        )
    ]


def test_until_its_last_day_an_exception_holds():
    for until in ("2026-01-31", DAY, "2026-01-31 00:00:00 +0000 UTC", "2027-12-01"):
        assert parsed({**USUAL, "until": until}).faults == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rule": None}, "rule: found None, allowed a text; write one"),
        ({"rule": "pod-hots"}, "rule: found 'pod-hots', allowed bucket-block, "),
        ({"rule": "*"}, "rule: found '*', allowed bucket-block, "),
        ({"resource": "*"}, "resource: found '*', allowed less than every one; name its type or its name"),
        (
            {"resource": "*::*"},
            "resource: found '*::*', allowed less than every one; name its type or its name",
        ),
        ({"resource": ["a"]}, "resource: found ['a'], allowed a text; write one"),
        ({"reason": "  "}, "reason: found '  ', allowed a text; write one"),
        ({"reason": "needed"}, "reason: found 'needed', allowed a sentence; say why it has to pass"),
        ({"at": ""}, "at: found '', allowed a text; write one"),
        ({"until": "2026-02-30"}, "until: found '2026-02-30', allowed a date like 2027-01-31; write one"),
        ({"until": "soon"}, "until: found 'soon', allowed a date like 2027-01-31; write one"),
        ({"until": "2026-01-30"}, "until: found 2026-01-30, which is over, allowed a day to come; mend"),
        (
            {"untill": "2027-01-01"},
            "found the unknown key untill, allowed rule, resource, reason, at, until; take it out",
        ),
    ],
)
def test_an_exception_that_is_wrong_is_told_and_lets_nothing_pass(changes, told):
    found = parsed({**USUAL, **changes})
    assert found.valid == ()
    assert len(found.faults) == 1
    assert found.faults[0].startswith(f"the file [1]: {told}")
    assert not any(passed for _, _, passed in verdicts(judge({**USUAL, **changes}), HOSTED))


@pytest.mark.parametrize("key", ["rule", "resource", "reason"])
def test_nothing_may_be_left_out(key):
    found = parsed({name: each for name, each in USUAL.items() if name != key})
    assert found == Exemptions(faults=(f"the file [1]: {key}: found none, allowed a text; write one",))


def test_every_fault_is_told_at_once():
    found = parsed("pod-host", {"rule": "x", "until": "2020-01-01"}, USUAL)
    assert [fault.split(":")[0] for fault in found.faults] == ["the file [1]", *["the file [2]"] * 4]
    assert len(found.valid) == 1


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        (None, ()),
        ([], ()),
        ({"rule": "a"}, ("the file: found dict, allowed a list of exceptions; write one with -",)),
    ],
)
def test_a_file_holds_a_list_or_nothing(found, faults):
    assert parse(found, "the file", rules=NAMES, today=DAY) == Exemptions(faults=faults)


# Of no use any more


def stale(*found, shipped=False, **changes):
    return list(judge({**USUAL, **changes}, shipped=shipped).stale(found))


def test_an_exception_that_something_needs_is_not_told():
    assert stale(HOSTED) == []


REMEDY = "allowed what is needed; mend the exception, or take it out"


@pytest.mark.parametrize(
    ("found", "told"),
    [(SOUND, "no such fault any more"), (OTHER, "no such resource")],
    ids=["mended", "gone"],
)
def test_an_exception_that_nothing_needs_is_told_unless_it_is_shipped(found, told):
    where = f"the file [1]: pod-host of *{KIND}::plugin"
    assert stale(found) == [f"{where}: found {told}, {REMEDY}"]
    assert stale(found, shipped=True) == [], "it may be for a stack with other parts"


def test_an_exception_for_a_place_without_a_fault_is_told():
    assert "pod-host of *kubernetes:core/v1:Pod::plugin at 'volume x'" in stale(HOSTED, at="volume x")[0]


def test_while_something_is_not_known_yet_nobody_says_that_an_exception_is_not_needed():
    assert stale(resource(KIND, "plugin", metadata=SPACE, spec=spec(volumes=UNKNOWN))) == []
