"""A stack's files: all of what is declared but its secrets, the same bytes each time, and what is refused."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest
import yaml

from headrace.model.errors import ConfigurationError, FatalError
from infra.configuration import parse
from infra.credentials.resources import Password
from infra.gitops.__main__ import main
from infra.gitops.files import HEADER, as_yaml, different, write
from infra.gitops.programs import Program
from infra.gitops.projects import FUNCTIONS, PLATFORM
from infra.gitops.rendering import recorded, rendered_files
from infra.gitops.stand_ins import PREFIX, shown, stand_in
from infra.objects import Ground, declare
from infra.settings import StackSettings
from tests.infra.checkout import SCRIPT, Checkout, encrypted
from tests.unit.test_infra_components import platform, stack

MARK = "headrace.dev/settings"
VAULT = "canary-of-the-vault"
GIVEN = {"s3": {"endpoint": "https://s3.example", "accessKey": "key", "secretKey": encrypted("one")}}
HOSTS = {
    "inventory": "lab.yml",
    "playbooks": ["site"],
    "vaultPasswordFile": "vault",
    "secretVariables": {"ONE": encrypted("two")},
    "power": {"networks": ["10.0.0.0/24"], "files": {"id": encrypted("three")}},
}
HIDING = {"store": GIVEN, "hosts": HOSTS, "kubeconfig": encrypted("four")}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> Mapping[str, str]:
    """The files of a platform with all defaults."""
    made = Checkout(tmp_path_factory.mktemp("usual"))
    made.platform()
    return rendered_files(PLATFORM, made.folder, "test")


def documents(files):
    found = {path: yaml.safe_load(text) for path, text in files.items()}
    return {path: each for path, each in found.items() if each["kind"] != "Kustomization"}


def marks(files):
    pods = [
        each["spec"]["template"] for each in documents(files).values() if "template" in each.get("spec", {})
    ]
    return [pod["metadata"]["annotations"][MARK] for pod in pods]


# What is in the files


def test_all_objects_but_secrets_are_in_files_as_they_are_declared(usual):
    found = {
        name: each.inputs
        for name, each in platform(stack(wait=False)).items()
        if each.type.startswith("kubernetes:") and each.inputs["kind"] != "Secret"
    }
    files = list(documents(usual).values())
    assert len(found) == len(files) > 50
    for each in files:
        meta = each["metadata"]
        name = "/".join(filter(None, (each["kind"].lower(), meta.get("namespace"), meta["name"])))
        declared = found[name]
        assert each["kind"] == declared["kind"]
        assert {key: value for key, value in each.items() if key not in ("metadata", "spec")} == {
            key: value for key, value in declared.items() if key not in ("metadata", "spec")
        }
        if "template" not in each.get("spec", {}):  # a mark in it is made of other secrets
            assert each.get("spec") == declared.get("spec")


def test_who_watches_is_in_files_too(checkout):
    checkout.platform(monitoring={"namespace": "monitoring"})
    kinds = {each["kind"] for each in documents(rendered_files(PLATFORM, checkout.folder, "test")).values()}
    assert {"PodMonitor", "PrometheusRule"} <= kinds


def test_what_the_rest_stands_on_is_a_stage_of_its_own_that_comes_first(usual):
    kinds = {path: each["kind"] for path, each in documents(usual).items()}
    ground = {kind for path, kind in kinds.items() if path.startswith("ground/")}
    assert ground == {
        "CustomResourceDefinition",
        "Namespace",
        "PriorityClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    assert not ground & {kind for path, kind in kinds.items() if path.startswith("platform/")}
    wave = "argocd.argoproj.io/sync-wave"
    early = {
        path for path, each in documents(usual).items() if wave in each["metadata"].get("annotations", {})
    }
    assert early == {path for path in kinds if path.startswith("ground/")}
    assert yaml.safe_load(usual["kustomization.yaml"])["resources"] == ["ground", "platform"]


def test_each_folder_names_its_files(usual):
    for stage in ("ground", "platform"):
        named = yaml.safe_load(usual[f"{stage}/kustomization.yaml"])["resources"]
        there = {path.removeprefix(f"{stage}/") for path in usual if path.startswith(f"{stage}/")}
        assert named == sorted(there - {"kustomization.yaml"})


def test_neither_flux_nor_argo_cd_deletes_what_holds_data(usual):
    kept = {
        (each["kind"], each["metadata"]["name"])
        for each in documents(usual).values()
        if each["metadata"].get("annotations", {}).get("kustomize.toolkit.fluxcd.io/prune") == "disabled"
        and each["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    }
    kinds = {f"{each}.headrace.dev" for each in ("functions", "buckets", "nodepools", "gpuservers")}
    assert kept == {
        *(("CustomResourceDefinition", name) for name in kinds),
        *(("Namespace", name) for name in ("headrace", "headrace-functions")),
        *(
            (kind, name)
            for kind in ("PersistentVolumeClaim", "StatefulSet")
            for name in ("nats", "seaweedfs")
        ),
        ("Bucket", "headrace-platform"),
    }


def test_nothing_that_only_pulumi_reads_is_left(usual):
    assert [path for path, text in usual.items() if "pulumi.com/" in text] == []


def test_the_same_stack_gives_the_same_bytes_and_settings_change_no_other_file(checkout, usual):
    checkout.platform()
    assert rendered_files(PLATFORM, checkout.folder, "test") == usual
    checkout.platform(scaler={"replicas": 3})
    changed = rendered_files(PLATFORM, checkout.folder, "test")
    assert {path for path in usual if changed[path] != usual[path]} == {
        "platform/deployment.headrace.scaler.yaml"
    }


def test_an_object_is_written_in_one_way_whatever_the_order_of_its_keys():
    one = {"spec": {"b": [{"y": 1, "x": 2}], "a": "1\n2\n"}, "metadata": {"name": "n"}, "kind": "K"}
    assert (
        as_yaml(one)
        == "kind: K\nmetadata:\n  name: 'n'\nspec:\n  a: |\n    1\n    2\n  b:\n    - x: 2\n      'y': 1\n"
    )
    assert as_yaml(dict(reversed(one.items()))) == as_yaml(one)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1e-3",
            "1.5e3",
            "1E3",
            "+1e3",
            ".5e1",
            "1.",
            "1234567890123e12",
            "089",
            "0123",
            "12",
            "-1",
            "1_000",
        ),
        *("1_2e3", "0o17", "0O17", "-0o7", "0x1f", "0X1F", "0b11", "0B1", "1:30", "1:30.5", ".inf", "-.INF"),
        *(".NaN", "y", "N", "yes", "Off", "true", "null", "~", "2026-1-2", "2026-01-02", "2026-1-2 3:4:5"),
        *("2026-01-02T03:04:05Z", "<<", "="),
    ],
)
def test_a_text_that_some_reader_takes_for_something_else_is_in_quotes(text):
    assert as_yaml({"spec": {text: text}}) == f"spec:\n  '{text}': '{text}'\n"


@pytest.mark.parametrize(
    "text", ["1Gi", "10.0.0.0/8", "1.2.3", "e3", "0xyz", "0o8", "100m", "v1", "yy", "1e", "12:99", "a_1e3"]
)
def test_other_texts_stand_as_they_are(text):
    assert as_yaml({"spec": {text: text}}) == f"spec:\n  {text}: {text}\n"


# Secrets


def test_no_secret_is_in_a_file_not_even_a_stand_in(checkout):
    (checkout.folder / "lab.yml").write_text("all: {hosts: {h1: {}}}")
    (checkout.folder / "vault").write_text(VAULT)
    checkout.platform(**HIDING)
    files = rendered_files(PLATFORM, checkout.folder, "test")
    assert [path for path, text in files.items() if VAULT in text or PREFIX in text] == []
    assert [path for path, each in documents(files).items() if each["kind"] == "Secret"] == []
    pod = documents(files)["platform/deployment.headrace.scaler.yaml"]["spec"]["template"]["spec"]
    (hosts,) = [each["secret"] for each in pod["volumes"] if each["name"] == "hosts"]
    assert {each["path"] for each in hosts["items"]} == {".vault-password", "id", "lab.yml"}


def test_a_mark_changes_with_rotation_settings_and_encrypted_values_and_with_nothing_else(checkout):
    def now(**values):
        checkout.platform(store=GIVEN, **values)
        return marks(rendered_files(PLATFORM, checkout.folder, "test"))

    usual = now()
    assert now() == usual
    rotated = now(rotation={"passwords": 2})
    assert not set(rotated) & set(usual)
    other = {"s3": {**GIVEN["s3"], "secretKey": encrypted("another")}}
    checkout.platform(store=other)
    renewed = marks(rendered_files(PLATFORM, checkout.folder, "test"))
    assert len(set(renewed) & set(usual)) == 1, "the queue reads nothing of the store's"


def planted(run):
    return recorded(Program(PLATFORM, "test", "headrace", run))


def config_map(text):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"text": text}}


def base64_of(text):
    return base64.b64encode(f"{text}:more".encode()).decode()


@pytest.mark.parametrize(
    "leak",
    [
        lambda value: value,
        pulumi.Output.unsecret,
        lambda value: pulumi.Output.unsecret(value).apply(lambda text: f"password={text}"),
        lambda value: pulumi.Output.unsecret(value).apply(base64_of),
    ],
    ids=["as it is", "no longer marked", "within a text", "in base64"],
)
def test_a_secret_that_would_get_into_a_file_is_refused_with_its_place(leak):
    def run():
        component = pulumi.ComponentResource("headrace:cluster:Test", "test")
        ground = Ground(pulumi.ProviderResource("kubernetes", "cluster", {}), wait=False)
        password = Password("planted", rotation=1, parent=component)
        declare(ground, config_map(leak(password.value)))

    with pytest.raises(FatalError, match=r"ConfigMap m: a secret would be shown at data"):
        planted(run)


def test_a_stand_in_is_found_wherever_it_is():
    text = stand_in("x")
    document = {"a": [{"b": f"x {text}"}], text: 1, "c": base64_of(text), "d": "clean"}
    assert sorted(shown(document)) == ["", "a[0].b", "c"]


# What is refused


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"store": {"s3": {**GIVEN["s3"], "secretKey": "plain"}}}, "store: found in plain text"),
        (
            {"hosts": {**HOSTS, "power": {"networks": ["10.0.0.0/24"], "files": {"id": "plain"}}}},
            r"hosts\.power\.files\.id: found in plain text",
        ),
        (
            {"hosts": {**HOSTS, "secretVariables": {"ONE": encrypted("a"), "TWO": {"key": ["plain"]}}}},
            r"hosts\.secretVariables\.TWO\.key\.0: found in plain text",
        ),
        ({"store": encrypted("all of it")}, "store: found encrypted as a whole"),
        ({"aws": {"region": "eu-central-1"}}, r"Pulumi\.test\.yaml: found aws, allowed a stack without it"),
        ({"scaler": {"replicas": 0}, "queu": {}}, "queu: found an unknown key"),
        (
            {"hosts": {**HOSTS, "gpuServers": ["g1"]}, "remoteGpus": {"networks": ["10.0.0.0/8"]}},
            "found g1, which",
        ),
    ],
)
def test_what_can_not_be_rendered_is_refused_by_name(checkout, values, told):
    checkout.platform(**values)
    with pytest.raises(ConfigurationError, match=told) as error:
        rendered_files(PLATFORM, checkout.folder, "test")
    assert "plain'" not in str(error.value)


def test_a_stack_that_is_not_there_is_told_with_those_that_are(checkout):
    checkout.platform()
    with pytest.raises(ConfigurationError, match=r"found 'other', .* allowed test"):
        rendered_files(PLATFORM, checkout.folder, "other")


def test_resources_that_are_no_objects_are_refused():
    def run():
        pulumi.CustomResource("aws:s3/bucket:Bucket", "uploads", {})

    with pytest.raises(
        ConfigurationError, match=r"found Bucket/uploads \(aws:s3/bucket:Bucket\), allowed objects"
    ):
        planted(run)


# Functions


def test_functions_are_rendered_with_what_the_platforms_file_says(checkout):
    checkout.platform(functionsNamespace="theirs", buckets={"uploads": {"name": "real-uploads"}})
    checkout.functions(secrets={"token": {"KEY": encrypted("x")}})
    found = documents(rendered_files(FUNCTIONS, checkout.folder, "test"))
    assert set(found) == {
        "bucket.theirs.results.yaml",
        "bucket.theirs.uploads.yaml",
        "function.theirs.stamp.yaml",
    }
    assert found["bucket.theirs.uploads.yaml"]["spec"] == {"name": "real-uploads", "onDelete": "refuse"}
    assert found["function.theirs.stamp.yaml"]["spec"]["run"]["source"] == SCRIPT


def test_a_secret_of_functions_in_plain_text_beside_an_encrypted_one_is_refused(checkout):
    checkout.platform()
    checkout.functions(secrets={"token": {"KEY": encrypted("x"), "OTHER": "plain"}})
    with pytest.raises(ConfigurationError, match=r"secrets\.token\.OTHER: found in plain text") as error:
        rendered_files(FUNCTIONS, checkout.folder, "test")
    assert "KEY" not in str(error.value)


def test_a_tenants_functions_are_rendered_into_its_namespace_with_its_buckets(checkout):
    checkout.platform(tenants={"lab": {"buckets": {"uploads": {}, "results": {"name": "of-the-lab"}}}})
    checkout.functions(tenant="lab")
    found = documents(rendered_files(FUNCTIONS, checkout.folder, "test"))
    assert set(found) == {
        "bucket.lab.results.yaml",
        "bucket.lab.uploads.yaml",
        "function.lab.stamp.yaml",
    }
    assert found["bucket.lab.uploads.yaml"]["spec"]["name"] == "lab-uploads"
    assert found["bucket.lab.results.yaml"]["spec"]["name"] == "of-the-lab"


def test_functions_of_a_tenant_that_the_platforms_file_lacks_are_refused(checkout):
    checkout.platform(tenants={"ward": {}})
    checkout.functions(tenant="lab")
    with pytest.raises(ConfigurationError, match="tenant: found lab, allowed ward"):
        rendered_files(FUNCTIONS, checkout.folder, "test")


def test_a_platform_with_tenants_is_rendered_without_their_secrets(checkout):
    checkout.platform(tenants={"lab": {"buckets": {"uploads": {}}}})
    files = rendered_files(PLATFORM, checkout.folder, "test")
    found = {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in documents(files).values()
    }
    assert ("Namespace", None, "lab") in found
    assert ("NetworkPolicy", "lab", "headrace-deny-all") in found
    assert ("Role", "lab", "headrace-scaler") in found
    assert not [each for each in found if each[0] == "Secret"]


# The folder


def folder_of(*names, inner=()):
    """Files with a kustomization that names them; some below b/."""
    found = {"kustomization.yaml": f"{HEADER}resources: [{', '.join([*names, *(['b'] if inner else [])])}]\n"}
    if inner:
        found["b/kustomization.yaml"] = f"{HEADER}resources: [{', '.join(inner)}]\n"
    return found | dict.fromkeys((*names, *(f"b/{each}" for each in inner)), "1\n")


def test_what_is_no_longer_declared_goes_and_what_is_the_same_is_not_touched(tmp_path):
    folder = tmp_path / "out"
    assert write(folder, folder_of("a.yaml", inner=["c.yaml", "d.yaml"])) == [
        "a.yaml",
        "b/c.yaml",
        "b/d.yaml",
        "b/kustomization.yaml",
        "kustomization.yaml",
    ]
    before = (folder / "a.yaml").stat().st_mtime_ns
    assert write(folder, folder_of("a.yaml", inner=["d.yaml"])) == ["b/c.yaml", "b/kustomization.yaml"]
    assert not (folder / "b" / "c.yaml").exists()
    assert write(folder, folder_of("a.yaml")) == ["b/d.yaml", "b/kustomization.yaml", "kustomization.yaml"]
    assert (folder / "a.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize("path", ["sealed.yaml", "b/sealed.yaml", "c/kustomization.yaml"])
def test_a_file_of_others_among_them_is_refused_by_name_and_stays(tmp_path, path):
    write(tmp_path, folder_of("a.yaml", inner=["c.yaml"]))
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("mine")
    for step in (write, different):
        with pytest.raises(ConfigurationError, match=f"found {path}, which"):
            step(tmp_path, folder_of("a.yaml", **({"inner": ["sealed.yaml"]} if "/" in path else {})))
    assert (tmp_path / path).read_text() == "mine"
    assert (tmp_path / "b" / "c.yaml").exists()


@pytest.mark.parametrize("count", range(10))
@pytest.mark.parametrize(
    "before", [{}, folder_of("a.yaml", "e.yaml", inner=["c.yaml"])], ids=["first", "later"]
)
def test_a_run_that_was_cut_short_is_followed_by_one_that_knows_its_files(
    tmp_path, monkeypatch, before, count
):
    write(tmp_path, before)
    files = folder_of("a.yaml", "f.yaml", inner=["d.yaml"])
    left = count

    def counted(step):
        def cut(*arguments, **options):
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            return step(*arguments, **options)

        return cut

    with monkeypatch.context() as patched:
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, counted(getattr(Path, name)))
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, files)
    write(tmp_path, files)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.yaml")} == set(files)


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "notes.yaml").write_text("mine")
    with pytest.raises(ConfigurationError, match="did not write"):
        write(tmp_path, {"kustomization.yaml": "x"})
    assert (tmp_path / "notes.yaml").read_text() == "mine"


def test_the_command_writes_checks_and_refuses(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout.folder)
    checkout.platform()
    assert main(["render", "test", "--check"]) == 1
    assert main(["render", "test"]) == 0
    assert main(["render", "test", "--check"]) == 0
    (checkout.folder / "manifests/test/platform/platform/service.headrace.nats.yaml").unlink()
    capsys.readouterr()
    assert main(["render", "test", "--check"]) == 1
    assert "service.headrace.nats.yaml: differs" in capsys.readouterr().err
    checkout.platform(namespace="functions", functionsNamespace="functions")
    assert main(["render", "test"]) == 2
    assert "allowed two different ones" in capsys.readouterr().err


def test_playbooks_that_files_can_not_play_are_named(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout.folder)
    (checkout.folder / "lab.yml").write_text("all: {hosts: {h1: {}}}")
    checkout.platform(hosts={"inventory": "lab.yml", "playbooks": ["gpu_host", "verify"]})
    assert main(["render", "test"]) == 0
    assert "not played: gpu_host, verify; run ansible-playbook" in capsys.readouterr().err
    checkout.functions(secrets={"token": {"KEY": encrypted("x")}})
    assert main(["render", "test", "--project", "functions"]) == 0
    assert "not played" not in capsys.readouterr().err


def test_a_stack_without_a_cluster_can_be_rendered_all_the_same(usual):
    with pytest.raises(ConfigurationError, match="found no kubeconfig"):
        parse(StackSettings, {}, stack="test")
    assert {"platform/deployment.headrace.scaler.yaml", "platform/statefulset.headrace.nats.yaml"} < set(
        usual
    )
    assert [path for path, text in usual.items() if "not read where files are written" in text] == []
