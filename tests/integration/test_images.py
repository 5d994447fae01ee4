"""The images as they are run: root read-only, no rights; built twice, pushed, with a bill."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from psutil import process_iter

from tests.toolchain.images import base
from tests.toolchain.images.recipes import PLAIN, PYTHON
from tests.toolchain.images.store import Images
from tests.toolchain.places import CHECKOUT, Places
from tools.images import __main__ as command
from tools.images.archive import contents_of
from tools.images.bill import write_bill
from tools.images.build import State, reference_of

LIMIT_SECONDS = 120.0
SERVICES = ("worker", "events", "scaler", "controller")
CLASSIFY = """
import json, pathlib, pydicom
from echo import Classifier
clip = pathlib.Path(pydicom.__file__).parent / "data/test_files/examples_ybr_color.dcm"
Classifier().work(clip, pathlib.Path("/tmp"))
print(pathlib.Path("/tmp/examples_ybr_color.dcm.json").read_text())
"""
MODULES = """
import importlib.util, json, pathlib, sys
import headrace.worker.__main__
paths = [m.__cached__ for m in list(sys.modules.values()) if getattr(m, "__cached__", None)]
flags = {p: pathlib.Path(p).read_bytes()[4] for p in paths if pathlib.Path(p).exists()}
print(json.dumps({"missing": sorted(set(paths) - set(flags)), "byTime": [p for p in flags if flags[p] != 1]}))
"""


def told(*arguments: str, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        arguments, env=os.environ | (environ or {}), capture_output=True, text=True, timeout=LIMIT_SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Container:
    """An image's root folder, and programs started in it by runc: no network, nothing writable but /tmp."""

    def __init__(self, root: Path, config: dict, folder: Path) -> None:
        self.root, self.config, self.folder = root, config, folder
        self.count = 0

    def run(self, *arguments: str, uid: int | None = None) -> subprocess.CompletedProcess[str]:
        self.count += 1
        bundle = self.folder / str(self.count)
        bundle.mkdir()
        told("runc", "spec", "--bundle", str(bundle))
        spec = json.loads((bundle / "config.json").read_text())
        self._describe(spec, arguments, uid)
        (bundle / "config.json").write_text(json.dumps(spec))
        name = f"headrace-{os.getpid()}-{self.folder.parent.name}-{self.count}"
        runc = ["runc", "--root", str(self.folder / "runc")]
        return subprocess.run(
            [*runc, "run", "--bundle", str(bundle), name],
            capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip

    def _describe(self, spec: dict, arguments: tuple[str, ...], uid: int | None) -> None:
        user, _, group = self.config.get("User", "0:0").partition(":")
        started = spec["process"]
        started["terminal"] = False
        started["user"] = {"uid": uid or int(user), "gid": uid or int(group)}
        started["args"] = list(arguments or (*self.config.get("Entrypoint", ()), *self.config.get("Cmd", ())))
        started["env"] = self.config["Env"]
        started["cwd"] = self.config.get("WorkingDir") or "/"
        started["capabilities"] = {each: [] for each in ("bounding", "effective", "permitted")}
        spec["root"] = {"path": str(self.root), "readonly": True}
        options = ["nosuid", "nodev", "mode=1777", "size=64m"]
        spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "x", "options": options})


@pytest.fixture
def unpacked(images: Images, tmp_path: Path) -> Iterator:
    """Makes a Container of an archive, and takes it away after the test."""
    if shutil.which("runc") is None:
        pytest.skip("runc is missing: make toolchain")
    working = []

    def make(name: str) -> Container:
        archive = images[name].archive
        with images.alone():
            made = told("buildah", "from", "--quiet", f"oci-archive:{archive}", environ=images.environ)
        made = made.strip()
        working.append(made)
        root = Path(told("buildah", "mount", made, environ=images.environ).strip())
        folder = tmp_path / "containers"
        folder.mkdir(exist_ok=True)
        return Container(root, contents_of(archive).config["config"], folder)

    yield make
    for each in working:
        told("buildah", "umount", each, environ=images.environ)
        told("buildah", "rm", each, environ=images.environ)


def test_every_service_starts_with_a_read_only_root_and_without_root(unpacked) -> None:
    container = unpacked("headrace")
    for service in SERVICES:
        done = container.run("python", "-m", f"headrace.{service}", "--help")
        assert done.returncode == 0, done.stderr
        assert f"headrace.{service}" in done.stdout


def test_the_services_run_as_any_user_and_find_all_modules_compiled(unpacked) -> None:
    container = unpacked("headrace")
    assert container.run("python", "-c", "import os; print(os.getuid())").stdout == "65532\n"
    done = container.run("python3", "-I", "-c", MODULES, uid=12345)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"missing": [], "byTime": []}


def test_echo_classifies_a_clip_as_any_user_without_a_network(unpacked) -> None:
    container = unpacked("echo")
    done = container.run("python3", "-c", CLASSIFY, uid=12345)
    assert done.returncode == 0, done.stderr
    assert "telemetry" not in done.stderr
    assert json.loads(done.stdout)["view"] == "four-chamber"
    missing = container.run("python3", "-c", "import headrace")
    assert "No module named 'headrace'" in missing.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("headrace-test-nats", ("nats-server", "--version"), "nats-server: v2."),
        ("headrace-test-seaweedfs", ("weed", "version"), "GB 4."),
        ("headrace-test-debian", ("/bin/sh", "-c", "command -v python3 || echo no python"), "no python"),
    ],
)
def test_the_stand_ins_answer_like_upstreams(
    unpacked, name: str, arguments: tuple[str, ...], said: str
) -> None:
    container = unpacked(name)
    entry = tuple(container.config.get("Entrypoint", ()))
    assert entry in {arguments[:1], ()}
    done = container.run(*arguments, uid=12345)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


# What is in them


def test_nothing_of_the_machine_that_builds_lies_in_an_image(images: Images) -> None:
    source = base.source_here()
    own, mirror = str(CHECKOUT).encode(), source.mirror.encode()
    for name in ("headrace", "echo"):
        for path, body in files_of(images[name].archive):
            assert own not in body, f"{name}: {path}"
            # Debian's own programs name its public mirror; settings and state must name none.
            assert not (path.startswith(("etc/", "var/")) and mirror in body), f"{name}: {path}"


def files_of(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as tar:
        for digest in contents_of(archive).layers:
            blob = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
            with tarfile.open(fileobj=blob, mode="r|*") as layer:
                for member in layer:
                    assert member.mtime <= 315532800, f"{member.name} tells when it was made"
                    if member.isreg():
                        yield member.name, layer.extractfile(member).read()


def test_the_bill_names_debians_and_pythons_packages_with_licences(images: Images, tmp_path: Path) -> None:
    archive, reference = images["headrace"]
    bills = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in bills:
        write_bill(archive, path, name="headrace", reference=reference, epoch=0)
    assert bills[0].read_bytes() == bills[1].read_bytes()
    components = json.loads(bills[0].read_text())["components"]
    found = {each["purl"].partition("@")[0]: bool(each.get("licenses")) for each in components}
    wanted = ("pkg:deb/debian/libc6", "pkg:deb/debian/python3.11", "pkg:pypi/headrace", "pkg:pypi/numpy")
    assert {name: found.get(name) for name in wanted} == dict.fromkeys(wanted, True)
    assert sum(found.values()) / len(found) > 0.9, [name for name, told in found.items() if not told]


# Built again


@contextmanager
def second_store(images: Images, folder: Path, base_name: str) -> Iterator[Images]:
    """A store that knows the base and nothing else: no layer of before can be taken for a new one."""
    images.shop(base_name)
    other = Images(Places(folder), recipes=images.recipes)
    (other.root / "base").mkdir(parents=True)
    for made in (images.root / "base").glob(f"{base_name}-*"):
        shutil.copy(made, other.root / "base")
    try:
        yield other
    finally:
        told("buildah", "rmi", "--all", "--force", environ=other.environ)


def test_a_stand_in_built_twice_has_the_same_digest(images: Images, tmp_path: Path) -> None:
    with second_store(images, tmp_path, PLAIN) as other:
        name = "headrace-test-nats"
        assert contents_of(other[name].archive).digest == contents_of(images[name].archive).digest


@pytest.mark.long
def test_an_image_built_twice_has_the_same_digest(images: Images, tmp_path: Path) -> None:
    with second_store(images, tmp_path, PYTHON) as other:
        for name in ("headrace", "echo"):
            assert contents_of(other[name].archive).digest == contents_of(images[name].archive).digest


# The command


class Registry(BaseHTTPRequestHandler):
    """As much of a registry as a push needs, https://github.com/opencontainers/distribution-spec."""

    protocol_version = "HTTP/1.1"
    blobs: dict[str, int]
    manifests: dict[str, dict]

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        size = self.blobs.get(self.path.rpartition("/")[2])
        if size is None:
            self.answer(404)
        else:
            self.answer(200, **{"Content-Length": str(size)})

    def do_POST(self) -> None:
        self.answer(202, Location=f"{self.path}session")

    def do_PATCH(self) -> None:
        self.server.uploaded = len(self.body())
        self.answer(202, Location=self.path)

    def do_PUT(self) -> None:
        body = self.body()
        if "/manifests/" in self.path:
            self.manifests[self.path] = json.loads(body)
        else:
            self.blobs[self.path.partition("digest=")[2].replace("%3A", ":")] = self.server.uploaded
        self.answer(201)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Registry]]]:
    handler = type("OneRegistry", (Registry,), {"blobs": {}, "manifests": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"127.0.0.1:{server.server_address[1]}"
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    yield address, handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one function, whose image is quickly built."""
    folder = tmp_path / "checkout"
    (folder / "functions/tiny").mkdir(parents=True)
    (folder / "functions/tiny/Containerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY function /function\n")
    (folder / "functions/tiny/script.sh").write_text("exec cat\n")
    for name in ("ansible", "images", "headrace", "pyproject.toml", "LICENSE"):
        (folder / name).symlink_to(CHECKOUT / name)
    return folder


@pytest.fixture
def call(images: Images, checkout: Path, monkeypatch, capsys):
    """Calls the command for the tests' base, in the tests' storage; returns what it tells of the image."""
    used = images.shop(PLAIN).settings.base
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", images.environ["CONTAINERS_STORAGE_CONF"])
    options = ("tiny", "--engine=buildah", f"--base={used.reference}", f"--python={used.python}", "--json")

    made = set()

    def call_it(*more: str, code: int = 0) -> dict:
        with images.alone():
            assert command.main([*options, *more], checkout) == code
        (image,) = json.loads(capsys.readouterr().out)["images"]
        made.add(image["reference"])
        return image

    yield call_it
    for reference in made:
        subprocess.run(["buildah", "rmi", "--force", reference], capture_output=True, check=False)


def test_the_command_builds_what_changed_and_nothing_else(call, checkout: Path) -> None:
    recorded = checkout / "build/images/images.json"
    assert (call("--dry-run")["state"], recorded.exists()) == ("planned", False)
    built = call()
    assert (built["state"], built["reference"].partition(":")[0]) == ("built", "localhost/tiny")
    assert json.loads(recorded.read_text()) == {"tiny": f"{built['reference']}@{built['digest']}"}
    assert contents_of(Path(built["archive"])).digest == built["digest"]
    assert "pkg:deb/debian/libc6" in Path(built["bill"]).read_text()
    assert call()["state"] == "ready"
    (checkout / "functions/tiny/script.sh").write_text("exec tac\n")
    changed = call()
    assert (changed["state"], changed["digest"] != built["digest"]) == ("built", True)


def test_the_command_pushes_once_and_records_the_registrys_digest(call, registry, checkout: Path) -> None:
    address, server = registry
    built, pushed = call(), call(f"--registry={address}", "--push")
    ((path, manifest),) = server.manifests.items()
    assert path.startswith("/v2/tiny/manifests/")
    assert {each["digest"] for each in manifest["layers"]} <= set(server.blobs)
    assert (pushed["state"], pushed["pushed"], pushed["digest"]) == ("built", True, built["digest"])
    recorded = json.loads((checkout / "build/images/images.json").read_text())
    assert recorded == {"tiny": f"{address}/tiny:{built['reference'].partition(':')[2]}@{built['digest']}"}
    assert call(f"--registry={address}", "--push")["state"] == "ready"


def test_a_registry_that_does_not_answer_is_told_and_not_recorded(call, checkout: Path) -> None:
    failed = call("--registry=127.0.0.1:9", "--push", code=1)
    assert (failed["state"], "connection refused" in failed["told"]) == ("failed", True)
    assert json.loads((checkout / "build/images/images.json").read_text()) == {}


def test_a_base_with_another_python_fails_with_both_versions(images: Images, tmp_path: Path) -> None:
    shop = images.shop(PYTHON)
    wrong = replace(shop.settings, base=replace(shop.settings.base, python="3.12"))
    recipe = images.recipes["headrace"]
    other = replace(shop, settings=wrong, output=tmp_path)
    outcome = other.make(
        recipe, reference_of(recipe, "headrace.test"), push=False, again=False, dry_run=False
    )
    assert outcome.state is State.FAILED
    assert f"the base holds Python {shop.settings.base.python}, packages/ is for 3.12" in outcome.told


# The bases under them

# Makes what debootstrap makes, as far as it goes before it is ended.
STUCK = """#!/bin/sh
for root; do case $root in */root) break; esac; done
mkdir -p "$root/proc" && mount -t proc proc "$root/proc" && touch "$root/../is-on" && sleep 600
"""


def test_a_base_that_is_ended_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/debootstrap"
    program.parent.mkdir()
    program.write_text(STUCK)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    root = tmp_path / "root"
    code = (
        "import sys; from pathlib import Path; from tests.toolchain.images.base import *\n"
        "paths = [Path(each) for each in sys.argv[1:]]\n"
        "bootstrap(paths[0], Source('http://m/', 'bookworm'), [], *paths[1:])"
    )
    command = [sys.executable, "-c", code, str(root), str(tmp_path / "debs"), str(tmp_path / "log")]
    making = subprocess.Popen(command, cwd=CHECKOUT)
    wait_until((tmp_path / "is-on").exists)
    making.kill()
    making.wait()
    wait_until(
        lambda: not any(str(root) in (each.info["cmdline"] or ()) for each in process_iter(["cmdline"]))
    )
    assert list((root / "proc").iterdir()) == []


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
