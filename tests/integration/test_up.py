"""`headrace up` as a process: any S3 client uses it, it ends cleanly, and it comes back after kill -9."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

WAIT_SECONDS = 90.0

FUNCTION = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {{name: {name}}}
spec:
  run: {{script: script.sh}}
  input: [{{bucket: {bucket}, prefix: in/}}]
  output: [{{bucket: results, prefix: out/}}]
  scale: {{idleSeconds: 1}}
"""
SCRIPT = '#!/bin/sh\ntr a-z A-Z < "$INPUT_FILE_PATH" > "$TMP_OUTPUT_DIR/$(basename "$INPUT_FILE_PATH")"\n'


def write_function(functions: Path, name: str, bucket: str, more: str = "") -> None:
    folder = functions / name
    folder.mkdir(parents=True)
    (folder / "script.sh").write_text(SCRIPT)
    (folder / "function.yaml").write_text(FUNCTION.format(name=name, bucket=bucket) + more)


def poll(what: str, found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline, f"no {what} after {WAIT_SECONDS:g} s"
        time.sleep(0.1)
    return value


@dataclass
class Up:
    """A `headrace up` that a test starts, ends and starts again on one state."""

    state: Path
    functions: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self) -> list[str]:
        options = ["--state", str(self.state), "--functions", str(self.functions), "--workers", "2"]
        return [sys.executable, "-c", "from headrace.cli.main import run; run()", "up", *options]

    def start(self) -> subprocess.Popen[bytes]:
        with (self.state.parent / "up.log").open("ab") as log:
            process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        self.processes.append(process)
        poll("stack.json of this process", lambda: self.told().get("pid") == process.pid)
        return process

    def told(self) -> dict[str, Any]:
        """What stack.json says; nothing while there is none."""
        try:
            return dict(json.loads((self.state / "stack.json").read_bytes()))
        except FileNotFoundError:
            assert all(p.poll() is None for p in self.processes[-1:]), self.printed()
            return {}

    def headrace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command on the same state."""
        entry = [sys.executable, "-c", "from headrace.cli.main import run; run()"]
        command = [*entry, *arguments, "--state", str(self.state)]
        return subprocess.run(command, capture_output=True, timeout=WAIT_SECONDS, check=False, text=True)

    def explained(self, *arguments: str) -> dict[str, Any]:
        """What `headrace explain --json` says."""
        found = self.headrace("explain", *arguments, "--json")
        assert found.returncode == 0, found.stderr
        return dict(json.loads(found.stdout))

    def printed(self) -> str:
        return (self.state.parent / "up.log").read_text()

    def client(self) -> Any:
        """boto3, told of the stack only by the variables in s3.env."""
        found = re.findall(r"^export (\w+)=(.*)$", (self.state / "s3.env").read_text(), re.M)
        v = {name: shlex.split(value)[0] for name, value in found}
        return boto3.client(
            "s3", endpoint_url=v["AWS_ENDPOINT_URL"], aws_access_key_id=v["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=v["AWS_SECRET_ACCESS_KEY"], region_name=v["AWS_DEFAULT_REGION"],
        )  # fmt: skip

    def result(self, key: str) -> bytes:
        """A result's bytes, once it is there."""

        def found() -> bytes | None:
            try:
                return bytes(self.client().get_object(Bucket="results", Key=key)["Body"].read())
            except (ClientError, BotoCoreError):
                return None

        return bytes(poll(f"result {key}: {self.printed()[-2000:]}", found))

    def no_longer_runs(self, pids: list[int]) -> bool:
        return not any(psutil.pid_exists(pid) and _is_ours(pid) for pid in pids)


def _is_ours(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    write_function(tmp_path / "functions", "upper", "uploads")
    stack = Up(tmp_path / "state", tmp_path / "functions")
    yield stack
    for process in stack.processes:
        process.kill()
        process.wait()


def test_a_file_put_by_any_s3_client_gives_its_result_and_workers_come_and_go(up: Up) -> None:
    process = up.start()
    assert up.told()["workers"] == {"upper": 0}
    assert (up.told()["runtime"], up.told()["endpoint"]) == ("host", up.client().meta.endpoint_url)
    up.client().put_object(Bucket="uploads", Key="in/a.txt", Body=b"hello")
    assert up.result("out/a.txt") == b"HELLO"
    poll("end of the idle worker", lambda: up.told()["workers"] == {"upper": 0})
    pids = [process.pid, *up.told()["processes"].values()]

    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == 0
    assert up.no_longer_runs(pids)
    assert not (up.state / "stack.json").exists()
    assert "Server Exiting" in (up.state / "nats" / "nats.log").read_text(), "it was killed, not ended"


def test_a_disabled_node_takes_no_work_until_it_is_enabled_even_after_a_restart(up: Up) -> None:
    process = up.start()
    assert up.headrace("node", "disable", "local").returncode == 0
    poll("the node's disabling", lambda: not up.explained("local")["nodes"][0]["enabled"])
    up.client().put_object(Bucket="uploads", Key="in/a.txt", Body=b"hello")
    poll("the file's waiting", lambda: up.explained("upper")["functions"][0]["waiting"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == 0
    assert not (up.state / "plan.json").exists()

    up.start()
    poll("the file's waiting", lambda: up.explained("upper")["functions"][0]["waiting"])
    assert (up.told()["workers"], up.told()["reasons"]) == ({"upper": 0}, {"upper": "no-room"})
    assert up.headrace("node", "enable", "local").returncode == 0
    assert up.result("out/a.txt") == b"HELLO"


def test_a_function_that_is_too_large_for_this_machine_says_so(up: Up) -> None:
    write_function(up.functions, "large", "uploads", more="  resources: {cpu: '2001m'}\n")
    up.start()
    up.client().put_object(Bucket="uploads", Key="in/a.txt", Body=b"hello")
    poll("the file's waiting", lambda: up.explained("large")["functions"][0]["waiting"])
    (large,) = up.explained("large")["functions"]
    assert large["reason"]["code"] == "no-pool-fits"
    assert large["reason"]["text"] == "a worker fits no node: pool local: cpu 2001m wanted, 2 there"
    assert [short["reason"]["code"] for short in large["unmet"]] == ["no-pool-fits"]
    rows = {line.split()[0]: line for line in up.headrace("status").stdout.splitlines()}
    assert "no-pool-fits: `headrace explain large`" in rows["large"]
    assert up.result("out/a.txt") == b"HELLO", "the other function works on"


def test_a_broken_memory_of_the_scaler_is_set_aside(up: Up) -> None:
    up.state.mkdir(mode=0o700)
    (up.state / "scaler.json").write_text("{broken")
    up.start()
    assert (up.state / "scaler.json.broken").read_text() == "{broken"
    assert "scaler.json is set aside" in up.printed()


def test_the_keys_are_closed_to_others_and_never_printed(up: Up) -> None:
    up.start()
    settings = json.loads((up.state / "settings.json").read_bytes())
    assert stat.S_IMODE(up.state.stat().st_mode) == 0o700
    assert {stat.S_IMODE((up.state / n).stat().st_mode) for n in ("settings.json", "s3.env")} == {0o600}
    secrets = [settings["storage"]["secretKey"], settings["queue"]["token"], settings["receiver"]["token"]]
    secrets += [settings["api"]["users"][0]["password"], settings["api"]["tokenKey"]]
    logs = "".join(path.read_text() for path in (up.state / "logs").iterdir())
    told = (up.state / "stack.json").read_text()
    # With attributes asked for in advance, a process that ends meanwhile or is a zombie gives none.
    commands = "".join(" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
    assert [s for s in secrets if s in up.printed() + logs + told + commands] == []
    assert "runtime: host" in up.printed()


def test_a_second_stack_on_the_same_state_is_refused_while_the_first_lives(up: Up) -> None:
    first = up.start()
    second = subprocess.run(up.command(), capture_output=True, timeout=WAIT_SECONDS, check=False)
    assert second.returncode == 2
    assert f"(process {first.pid})" in second.stderr.decode()
    assert first.poll() is None


def test_after_kill_9_nothing_runs_on_and_the_next_start_finds_all_again(up: Up) -> None:
    first = up.start()
    endpoint = up.told()["endpoint"]
    up.client().put_object(Bucket="uploads", Key="in/kept.txt", Body=b"kept")
    assert up.result("out/kept.txt") == b"KEPT"
    pids = list(up.told()["processes"].values())
    first.kill()
    first.wait()
    poll("end of the children", lambda: up.no_longer_runs(pids))

    up.start()
    assert up.told()["endpoint"] == endpoint
    assert up.result("out/kept.txt") == b"KEPT"
    up.client().put_object(Bucket="uploads", Key="in/new.txt", Body=b"new")
    assert up.result("out/new.txt") == b"NEW"


@pytest.mark.parametrize("name", ["nats", "seaweedfs", "receiver", "api"])
def test_a_server_that_dies_is_started_again(up: Up, name: str) -> None:
    up.start()
    pid = up.told()["processes"][name]
    os.kill(pid, signal.SIGKILL)
    poll(f"new {name}", lambda: up.told()["processes"].get(name, pid) != pid)
    # The receiver may hear of it by the store or, if that note was lost, by its own listing.
    poll("upload", lambda: _put(up, "in/after.txt"))
    assert up.result("out/after.txt") == b"AFTER"


def _is_there(up: Up, bucket: str, key: str) -> bool:
    try:
        up.client().head_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError):
        return False
    return True


def _put(up: Up, key: str, bucket: str = "uploads") -> bool:
    try:
        up.client().put_object(Bucket=bucket, Key=key, Body=b"after")
    except (ClientError, BotoCoreError):
        return False
    return True


def test_a_function_that_comes_while_it_runs_is_served_even_from_a_new_bucket(up: Up) -> None:
    up.start()
    write_function(up.functions, "later", "others")
    # Files that are older than a function are left alone: only what comes after its first sight counts.
    poll("first sight of the function", lambda: _is_there(up, "headrace", "functions/later.json"))
    poll("upload", lambda: _put(up, "in/b.txt", bucket="others"))
    assert up.result("out/b.txt") == b"AFTER"


def test_ctrl_c_while_it_starts_leaves_nothing_running(up: Up) -> None:
    with (up.state.parent / "up.log").open("ab") as log:
        process = subprocess.Popen(up.command(), stdout=log, stderr=log)
    up.processes.append(process)
    poll("a server", lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 2)
    pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGINT)
    process.wait(WAIT_SECONDS)
    assert up.no_longer_runs(pids)
