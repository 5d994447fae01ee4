"""A playbook as a resource, by Pulumi's own CLI on a real host over ssh; the tests build on one another."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from headrace.plays.events import Ended, Status
from headrace.plays.play import Play
from infra.playbooks.finding import OWN_COLLECTION
from infra.playbooks.starting import started
from tests.ansible.playing import inventory
from tests.fixtures.cluster import die_with_test
from tests.infra.project import Project, projects
from tests.toolchain.machines import Machine, Machines, lacking, machines
from tests.toolchain.needed import leave_out
from tests.toolchain.places import Places

GROUP = "rcuda_servers"
SECRET = "a {{ secret }} of-a-person"
PROGRAM = """\
from pathlib import Path

import pulumi

from infra.playbooks.resources import Playbook, PlaybookArgs

config = pulumi.Config()
hosts = Playbook(
    "hosts",
    PlaybookArgs(
        playbook=config.get("playbook") or "site.yml",
        inventory="lab/hosts.yml",
        folder=Path(pulumi.get_root_directory()),
        variables=config.require_object("variables"),
        secret_variables={"token": config.require_secret("token")},
        on_destroy=config.get("end") or "",
    ),
)
pulumi.export("hosts", hosts.hosts)
pulumi.export("manifests", hosts.manifests)
"""
PLAYBOOK = """\
- name: Set up
  hosts: all
  gather_facts: false
  tasks:
    - name: Write the port
      ansible.builtin.copy: {dest: /etc/port, mode: "0644", content: "{{ port }}"}
    - name: Write the token
      ansible.builtin.copy: {dest: /etc/token, mode: "0600", content: "{{ token }}"}
    - name: Say who is wrong, and why
      ansible.builtin.fail: {msg: "found {{ token }}, allowed another"}
      when: inventory_hostname in bad
    - name: Wait
      ansible.builtin.command: sleep {{ sleeps }}
      changed_when: false
      when: sleeps > 0
    - name: Write the GpuServer
      ansible.builtin.copy:
        dest: "{{ rcuda_server_manifest_folder }}/{{ inventory_hostname }}.yaml"
        mode: "0644"
        content: |
          apiVersion: headrace.dev/v1alpha1
          kind: GpuServer
          metadata: {name: {{ inventory_hostname }}}
          spec: {address: "{{ ansible_host }}", port: {{ port }}, backend: rcuda, maxSessions: 2,
                 devices: [{model: T4, memory: 16Gi}]}
      delegate_to: localhost
      vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
END = """\
- name: End
  hosts: all
  gather_facts: false
  tasks:
    - name: Take the port away
      ansible.builtin.file: {path: /etc/port, state: absent}
"""
SLOW = """\
- name: Take long
  hosts: all
  gather_facts: false
  tasks:
    - name: Wait
      ansible.builtin.command: sleep 77
      changed_when: false
"""
VARIABLES: dict[str, Any] = {"port": 8308, "bad": [], "sleeps": 0}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    if lacks := lacking():
        leave_out(f"hosts for Ansible need: {', '.join(lacks)}")
    with machines(tmp_path_factory.mktemp("site"), Places.of(os.environ), bound=die_with_test) as found:
        yield found


@dataclass
class Scene:
    """A stack with one playbook, and the host that it is for."""

    project: Project
    host: Machine

    def configure(self, **variables: Any) -> None:
        self.project.configure(variables={**VARIABLES, **variables})

    def hosts(self, *others: str) -> None:
        """Write the inventory: the host, and others where no ssh server is."""
        content = inventory(GROUP, self.host)
        usual = next(iter(content[GROUP]["hosts"].values()))
        for name in others:
            content[GROUP]["hosts"][name] = {**usual, "ansible_port": 1}
        (self.project.folder / "lab" / "hosts.yml").write_text(yaml.safe_dump(content))

    @property
    def temporary(self) -> str:
        return self.project.environ["TMPDIR"]

    def output(self, name: str) -> Any:
        return json.loads(self.project.run("stack", "output", "--json", name))

    def kept(self) -> str:
        """The whole state, as it lies on the disk."""
        state = Path(self.project.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
        return "".join(path.read_text() for path in state.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def scene(site: Machines, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    top = tmp_path_factory.mktemp("pulumi")
    folder, temporary = top / "own", top / "temporary"
    environ = {**projects(top)[0].environ, "TMPDIR": str(temporary)}
    for part in (folder / "infra", folder / "lab", temporary):
        part.mkdir(parents=True)
    about = {"name": "own", "main": "infra/", "stackConfigDir": "stacks", "runtime": {"name": "python"}}
    files = {
        "Pulumi.yaml": json.dumps(about),
        "site.yml": PLAYBOOK,
        "end.yml": END,
        "infra/__main__.py": PROGRAM,
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    project = Project(folder, folder / "stacks" / "Pulumi.test.yaml", environ)
    project.run("stack", "init", "test")
    project.run("config", "set", "--secret", "token", SECRET)
    made = Scene(project, site.started("gpu1"))
    made.configure()
    made.hosts()
    return made


def test_a_preview_of_the_first_run_runs_nothing(scene: Scene) -> None:
    scene.project.run("preview")
    assert scene.host.told("ls /etc/port 2>/dev/null; true") == ""


def test_the_first_up_plays_tells_and_hands_out_what_was_written(scene: Scene) -> None:
    told = scene.project.up()
    for line in (
        "Write the port: changed gpu1",
        "Write the token: changed gpu1",
        "1 host: changed something on gpu1",
    ):
        assert line in told
    assert scene.host.told("cat /etc/port; echo; cat /etc/token") == f"8308\n{SECRET}"
    assert scene.output("manifests")["gpu1"]["address"] == scene.host.address
    assert scene.output("hosts") == {
        "gpu1": {"ok": 3, "changed": 3, "failed": 0, "unreachable": 0, "skipped": 2}
    }


def test_the_second_up_plays_nothing(scene: Scene) -> None:
    scene.host.told("rm /etc/port")
    scene.project.up("--expect-no-changes")
    assert scene.host.told("ls /etc/port 2>/dev/null; true") == ""


def test_a_changed_variable_is_named_by_the_preview_and_played_by_up(scene: Scene) -> None:
    scene.configure(port=8309)
    assert "8308 => 8309" in scene.project.run("preview", "--diff")
    assert "runs again: variables.port" in scene.project.run("preview")
    scene.project.up()
    assert scene.host.told("cat /etc/port") == "8309"


def test_a_file_beside_the_inventory_is_named_by_its_path(scene: Scene) -> None:
    (scene.project.folder / "lab" / "group_vars").mkdir()
    (scene.project.folder / "lab" / "group_vars" / "all.yml").write_text("other: 1\n")
    assert "runs again: inventory.files.group_vars/all.yml" in scene.project.run("preview")


def test_each_host_that_failed_is_named_with_its_reason_and_the_next_up_plays_again(scene: Scene) -> None:
    scene.hosts("gpu2")
    scene.configure(port=8310, bad=["gpu1"])
    told = scene.project.up(fails=True)
    assert "playbook site.yml: 2 of 2 hosts failed" in told
    assert "gpu1 failed at 'Say who is wrong, and why': found [secret], allowed another" in told
    assert "gpu2 was not reached: " in told
    assert "Put that right and run `pulumi up` again" in told
    assert "Traceback" not in told
    # What it was before: only the failure makes it run, as the host is half changed.
    scene.hosts()
    scene.configure(port=8309)
    assert scene.host.told("cat /etc/port") == "8310"
    assert "runs again: the last run failed" in scene.project.run("preview")
    scene.project.up()
    assert scene.host.told("cat /etc/port") == "8309"


def test_a_secret_is_in_no_state_output_or_command_line(scene: Scene) -> None:
    scene.configure(sleeps=1)
    shown = scene.project.run("preview", "--diff")
    with watched(scene) as seen:
        shown += scene.project.up("--diff")
    shown += scene.project.run("refresh", "--yes", "--skip-preview")
    shown += (
        scene.project.run("stack", "export") + scene.project.run("stack", "output", "--json") + scene.kept()
    )
    assert len(seen) > 5
    assert any("ansible-playbook" in each for each in seen)
    for text in (shown, *seen):
        for form in (SECRET, json.dumps(SECRET)[1:-1], "of-a-person"):
            assert form not in text


@contextmanager
def watched(scene: Scene) -> Iterator[set[str]]:
    """Everything that the processes of a play were started with meanwhile: command lines and environments."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.update(playing(scene.temporary).values())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def playing(temporary: str) -> dict[int, str]:
    """The processes of a play, which are told by their folder for temporary files."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line, environ = process.cmdline(), process.environ()
            is_ours = environ.get("TMPDIR", "").startswith(temporary)
            if is_ours and any("ansible" in each or "infra.playbooks" in each for each in line):
                found[process.pid] = f"{line} {environ}"
    return found


def test_the_second_interrupt_ends_ansible_too_and_leaves_no_secret(scene: Scene) -> None:
    def secrets() -> list[Path]:
        return list(Path(scene.temporary).glob("headrace-play-*/secrets.yml"))

    scene.configure(sleeps=88)
    running = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=scene.project.folder, env=dict(scene.project.environ), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        poll(secrets)
        assert secrets()[0].stat().st_mode & 0o777 == 0o600
        running.send_signal(signal.SIGINT)
        time.sleep(1)
        assert playing(scene.temporary), "the first one lets it end"
        running.send_signal(signal.SIGINT)
        running.wait(30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    poll(lambda: not playing(scene.temporary) and not secrets())
    scene.project.run("cancel", "--yes")


def poll(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_playbook_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "slow.yml").write_text(SLOW)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    play = Play(
        title="slow.yml",
        playbook=str(tmp_path / "slow.yml"),
        inventory={"all": {"hosts": {"one": local, "two": local}}},
        collection=str(OWN_COLLECTION),
        timeout_seconds=3,
    )
    *_, end = started(play)
    assert isinstance(end, Ended)
    assert end.status is Status.TIMEOUT
    assert playing(str(tmp_path)) == {}
    assert [each.name for each in tmp_path.iterdir()] == ["slow.yml"]


def test_the_end_is_played_where_one_is_named(scene: Scene) -> None:
    scene.configure()
    scene.project.up()  # what was interrupted
    scene.project.configure(end="end.yml")
    assert "is noted, and nothing runs: on_destroy" in scene.project.up()
    scene.project.destroy()
    assert scene.host.told("ls /etc/port 2>/dev/null; ls /etc/token") == "/etc/token"


def test_the_checkouts_own_collection_is_played_and_all_that_its_roles_refuse_is_told(scene: Scene) -> None:
    scene.project.configure(playbook="rcuda", variables={"rcuda_server_port": 8308}, end=None)
    told = scene.project.up(fails=True)
    assert "gpu1 failed at 'gpu_server : Check the options': " in told
    for what in ("rcuda_server_networks", "rcuda_server_devices"):
        assert f"{what}: found none, allowed at least one" in told
