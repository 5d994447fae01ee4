"""Tenants: what is taken and refused, what a quota bounds, how many files are let in, and which images."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.catalog.pools import load_tenants
from headrace.model.errors import ConfigurationError
from headrace.model.images import ImageRule, Pinned, judge_image, parse_image
from headrace.model.tenant import Admission, Quota, Tenant, admit, amount_text

WHOLE = {
    "name": "lab",
    "weight": 2.5,
    "priority": 3,
    "quota": {
        "filesWaiting": 10_000,
        "workers": 40,
        "resources": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 0, "nvidia.com/mig-1g.5gb": 7},
        "gpuShares": {"timeslice": 4, "mps": 8, "mig": 7},
        "remoteGpuSessions": 3,
        "remoteGpuMemory": "40Gi",
    },
    "images": [{"repository": "registry.example/lab/"}],
}


def tenant(**fields: Any) -> Tenant:
    return Tenant.from_json(json.dumps({"name": "lab", **fields}))


def faults(**fields: Any) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        tenant(**fields)
    return {".".join(map(str, each["loc"])) for each in caught.value.errors()}


# The document


def test_a_tenant_is_taken_as_it_is_written():
    read = Tenant.from_json(json.dumps(WHOLE))
    assert (read.name, read.weight, read.priority, read.quota.files_waiting) == ("lab", 2.5, 3, 10_000)
    assert Tenant.from_json(read.to_json()) == read


def test_a_quota_bounds_what_it_names_and_nothing_else():
    assert Tenant.from_json(json.dumps(WHOLE)).quota.bounds == {
        "cpu": 8000, "gpuShares.mig": 7, "gpuShares.mps": 8, "gpuShares.timeslice": 4, "memory": 32 * 2**30,
        "nvidia.com/gpu": 0, "nvidia.com/mig-1g.5gb": 7, "remoteGpuMemory": 40 * 2**30,
        "remoteGpuSessions": 3, "workers": 40,
    }  # fmt: skip
    assert Quota().bounds == {}


def test_a_name_is_enough():
    assert tenant() == Tenant(name="lab", quota=Quota(), weight=1.0, priority=0, images=())


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": "Lab"}, {"name"}),
        ({"weight": 0}, {"weight"}),
        ({"weight": -1, "priority": 2**40}, {"weight", "priority"}),
        ({"quota": {"gpus": 3}}, {"quota.gpus"}),
        ({"quota": {"workers": -1, "filesWaiting": 1.5}}, {"quota.workers", "quota.filesWaiting"}),
        ({"quota": {"gpuShares": {"remote": 3}}}, {"quota.gpuShares.remote.[key]"}),
        ({"quota": {"gpuShares": {"mig": "3"}}}, {"quota.gpuShares.mig"}),
        (
            {"quota": {"resources": {"gpu": 1, "cpu": "x"}, "remoteGpuMemory": "-1"}},
            {"quota.resources.gpu.[key]", "quota.resources.cpu", "quota.remoteGpuMemory"},
        ),
        ({"quota": {"resources": {"nvidia.com/gpu": "0.5"}}}, {"quota.resources"}),
        (
            {"images": [{"repository": "a b"}, {"repository": "a", "digests": ["sha256:1"]}]},
            {"images.0.repository", "images.1.digests.0"},
        ),
    ],
)
def test_every_fault_is_named_with_its_place(fields: dict[str, Any], where: set[str]):
    assert faults(**fields) == where


def test_a_file_holds_several_and_each_fault_is_told_with_its_line(tmp_path):
    file = tmp_path / "tenants.yaml"
    file.write_text("name: lab\nweight: 2\n---\nname: ward\nquota: {workers: 4}\n")
    assert [(each.name, each.weight, each.quota.workers) for each in load_tenants(file)] == [
        ("lab", 2.0, None), ("ward", 1.0, 4),
    ]  # fmt: skip
    file.write_text("name: lab\n---\nname: lab\n---\nname: ward\nweight: none\n")
    with pytest.raises(ConfigurationError) as caught:
        load_tenants(file)
    assert "tenants.yaml:2" in str(caught.value)
    assert "'lab' as the name of another tenant" in str(caught.value)
    assert "tenants.yaml:6" in str(caught.value)
    file.write_text("# nobody\n")
    with pytest.raises(ConfigurationError, match="holds no tenant"):
        load_tenants(file)
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_tenants(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("name", "amount", "text"),
    [("remoteGpuMemory", 40 * 2**30, "40Gi"), ("cpu", 1500, "1500m"), ("workers", 2048, "2048")],
)
def test_amounts_are_told_as_one_writes_them(name: str, amount: int, text: str):
    assert amount_text(name, amount) == text


# Files that arrive


@pytest.mark.parametrize(
    ("most", "waiting", "arriving", "let_in"),
    [(None, 10**6, 10**6, 10**6), (10, 4, 6, 6), (10, 4, 7, 6), (10, 10, 1, 0), (10, 12, 3, 0), (0, 0, 1, 0)],
)
def test_as_many_files_are_let_in_as_the_quota_has_room_for(most, waiting, arriving, let_in):
    found = admit(tenant(quota={} if most is None else {"filesWaiting": most}), waiting, arriving)
    assert (found.files, found.reason == "") == (let_in, let_in == arriving)


def test_a_refusal_says_who_what_is_there_and_what_is_allowed():
    found = admit(tenant(quota={"filesWaiting": 10}), 8, 5)
    assert found == Admission(
        2,
        "tenant lab: found 8 files waiting and 5 arriving, allowed 10 (quota.filesWaiting), so 2 are let in; "
        "wait until some are done, or raise the quota",
    )


@given(st.integers(0, 50), st.integers(0, 100), st.integers(0, 100))
def test_no_more_wait_than_allowed_unless_they_did_before(most, waiting, arriving):
    found = admit(tenant(quota={"filesWaiting": most}), waiting, arriving)
    assert 0 <= found.files <= arriving
    assert waiting + found.files <= max(most, waiting)
    assert found.files == arriving or waiting + found.files >= most, "no room is left unused"


# Images

PIN = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("echo", ("echo", "", "")),
        ("echo:1", ("echo", "1", "")),
        ("registry.example/lab/echo:1.2-x_Y", ("registry.example/lab/echo", "1.2-x_Y", "")),
        ("registry.example:5000/echo", ("registry.example:5000/echo", "", "")),
        (f"localhost/a__b/c-d:v@{PIN}", ("localhost/a__b/c-d", "v", PIN)),
        (f"[::1]:5000/echo@{PIN}", ("[::1]:5000/echo", "", PIN)),
    ],
)
def test_a_name_is_read_in_its_parts(text: str, parts: tuple[str, str, str]):
    found = parse_image(text)
    assert (found.repository, found.tag, found.digest) == parts


@pytest.mark.parametrize(
    "text",
    ["", " echo", "Echo", "echo:", "echo@sha256:1", "a//b", "a/../b", "/a", "a/", "http://a/b", "a:b:c",
     f"echo@{PIN}x", "echo\n", "a" * 256, "é", "registry.example/lab/../other/x"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str):
    with pytest.raises(ValueError, match="allowed an image's name"):
        parse_image(text)


@given(st.text(alphabet="ab/.:@-_*AB1[]", max_size=40))
def test_whatever_is_read_is_the_whole_text(text: str):
    try:
        found = parse_image(text)
    except ValueError:
        return
    tag, digest = found.tag and f":{found.tag}", found.digest and f"@{found.digest}"
    assert found.repository + tag + digest == text


def rule(repository: str, **fields: Any) -> ImageRule:
    return ImageRule.from_json(json.dumps({"repository": repository, **fields}))


@pytest.mark.parametrize(
    ("pattern", "repository", "covered"),
    [
        ("registry.example/lab/echo", "registry.example/lab/echo", True),
        ("registry.example/lab/echo", "registry.example/lab/echo2", False),
        ("registry.example/lab/", "registry.example/lab/echo", True),
        ("registry.example/lab/", "registry.example/lab/deep/echo", True),
        ("registry.example/lab/", "registry.example/labor/echo", False),
        ("registry.example/lab/*", "registry.example/lab/echo", True),
        ("registry.example/lab/*", "registry.example/lab/deep/echo", False),
        ("registry.example/*/echo", "registry.example/lab/echo", True),
        ("registry.example/**/echo", "registry.example/a/b/echo", True),
        ("registry.example/lab-*", "registry.example/lab-1", True),
        ("registry.example", "registryxexample", False),
        ("*", "echo", True),
        ("*", "registry.example/echo", False),
        ("**", "registry.example/echo", True),
        ("registry.example/lab/", "registry.example:443/lab/echo", False),
        ("**a**a**a**a**a**a**a**a**b", "a" * 200, False),  # and in no time
    ],
)
def test_patterns(pattern: str, repository: str, covered: bool):
    assert rule(pattern).covers(repository) is covered


LAB = rule("registry.example/lab/")
TAGGED = rule("registry.example/tools/*", digest="optional")
ONE = rule("registry.example/one", digests=[PIN])


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        (f"registry.example/lab/echo@{PIN}", True),
        (f"registry.example/lab/echo:1@{PIN}", True),
        ("registry.example/lab/echo:1", False),
        ("registry.example/tools/x:1", True),
        ("registry.example/tools/x", True),
        (f"registry.example/one@{PIN}", True),
        (f"registry.example/one@{OTHER}", False),
        ("registry.example/one:1", False),
        (f"elsewhere.example/lab/echo@{PIN}", False),
        (f"lab/echo@{PIN}", False),
        ("registry.example/lab/../x", False),
    ],
)
def test_an_image_is_allowed_by_any_rule(image: str, allowed: bool):
    assert (judge_image(image, (LAB, TAGGED, ONE)) == "") is allowed


def test_without_rules_every_image_is_allowed():
    assert judge_image("anything:at-all", ()) == ""


@pytest.mark.parametrize(
    ("image", "rules", "allowed", "advice"),
    [
        ("registry.example/lab/echo:1", (LAB,), "registry.example/lab/ by digest", "name it by its digest"),
        (
            "elsewhere.example/x:1", (LAB, TAGGED),
            "registry.example/lab/ by digest, registry.example/tools/*", "take one of these",
        ),
        (f"registry.example/one@{OTHER}", (ONE,), f"registry.example/one by {PIN}", "take one of these"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_found_and_what_is_allowed(image: str, rules, allowed: str, advice: str):
    words = f"image: found {image}, allowed {allowed}; {advice}, or have the tenant's images extended"
    assert judge_image(image, rules) == words


def test_what_is_no_name_is_refused_as_such():
    words = "image: found 'a b', allowed an image's name, like registry.example/echo@sha256:…; correct it"
    assert judge_image("a b", (LAB,)) == words


def test_a_rule_asks_for_digests_unless_it_says_otherwise():
    assert (LAB.digest, TAGGED.digest) == (Pinned.REQUIRED, Pinned.OPTIONAL)
