"""What each address answers, in memory: page, document, actions, and their refusals."""

import gzip
import json
import logging

import pytest

from headrace.model.errors import TransientError
from headrace.model.node import NodeState
from headrace.model.status_page import Names, StatusSettings
from headrace.status.page.joining import joined
from tests.fixtures.world import NOW
from tests.unit.status_bench import BEARER, STATUS, TOKEN, Bench, node, plan, story

JSON = {"Content-Type": "application/json"}


async def _failed(bench: Bench, *, log: str = "it broke\n"):
    await bench.world.open()
    task = await bench.world.upload("echo/patient-7.dcm")
    await bench.world.fail(task, reason="patient-7 has no view", log=log)
    await bench.look()
    return task


async def test_the_page_is_one_file_under_a_policy_that_names_no_other_host():
    bench = Bench()
    async with bench.client() as client:
        found = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": found.headers["etag"]})
    policy = found.headers["content-security-policy"]
    assert (found.status_code, found.content) == (200, joined().body)
    assert found.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/status.json", "/session.json", "/nowhere", "/actions/pause"])
async def test_every_answer_bounds_what_a_browser_does_with_it(path):
    bench = Bench()
    await bench.look()
    async with bench.client() as client:
        headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_the_document_is_compressed_and_not_sent_again_to_who_has_it():
    bench = Bench()
    await bench.look()
    async with bench.client() as client:
        plain = await client.get("/status.json", headers={"Accept-Encoding": "identity"})
        packed = await client.get("/status.json", headers={"Accept-Encoding": "gzip"})
        again = await client.get("/status.json", headers={"If-None-Match": plain.headers["etag"]})
        await bench.look()
        later = await client.get("/status.json", headers={"If-None-Match": plain.headers["etag"]})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, 5, mtime=0))
    assert (again.status_code, later.status_code) == (304, 200)


async def test_before_the_first_look_it_is_not_ready_and_says_when_to_ask_again():
    bench = Bench()
    async with bench.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        found = await client.get("/status.json")
        assert (found.status_code, found.headers["retry-after"]) == (503, "2")
        await bench.look()
        assert (await client.get("/readyz")).json() == {"status": "ok"}


async def test_ready_tells_what_is_unknown_nevertheless():
    bench = Bench()
    bench.plan = TransientError("the scaler is away")
    await bench.look()
    async with bench.client() as client:
        assert (await client.get("/readyz")).json() == {"status": "ok", "remark": "plan: the scaler is away"}


async def test_a_viewer_sees_a_failed_file_and_may_not_read_its_log():
    bench = Bench()
    task = await _failed(bench)
    async with bench.client() as client:
        (failed,) = (await client.get("/status.json")).json()["failed"]["items"]
        refused = await client.get(f"/{failed['log']}")
        told = await client.get(f"/{failed['log']}", headers=BEARER)
    assert failed["key"] == "echo/patient-7.dcm"
    assert refused.status_code == 401
    assert "it broke" not in refused.text
    found = told.json()
    assert (found["text"], found["cut"], found["reason"]) == ("it broke\n", False, "patient-7 has no view")
    assert (found["task"], found["key"]) == (task.id, "echo/patient-7.dcm")


async def test_where_names_are_hidden_a_viewer_sees_only_that_files_failed():
    bench = Bench(settings=STATUS.model_copy(update={"names": Names.HIDDEN}))
    await _failed(bench)
    async with bench.client() as client:
        hidden = await client.get("/status.json")
        shown = await client.get("/status.json", headers=BEARER)
        session = (await client.get("/session.json")).json()
    assert "patient-7" not in hidden.text
    assert hidden.json()["failed"]["total"] == 1
    assert hidden.json()["stack"]["namesHidden"] is True
    assert shown.json()["failed"]["items"][0]["key"] == "echo/patient-7.dcm"
    assert shown.json()["stack"]["namesHidden"] is False
    assert session == {"login": "token", "user": None, "may": []}


@pytest.mark.parametrize(
    "path",
    [
        "/failed/echo/" + "0" * 32 + "/log",
        "/failed/echo/..%2F..%2Fsecrets/log",
        "/failed/other/" + "0" * 32 + "/log",
        "/nodes/gpu-9.json",
    ],
)
async def test_what_is_not_there_is_404_with_the_reason(path):
    bench = Bench()
    await _failed(bench)
    async with bench.client(**BEARER) as client:
        found = await client.get(path)
    assert found.status_code == 404
    assert found.json()["reason"]


async def test_a_long_log_is_cut_at_its_beginning():
    bench = Bench()
    task = await _failed(bench, log="x" * 100_000 + "the end")
    async with bench.client(**BEARER) as client:
        found = (await client.get(f"/failed/echo/{task.id}/log")).json()
    assert (found["cut"], len(found["text"]), found["text"][-7:]) == (True, 64_000, "the end")


async def test_a_failed_file_is_replayed_by_who_has_the_token(caplog):
    bench = Bench()
    task = await _failed(bench)
    with caplog.at_level(logging.INFO):
        async with bench.client(**BEARER) as client:
            done = await client.post("/actions/replay", json={"function": "echo", "task": task.id})
    assert done.json() == {
        "action": "replay",
        "subject": "echo",
        "changed": 1,
        "left": 0,
        "message": "1 file of echo queued again",
    }
    document = await bench.look()
    assert (document["failed"]["total"], document["totals"]["waiting"]) == (0, 1)
    (line,) = [each for each in caplog.records if getattr(each, "action", "") == "status.replay"]
    assert (line.user, line.subject) == ("who has the token", "echo")


async def test_all_failed_files_of_a_function_are_replayed_at_once():
    bench = Bench()
    await bench.world.open()
    for number in range(3):
        await bench.world.fail(await bench.world.upload(f"echo/{number}.dcm"))
    await bench.look()
    async with bench.client(**BEARER) as client:
        done = (await client.post("/actions/replay", json={"function": "echo"})).json()
    assert (done["changed"], done["message"]) == (3, "3 files of echo queued again")


async def test_a_function_is_paused_and_resumed():
    bench = Bench()
    await bench.world.open()
    await bench.look()
    async with bench.client(**BEARER) as client:
        first = (await client.post("/actions/pause", json={"function": "echo"})).json()
        paused = await bench.look()
        again = (await client.post("/actions/pause", json={"function": "echo"})).json()
        resumed = (await client.post("/actions/resume", json={"function": "echo"})).json()
    assert (first["changed"], first["message"]) == (1, "echo is paused: its files wait (0 wait)")
    assert paused["functions"]["items"][0]["paused"] is True
    assert (again["changed"], again["left"]) == (0, 1)
    assert (resumed["changed"], (await bench.look())["functions"]["items"][0]["paused"]) == (1, False)


async def test_a_node_is_disabled_and_enabled_where_its_scaler_reads_it():
    bench = Bench()
    bench.plan = plan(story(), node("gpu-0", NodeState.IDLE))
    await bench.look()
    async with bench.client(**BEARER) as client:
        found = (await client.post("/actions/disable", json={"node": "gpu-0"})).json()
        first = dict(bench.wishes)
        await client.post("/actions/enable", json={"node": "gpu-0"})
        unknown = await client.post("/actions/disable", json={"node": "gpu-9"})
    assert found["changed"] == 1
    assert "takes no new work" in found["message"]
    assert (first, bench.wishes) == ({"gpu-0": ("gpu", False)}, {"gpu-0": ("gpu", True)})
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "node 'gpu-9' is not known; known: gpu-0")


@pytest.mark.parametrize(
    ("action", "sent", "status", "says"),
    [
        ("pause", {"function": "other"}, 404, "function 'other' is not installed; installed: echo"),
        ("pause", {}, 400, "faulty are: function; allowed is a JSON object with function, task"),
        ("pause", {"function": "echo", "more": 1}, 400, "faulty are: more"),
        ("pause", {"function": "echo", "task": "0" * 32}, 400, "allowed with replay alone"),
        ("replay", {"function": "echo", "task": "0" * 32}, 404, "has no failure record of task"),
        ("purge", {"function": "echo"}, 404, "allowed: replay, pause, resume, enable, disable"),
        ("logs", {}, 404, "allowed: replay"),
        ("pause", {"function": "x" * 5000}, 413, "allowed 4096"),
    ],
)
async def test_what_can_t_be_done_is_answered_with_the_reason(action, sent, status, says):
    bench = Bench()
    await bench.world.open()
    await bench.look()
    async with bench.client(**BEARER) as client:
        found = await client.post(f"/actions/{action}", json=sent)
    assert (found.status_code, says in found.json()["reason"]) == (status, True), found.text
    assert found.json()["message"] == found.json()["reason"]


@pytest.mark.parametrize(
    ("headers", "settings", "status"),
    [
        ({}, STATUS, 401),
        ({"Authorization": "Bearer wrong"}, STATUS, 401),
        (BEARER, StatusSettings(port=1), 401),
        ({**BEARER, "Content-Type": "text/plain"}, STATUS, 415),
    ],
)
async def test_without_the_right_to_it_nothing_is_done(headers, settings, status):
    bench = Bench(settings=settings)
    await bench.world.open()
    await bench.look()
    async with bench.client() as client:
        found = await client.post(
            "/actions/pause", content=b'{"function": "echo"}', headers={**JSON, **headers}
        )
    assert found.status_code == status
    assert not (await bench.queue.backlog("echo")).paused


async def test_an_action_while_the_store_is_away_is_told_as_that():
    bench = Bench()
    task = await _failed(bench)

    class Away:
        def __getattr__(self, name):
            raise TransientError("the queue does not answer")

    bench.through(Away())
    await bench.look()
    async with bench.client(**BEARER) as client:
        found = await client.post("/actions/replay", json={"function": "echo", "task": task.id})
    assert (found.status_code, found.json()["reason"]) == (503, "the queue does not answer")


async def test_one_node_is_told_with_all_its_runs():
    bench = Bench()
    bench.plan = plan(node("gpu-0", NodeState.BOOTING, since=NOW - 60))
    await bench.look()
    bench.plan = plan(node("gpu-0", NodeState.BUSY, since=NOW, workers={"echo": 2}), at=NOW + 1)
    await bench.look()
    async with bench.client() as client:
        found = (await client.get("/nodes/gpu-0.json")).json()
    assert found["runs"] == [
        {"state": "booting", "start": NOW - 60},
        {"state": "busy", "start": NOW},
    ]
    assert (found["workers"], found["pool"]) == ({"echo": 2}, "gpu")


async def test_the_token_is_in_no_answer_and_no_log(caplog):
    bench = Bench()
    await _failed(bench)
    with caplog.at_level(logging.DEBUG):
        async with bench.client(**BEARER) as client:
            answers = [await client.get(path) for path in ("/", "/status.json", "/session.json", "/x")]
            answers.append(await client.post("/actions/pause", json={"function": "other"}))
    assert TOKEN not in "".join(each.text for each in answers)
    assert TOKEN not in caplog.text
    assert json.loads(answers[2].text)["user"] == "who has the token"
