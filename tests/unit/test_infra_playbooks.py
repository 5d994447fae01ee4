"""Playbooks as resources: what makes them run again, what is told of a run, and what is told nowhere."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import ConfigurationError
from headrace.plays.events import HIDDEN, Counts, Ended, Event, Kind, Status, counts, event
from headrace.plays.play import Play
from infra.playbooks import changes, digests, verdict
from infra.playbooks.finding import OWN_COLLECTION, collection_in
from infra.playbooks.playing import Stage, performed, play_of
from infra.playbooks.providing import UNKNOWN, Judge, Player
from infra.playbooks.redaction import LEAST, MARK, redactor
from infra.playbooks.story import Story
from infra.playbooks.telling import Weight

PLAY = Play(
    title="rcuda", playbook="headrace.hosts.rcuda", inventory="hosts.yml", secrets={"token": "hush{{ !"}
)
PROPS = {
    "playbook": "rcuda", "playbook_files": {}, "inventory": {"path": "lab", "files": {"hosts.yml": "1"}},
    "collection": {"roles/rcuda_server": "1"}, "limit": "", "variables": {"port": 8308.0, "flags": ["a"]},
    "secret_variables": {"token": "hush{{ !"}, "triggers": [], "on_destroy": "", "timeout_seconds": 60.0,
    "vault_password_file": "", "collections": "", "folder": "/project", "urn": "urn",
}  # fmt: skip
SERVER = {
    "apiVersion": "headrace.dev/v1alpha1", "kind": "GpuServer", "metadata": {"name": "gpu1"},
    "spec": {
        "address": "10.0.0.1", "port": 8308, "backend": "rcuda", "maxSessions": 2,
        "devices": [{"model": "T4", "memory": "16Gi"}],
    },
}  # fmt: skip


def spec():
    return {**SERVER["spec"], "nodeSelector": {}}


def tree(top: Path, **files: str) -> Path:
    for name, text in files.items():
        path = top / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return top


# What makes a playbook run again


def test_an_inventorys_file_is_told_with_the_variables_beside_it(tmp_path):
    top = tree(tmp_path, hosts="a", group_vars__all="b", host_vars__gpu1__main="c", other="d")
    found = digests.inventory(top / "hosts")
    assert set(found) == {"hosts", "group_vars/all", "host_vars/gpu1/main"}
    tree(top, host_vars__gpu1__main="changed", other="changed")
    after = digests.inventory(top / "hosts")
    assert [name for name in found if found[name] != after[name]] == ["host_vars/gpu1/main"]


def test_an_inventorys_folder_is_told_as_a_whole_but_for_leavings(tmp_path):
    top = tree(tmp_path, hosts="a", more__hosts="b", hosts2="c")
    for leaving in ("hosts.retry", ".hosts.swp", "hosts~"):
        (top / leaving).write_text("gpu1")
    assert set(digests.inventory(top)) == {"hosts", "hosts2", "more/hosts"}


def test_a_playbooks_file_is_told_with_the_roles_beside_it(tmp_path):
    top = tree(tmp_path, roles__own__tasks__main="a", notes="b")
    (top / "site.yml").write_text("- hosts: all")
    assert set(digests.playbook(top / "site.yml")) == {"site.yml", "roles/own/tasks/main"}


def test_the_collection_is_told_by_role_and_playbook_and_not_by_what_is_written_about_it(tmp_path):
    top = tree(tmp_path, roles__one__tasks__main="a", roles__two__tasks__main="b", galaxy="1", tests__x="t")
    (top / "roles" / "one" / "README.md").write_text("before")
    before = digests.collection(top)
    assert set(before) == {"roles/one", "roles/two"}
    (top / "roles" / "one" / "README.md").write_text("after")
    assert digests.collection(top) == before
    tree(top, roles__two__tasks__main="changed")
    assert [name for name in before if before[name] != digests.collection(top)[name]] == ["roles/two"]


def test_the_checkouts_own_collection_is_there():
    assert "roles/rcuda_server" in digests.collection(collection_in(None))


@pytest.mark.parametrize("look", [digests.inventory, digests.playbook, digests.collection])
def test_what_is_not_there_is_told_before_anything_runs(look, tmp_path):
    with pytest.raises(ConfigurationError, match=r"found nothing at .*nowhere.* allowed .*; write where"):
        look(tmp_path / "nowhere")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
VARIABLES = st.dictionaries(st.text("abc", min_size=1, max_size=3), JSON, max_size=4)


@given(VARIABLES)
def test_the_same_inputs_make_nothing_run(variables):
    props = {**PROPS, "variables": variables}
    assert changes.reasons(props, json.loads(json.dumps(props))) == []


@given(VARIABLES, VARIABLES)
def test_a_change_is_named_by_the_variable_that_differs_and_by_no_other(old, new):
    named = changes.reasons({**PROPS, "variables": old}, {**PROPS, "variables": new})
    differing = {
        f"variables.{name}"
        for name in {*old, *new}
        if json.dumps(old.get(name), sort_keys=True) != json.dumps(new.get(name), sort_keys=True)
    }
    assert {".".join(each.split(".")[:2]) for each in named} == differing


@given(VARIABLES)
def test_numbers_come_off_the_wire_as_they_went_on_it(variables):
    def sent(value):
        if isinstance(value, dict):
            return {key: sent(each) for key, each in value.items()}
        if isinstance(value, list):
            return [sent(each) for each in value]
        return float(value) if type(value) is int else value

    assert json.dumps(changes.whole(sent(variables))) == json.dumps(variables)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"inventory": {"path": "lab", "files": {"hosts.yml": "2"}}}, ["inventory.files.hosts.yml"]),
        ({"collection": {"roles/rcuda_server": "2"}}, ["collection.roles/rcuda_server"]),
        ({"secret_variables": {"token": "other"}}, ["secret_variables.token"]),
        ({"triggers": ["1"]}, ["triggers"]),
        ({"limit": "gpu1"}, ["limit"]),
        ({"folder": "/elsewhere", "urn": "other"}, []),
        ({"timeout_seconds": 90, "vault_password_file": "there", "on_destroy": "end.yml"}, []),
    ],
)
def test_what_a_host_can_notice_makes_it_run(change, named):
    assert changes.reasons(PROPS, {**PROPS, **change}) == named
    assert Player().diff("id", PROPS, {**PROPS, **change}).changes is bool(named or "on_destroy" in change)


def test_a_run_that_failed_is_made_again_though_nothing_changed():
    assert changes.reasons({**PROPS, "fault": "gpu1 failed"}, PROPS) == ["the last run failed"]


def test_what_only_has_to_be_noted_is_noted_without_a_run():
    done = {**PROPS, "hosts": {}, "fault": ""}
    noted = Player().update("id", done, {**PROPS, "on_destroy": "end.yml"}).outs
    assert noted == {**done, "on_destroy": "end.yml"}


def test_without_a_playbook_for_the_end_hosts_stay_as_they_are():
    Player().delete("id", PROPS)


def test_inputs_become_a_play_with_whole_numbers_and_absolute_paths():
    assert play_of(PROPS, "rcuda") == Play(
        title="rcuda",
        playbook="headrace.hosts.rcuda",
        inventory="/project/lab",
        variables={"port": 8308, "flags": ["a"]},
        secrets={"token": "hush{{ !"},
        collection=str(OWN_COLLECTION),
        timeout_seconds=60,
    )
    other = play_of({**PROPS, "collections": "there", "inventory": {"inline": {"all": {}}}}, "own/site.yml")
    assert (other.playbook, other.inventory) == ("/project/own/site.yml", {"all": {}})
    assert (other.collection, other.collections) == ("", "/project/there")


# What is told nowhere

SECRET = st.text(min_size=LEAST, max_size=30).filter(lambda text: len(text.strip()) >= LEAST)


@given(st.lists(SECRET, min_size=1, max_size=3), st.data())
def test_no_secret_is_left_in_a_message(secrets, data):
    printed = {
        form
        for each in secrets
        for form in (each, json.dumps(each), repr(each), base64.b64encode(each.encode()).decode())
    }
    parts = data.draw(st.lists(st.sampled_from(sorted(printed)) | st.text(max_size=5), max_size=8))
    text = redactor({str(number): each for number, each in enumerate(secrets)})("".join(parts))
    assert [each for each in secrets for part in text.split(MARK) if each in part] == []


def test_what_is_no_secret_stays():
    assert redactor({})("all of it") == redactor({"token": "hush!"})("all of it") == "all of it"


def test_each_line_of_a_key_is_kept_out():
    key = "-----BEGIN KEY-----\nAAAAbbbb\nCCCCdddd\n-----END KEY-----\n"
    assert (
        redactor({"nested": {"keys": [key]}})("error in line CCCCdddd of it") == f"error in line {MARK} of it"
    )


def test_a_secret_too_short_to_be_kept_out_is_refused_without_its_value():
    (failure,) = (
        Player()
        .check({}, {**PROPS, "secret_variables": {"pin": {"a": "abc"}, "token": "long enough"}})
        .failures
    )
    assert failure.property == "", "Pulumi prints a property's value"
    assert failure.reason.startswith("secret variable pin: found a value of fewer than 4 characters")
    assert "abc" not in failure.reason


# What is told


def raw(name: str, **data: object) -> dict[str, object]:
    return {"event": name, "event_data": {"task": "Unpack", "role": "rcuda_server", "host": "gpu1", **data}}


@pytest.mark.parametrize(
    ("given_event", "found"),
    [
        (raw("playbook_on_start"), None),
        (raw("runner_on_start"), None),
        (raw("runner_on_ok", res={"changed": True}), (Kind.CHANGED, "")),
        (raw("runner_on_ok", res={}), (Kind.OK, "")),
        (raw("runner_on_skipped", res={}), (Kind.SKIPPED, "")),
        (raw("runner_on_failed", res={"msg": "no"}, ignore_errors=True), None),
        (raw("runner_on_failed", res={"msg": "no"}), (Kind.FAILED, "no")),
        (raw("runner_on_failed", res={"msg": "rc 1", "stderr": "a\nwhy\n"}), (Kind.FAILED, "rc 1 (why)")),
        (raw("runner_on_failed", res={"censored": "hidden"}), (Kind.FAILED, HIDDEN)),
        (
            raw(
                "runner_on_failed",
                res={"msg": "All items", "results": [{"failed": True, "msg": "b"}, {"msg": "c"}]},
            ),
            (Kind.FAILED, "b"),
        ),
        (raw("runner_on_unreachable", res={"msg": "timed out"}), (Kind.UNREACHABLE, "timed out")),
    ],
)
def test_events_of_ansible_are_told_in_ours(given_event, found):
    told = event(given_event)
    assert (None if told is None else (told.kind, told.message)) == found
    assert told is None or told.task == "rcuda_server : Unpack"


def test_hosts_are_counted_as_ansible_counts_them():
    stats = {
        "processed": {"a": 1, "b": 1},
        "ok": {"a": 3},
        "changed": {"a": 1},
        "failures": {"a": 1},
        "dark": {"b": 1},
    }
    assert counts(stats) == {"a": Counts(ok=3, changed=1, failed=1), "b": Counts(unreachable=1)}


def story(*ends: tuple[str, Kind]) -> Story:
    told = Story().after(Event(kind=Kind.TASK, task="Unpack"))
    for host, kind in ends:
        told = told.after(Event(kind=kind, task="Unpack", host=host, message=f"{host} is full"))
    return told


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        ([], ""),
        ([("a", Kind.OK), ("b", Kind.SKIPPED)], ""),
        ([("a", Kind.CHANGED), ("b", Kind.OK), ("c", Kind.OK)], "Unpack: changed a; 2 as wished"),
        ([("a", Kind.FAILED), ("b", Kind.UNREACHABLE)], "Unpack: failed on a; did not reach b"),
        ([(each, Kind.CHANGED) for each in "gfedcba"], "Unpack: changed a, b, c, d and 3 more"),
    ],
)
def test_a_task_is_one_line_where_something_happened(ends, line):
    assert story(*ends).line() == line


@given(st.lists(st.tuples(st.sampled_from("abcdefghi"), st.sampled_from([*Kind][1:])), max_size=30))
def test_a_line_is_short_however_many_hosts_there_are(ends):
    assert len(story(*ends).line()) < 150


def ended(status: Status = Status.FAILED, output: str = "", **hosts: Counts) -> Ended:
    return Ended(status=status, hosts=hosts, output=output)


def test_a_fault_names_each_host_with_what_its_task_said_and_what_to_do():
    end = ended(a=Counts(ok=3, failed=1), b=Counts(unreachable=1), c=Counts(ok=9))
    assert verdict.fault(PLAY, end, story(("a", Kind.FAILED), ("b", Kind.UNREACHABLE), ("c", Kind.OK))) == (
        "playbook rcuda: 2 of 3 hosts failed\n"
        "  a failed at 'Unpack': a is full\n"
        "  b was not reached: b is full\n"
        f"{verdict.REMEDY}"
    )


def test_a_failure_that_was_rescued_is_no_fault():
    end = ended(Status.SUCCESSFUL, a=Counts(ok=3))
    assert verdict.fault(PLAY, end, story(("a", Kind.FAILED))) == ""


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ended(Status.SUCCESSFUL), "found no host for it in the inventory, allowed one or more"),
        (
            ended(Status.SUCCESSFUL, "[WARNING]: Unable to parse it\nPLAY"),
            "group there\n  [WARNING]: Unable to",
        ),
        (ended(output="ERROR! no such role\n"), "could not be run\n  ERROR! no such role"),
        (ended(Status.TIMEOUT), "did not end within 3600 s (timeoutSeconds) and was ended at 'One'"),
        (ended(Status.CANCELED), "was broken off at 'One'"),
        (ended(Status.ERROR, "exit code 1"), "could not be run\n  exit code 1"),
    ],
)
def test_a_run_that_is_no_single_hosts_fault_says_what_it_was(end, told):
    assert told in verdict.fault(PLAY, end, Story(task="One"))


def test_gpu_servers_are_read_from_what_a_play_wrote():
    second = {**SERVER, "metadata": {"name": "gpu1-1"}}
    text = f"# Ansible managed\n---\n{json.dumps(SERVER)}\n---\n{json.dumps(second)}\n"
    assert verdict.gpu_servers({"gpu1.yaml": text}) == {"gpu1": spec(), "gpu1-1": spec()}


@pytest.mark.parametrize("text", ["a: [", json.dumps({**SERVER, "kind": "Pod"}), "text"])
def test_a_manifest_that_is_none_is_a_fault_with_the_files_name(text):
    with pytest.raises(verdict.UnreadableError, match=r"gpu1\.yaml, written by the play"):
        verdict.gpu_servers({"gpu1.yaml": text})


# A run as a whole


def run(*told: Event | Ended, ticks: float = 10.0):
    said, times = [], iter(range(1000))

    def start(_: Play) -> Iterator[Event | Ended]:
        yield from told

    stage = Stage(start, lambda text, weight: said.append((weight, text)), lambda: next(times) * ticks)
    return performed(PLAY, stage, lambda: "now"), said


def task(name: str) -> Event:
    return Event(kind=Kind.TASK, task=name)


def test_a_run_is_told_while_it_goes_on_and_handed_out_at_its_end():
    done, said = run(
        task("One"),
        Event(kind=Kind.OK, task="One", host="a"),
        task("Two"),
        Event(kind=Kind.CHANGED, task="Two", host="a"),
        Ended(
            status=Status.SUCCESSFUL,
            hosts={"a": Counts(ok=2, changed=1)},
            written={"g.yaml": json.dumps(SERVER)},
        ),
    )
    assert done == {
        "hosts": {"a": {"ok": 2, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 0}},
        "manifests": {"gpu1": spec()},
        "ended": "now",
        "fault": "",
    }
    assert said == [
        (Weight.PASSING, "now: One"),
        (Weight.PASSING, "now: Two"),
        (Weight.LASTING, "Two: changed a"),
        (Weight.LASTING, "1 host: changed something on a"),
    ]


def test_tasks_in_which_nothing_happens_are_not_told_one_by_one():
    done, said = run(*(task(str(n)) for n in range(100)), ended(Status.SUCCESSFUL, a=Counts(ok=1)), ticks=0.1)
    assert done["fault"] == ""
    assert len(said) < 20


def test_no_secret_is_in_what_is_told_or_handed_out_not_even_half_of_one():
    long = "x" * 1495
    done, said = run(
        task("Say hush{{ !"),
        Event(kind=Kind.FAILED, task="Say hush{{ !", host="a", message=f"{long}hush{{{{ ! and more"),
        Ended(status=Status.FAILED, hosts={"a": Counts(failed=1)}, output="hush{{ !"),
    )
    assert "hus" not in f"{done}{said}"
    assert f"failed at 'Say {MARK}'" in done["fault"]


def test_a_run_without_an_end_is_a_fault():
    assert "could not be run" in run(task("One"))[0]["fault"]


# The outcome


def judged(**news: object) -> list[str]:
    return [each.reason for each in Judge().check({}, {"manifests": {}, "wanted": [], **news}).failures]


def test_nothing_comes_after_a_run_that_failed():
    assert judged(fault="gpu1 failed") == ["gpu1 failed"]
    assert judged(fault="") == judged(fault=UNKNOWN, manifests=UNKNOWN, wanted=["gpu1"]) == []


def test_a_gpu_server_that_nothing_wrote_is_told_with_those_that_are_there():
    (told,) = judged(fault="", wanted=["gpu1", "gpu2"], manifests={"gpu1": {}})
    assert told.startswith(
        "hosts.gpuServers: found gpu2, which no playbook wrote a GpuServer for, allowed gpu1;"
    )


def test_an_outcome_is_kept_until_other_servers_are_written():
    made = Judge().create({"fault": "", "manifests": {"gpu1": {}}, "wanted": []}).outs
    assert Judge().diff("id", made, dict(made)).changes is False
    assert Judge().diff("id", made, {**made, "manifests": {"gpu2": {}}}).changes is True
