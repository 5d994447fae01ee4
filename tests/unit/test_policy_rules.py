"""Each rule of the policy pack on what must fail and on what must pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.policy.headrace_policy.documents import statements
from infra.policy.headrace_policy.images import is_pinned
from infra.policy.headrace_policy.rules import RULES
from tests.unit import policy_cases as cases

BY_NAME = {rule.name: rule for rule in RULES}
FAILING = [(rule, name, each) for rule, (bad, _) in cases.CASES.items() for name, each in bad.items()]
PASSING = [(rule, name, each) for rule, (_, good) in cases.CASES.items() for name, each in good.items()]


def ids(found):
    return [f"{rule}: {name}" for rule, name, _ in found]


def findings(rule, case):
    return list(BY_NAME[rule].findings(case.resources, case.surroundings))


def test_every_rule_has_what_fails_and_what_passes():
    assert list(cases.CASES) == list(BY_NAME), "cases in the order of the rules"
    assert len(BY_NAME) == len(RULES), "no name twice"
    assert {rule for rule, (bad, good) in cases.CASES.items() if not (bad and good)} == set()
    assert [rule for rule, _, case in FAILING if not case.where] == []
    assert [rule for rule, _, case in PASSING if case.where] == []


@pytest.mark.parametrize(("rule", "name", "case"), FAILING, ids=ids(FAILING))
def test_what_must_not_pass_is_found_where_it_is(rule, name, case):
    found = findings(rule, case)
    assert [fault.where for _, fault in found] == list(case.where)
    assert {resource.urn for resource, _ in found} <= {each.urn for each in case.resources}


@pytest.mark.parametrize(("rule", "name", "case"), PASSING, ids=ids(PASSING))
def test_what_may_pass_is_left_alone(rule, name, case):
    assert findings(rule, case) == []


@pytest.mark.parametrize(("rule", "name", "case"), FAILING, ids=ids(FAILING))
def test_a_message_tells_what_was_found_what_is_allowed_and_what_to_do(rule, name, case):
    for _, fault in findings(rule, case):
        assert fault.found
        assert fault.allowed
        assert fault.remedy
        assert fault.found != fault.allowed
        assert "None" not in str(fault)
        assert "UNKNOWN" not in str(fault)


def test_a_message_tells_what_is_dropped_and_which_namespace_it_is():
    [(_, kept)] = findings("pod-privileges", cases.PRIVILEGED["not all dropped"])
    assert kept.found == "capabilities.drop: NET_RAW"
    found = [
        findings("default-namespace", cases.IN_DEFAULT[each])[0][1].found for each in ("named", "by omission")
    ]
    assert found == ["default", "none, which is default"]


def test_a_message_about_any_pods_and_one_about_some_name_them():
    [(_, some)] = findings("gpu-server-network", cases.GPU["pods of a wider range"])
    [(_, others)] = findings("gpu-server-network", cases.GPU["any pods"])
    assert some.found == "scaler that may reach GPU servers at 10.9.0.0/24"
    assert others.found == "any pods that may reach GPU servers at 10.9.0.0/24"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_what_it_wants_and_is_of_one_kind(rule):
    assert all([rule.title, rule.looks_at, rule.refuses])
    assert (rule.each is None) is not (rule.together is None)


# Pods, wherever they stand

POD_KINDS = {
    "core/v1:Pod": lambda spec: {"spec": spec},
    "core/v1:PodTemplate": lambda spec: {"template": {"spec": spec}},
    "core/v1:ReplicationController": lambda spec: {"spec": {"template": {"spec": spec}}},
    "apps/v1:Deployment": lambda spec: {"spec": {"template": {"spec": spec}}},
    "apps/v1:StatefulSet": lambda spec: {"spec": {"template": {"spec": spec}}},
    "apps/v1:DaemonSet": lambda spec: {"spec": {"template": {"spec": spec}}},
    "apps/v1:ReplicaSet": lambda spec: {"spec": {"template": {"spec": spec}}},
    "batch/v1:Job": lambda spec: {"spec": {"template": {"spec": spec}}},
    "batch/v1:CronJob": lambda spec: {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}},
    "core/v1:PodList": lambda spec: {"items": [{"kind": "Pod", "spec": spec}]},
    "apps/v1:DeploymentPatch": lambda spec: {"spec": {"template": {"spec": spec}}},
    "batch.volcano.sh/v1alpha1:Job": lambda spec: {"spec": {"tasks": [{"template": {"spec": spec}}]}},
    "argoproj.io/v1alpha1:Rollout": lambda spec: {"spec": {"template": {"spec": spec}}},
    "example.dev/v1:Pipeline": lambda spec: {"spec": {"steps": [{"pod": spec}]}},
}


@pytest.mark.parametrize("kind", POD_KINDS)
def test_pods_are_found_wherever_they_are(kind):
    bad = cases.spec(
        cases.container(image="a:1", securityContext={**cases.CONFINED, "privileged": True, "runAsUser": 0}),
        hostNetwork=True,
    )
    case = cases.case(f"kubernetes:{kind}", **POD_KINDS[kind](bad))
    for rule in ("image-digest", "pod-privileges", "pod-host", "pod-root"):
        assert len(findings(rule, case)) == 1, rule
    good = cases.case(f"kubernetes:{kind}", **POD_KINDS[kind](cases.spec()))
    assert [found for rule in BY_NAME if rule != "default-namespace" for found in findings(rule, good)] == []


# Images

NAMES = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+){0,2}(/[a-z0-9]+){0,2}", fullmatch=True)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(NAMES, st.none() | TAGS, HEX)
def test_a_reference_is_pinned_by_a_digest_and_by_nothing_else(name, tag, digest):
    tagged = f"{name}:{tag}" if tag else name
    assert not is_pinned(tagged)
    assert is_pinned(f"{tagged}@sha256:{digest}")
    assert not is_pinned(f"{tagged}@sha256:{digest[1:]}")
    assert not is_pinned(f"{tagged}@sha256:{digest.upper().replace('0', 'A')}")
    assert not is_pinned(f"{tagged}@sha256:{digest}:{tag or 'latest'}")


@given(st.text())
def test_what_is_no_reference_is_not_pinned_and_breaks_nothing(text):
    assert not is_pinned(text.replace("@", ""))
    assert is_pinned(text) is (is_pinned(f"a{text}") and "@" in text)


# Documents of IAM

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("*"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Statement", "Effect", "Action", "Resource", "Principal", "Condition", "StringEquals", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "Effect": st.sampled_from(["Allow", "Deny"]),
            "Action": st.sampled_from(["s3:GetObject", "s3:Get*", "sqs:SendMessage"]),
            "Resource": st.sampled_from([cases.ARN, "arn:aws:sqs:eu-west-1:1:uploads"]),
        }
    ),
    max_size=4,
)


@given(JSON)
def test_no_document_however_odd_breaks_a_rule(body):
    case = cases.case(cases.IAM_POLICY, policy=body, other=cases.json.dumps(body))
    for rule in ("iam-wildcard", "iam-everybody", "public-bucket"):
        findings(rule, case)


@given(STATEMENTS, st.integers(0, 4), st.booleans(), st.lists(st.sampled_from(["a", "policy"]), max_size=3))
def test_a_boundless_statement_is_found_wherever_it_stands(others, place, as_text, path):
    wide = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    found = [*others[:place], wide, *others[place:]]
    inputs = cases.document(*found) if as_text else {"Statement": found}
    for key in path:
        inputs = [{key: inputs}]
    case = cases.case(cases.IAM_POLICY, policy=inputs)
    assert len(findings("iam-wildcard", case)) == 2, "its actions and its resources"
    assert findings("iam-wildcard", cases.case(cases.IAM_POLICY, policy=cases.document(*others))) == []


@given(STATEMENTS)
def test_one_and_a_list_of_one_are_the_same(others):
    for each in others:
        listed = {**each, "Action": [each["Action"]], "Resource": [each["Resource"]]}
        ways = [cases.case(cases.IAM_POLICY, policy={"Statement": way}) for way in (each, [each], [listed])]
        found = [[one.where for one in statements(way.resources[0])] for way in ways]
        assert found[0] == found[1] == found[2] == ([cases.FIRST] if each["Effect"] == "Allow" else [])
