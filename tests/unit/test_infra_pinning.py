"""A stack stays on its cluster and under its names: what Pulumi is answered when it asks."""

import pytest

from headrace.model.errors import TransientError
from infra.pinning.providing import Keeper, Pinner
from infra.pinning.tenants import Leavings

FIRST, OTHER = "1111-1111", "2222-2222"


class Known(Pinner):
    """A look at a cluster that needs none."""

    def __init__(self, uid: str) -> None:
        super().__init__()
        self.uid = uid

    def read_uid(self, props):
        if not self.uid:
            raise TransientError("no answer")
        return self.uid


def inputs(expected="", **more):
    return {"kubeconfig": "/k", "context": "box", "expected": expected, "uid": None, "names": {}, **more}


@pytest.mark.parametrize(
    ("found", "before", "expected", "refused"),
    [
        (FIRST, {}, "", False),
        (FIRST, {}, FIRST, False),
        (OTHER, {}, FIRST, True),
        (FIRST, {"uid": FIRST}, "", False),
        (OTHER, {"uid": FIRST}, "", True),
        (OTHER, {"uid": FIRST}, OTHER, False),  # a person says that it was built anew
        (OTHER, {"uid": OTHER}, FIRST, True),
    ],
)
def test_a_cluster_is_taken_the_first_time_or_where_it_is_the_one(found, before, expected, refused):
    answer = Known(found).check(before, inputs(expected))
    assert answer.inputs["uid"] == found
    assert bool(answer.failures) is refused
    if refused:
        (failure,) = answer.failures
        assert f"found uid {found}" in failure.reason
        assert f"allowed {expected or before['uid']}" in failure.reason
        assert f"pulumi config set clusterUid {found}" in failure.reason


def test_a_cluster_that_can_not_be_seen_is_refused_with_the_reason():
    (failure,) = Known("").check({"uid": FIRST}, inputs()).failures
    assert failure.reason == "the cluster can't be looked at: no answer"


def test_what_comes_last_makes_nothing_and_never_changes():
    made = Keeper().create({})
    assert (made.id, made.outs) == ("last", {})
    assert Keeper().diff(made.id, {}, {}).changes is False


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        ({}, {"namespace": "a"}, []),
        ({"namespace": "a"}, {"namespace": "a"}, []),
        (
            {"namespace": "a", "platformBucket.name": "x"},
            {"namespace": "b", "platformBucket.name": "y"},
            ["b", "y"],
        ),
        ({"namespace": "a"}, {}, []),  # it is no longer protected
    ],
)
def test_names_of_a_protected_stack_stay(before, now, refused):
    answer = Known(FIRST).check({"uid": FIRST, "names": before}, inputs(names=now))
    assert [
        each.reason.partition(", allowed")[0].split()[-1].strip("'") for each in answer.failures
    ] == refused
    assert answer.inputs["names"] == now


def test_another_path_to_the_same_cluster_is_noted_and_nothing_else_changes():
    before, after = inputs(uid=FIRST), inputs(uid=FIRST, kubeconfig="/elsewhere")
    assert Pinner().diff("id", before, before).changes is False
    told = Pinner().diff("id", before, after)
    assert (told.changes, told.replaces) == (True, None)
    assert Pinner().update("id", before, after).outs == after


@pytest.mark.parametrize("found", [OTHER, ""])
def test_nothing_is_deleted_or_read_anew_on_another_cluster(found):
    for step in ("delete", "read"):
        with pytest.raises(RuntimeError, match=r"another cluster than this stack's|can't be looked at"):
            getattr(Known(found), step)("id", inputs(uid=FIRST))


def test_its_own_cluster_is_let_go():
    Known(FIRST).delete("id", inputs(uid=FIRST))
    assert Known(FIRST).read("id", inputs(uid=FIRST)).outs["uid"] == FIRST
    assert Known(FIRST).create(inputs(uid=FIRST)).id == FIRST


# Tenants that are taken out


class Seen(Leavings):
    """A look at a cluster that needs none: what each tenant has left; None: no answer."""

    def __init__(self, **left) -> None:
        super().__init__()
        self.left = left

    def read_left(self, _props, tenant):
        if self.left[tenant] is None:
            raise TransientError("no answer")
        return self.left[tenant]


def of(*tenants):
    return {"kubeconfig": "/k", "context": "box", "tenants": list(tenants)}


@pytest.mark.parametrize(
    ("before", "now", "left", "told"),
    [
        pytest.param({}, of("lab"), {}, [], id="the first time"),
        pytest.param(of("lab"), of("lab", "ward"), {}, [], id="one more"),
        pytest.param(of("lab", "ward"), of("ward"), {"lab": []}, [], id="one less, that left nothing"),
        pytest.param(
            of("lab", "ward"), of(), {"lab": ["functions/echo", "buckets/uploads"], "ward": []},
            ["tenants.lab: found it taken out with functions/echo, buckets/uploads in its namespace"],
            id="the one of two that left something",
        ),
        pytest.param(
            of("lab"), of(), {"lab": None},
            ["tenants.lab: found it taken out, and its namespace can't be looked at: no answer"],
            id="nobody can look",
        ),
    ],
)  # fmt: skip
def test_a_tenant_is_taken_out_where_it_left_nothing(before, now, left, told):
    answer = Seen(**left).check(before, now)
    assert [each.reason.partition(", allowed")[0] for each in answer.failures] == told
    assert answer.inputs == now
    assert Leavings().diff("id", before, now).changes is (before != now)
