"""The demo as a command: a small one, whole."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

WAIT_SECONDS = 240.0


def command(folder: Path, *options: str) -> list[str]:
    entry = [sys.executable, "-c", "from headrace.cli.main import run; run()", "demo"]
    return [*entry, "--output", str(folder), *options]


def test_every_file_gives_one_record_and_the_report_is_there(tmp_path: Path) -> None:
    figures, folder = tmp_path / "figures.json", tmp_path / "demo"
    done = subprocess.run(
        command(folder, "--files", "3", "--json", str(figures)),
        capture_output=True, timeout=WAIT_SECONDS, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert found["files"] == found["records"] >= 3 + 1 + 1  # derived clips, a real one, a still
    assert [found[name] for name in ("failures", "lost", "twice", "unpublished", "strangers")] == [0] * 5
    page = (folder / "report.html").read_text()
    assert f"{found['files']} files in, {found['records']} results out" in page
    assert page.count('class="badge derived"') == 3
    assert "<strong>echo: 0 to " in page
    assert " to 0 workers</strong>" in page, "the way back to no worker is shown"
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert str(folder / "report.html") in done.stdout
    assert not (folder / "state" / "stack.json").exists()


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    process = subprocess.Popen(command(tmp_path / "demo", "--files", "50"), stderr=subprocess.DEVNULL)
    try:
        told = tmp_path / "demo" / "state" / "stack.json"
        deadline = time.monotonic() + WAIT_SECONDS
        while not told.exists() or "worker-" not in told.read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline, "no worker was started"
            time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 130
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        process.kill()
        process.wait()
