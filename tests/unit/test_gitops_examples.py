"""stacks/gitops: the examples are what Flux, Argo CD and Pulumi's operator take, and fit what is rendered."""

import copy
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from infra.gitops.collecting import GROUND, PLATFORM
from infra.gitops.projects import PROJECTS
from tests.infra.operators import SYNCED, Application, GitRepository, Kustomization, Stack

ROOT = Path(__file__).parents[2]
TOP = ROOT / "stacks" / "gitops"
KINDS = ("Stack", "GitRepository", "OCIRepository", "Application")


def documents(*parts):
    paths = sorted(TOP.joinpath(*parts).rglob("*.yaml"))
    return [(path, each) for path in paths for each in yaml.safe_load_all(path.read_text())]


def is_synced(document):
    return document["kind"] in KINDS or document["apiVersion"].startswith("kustomize.toolkit.fluxcd.io/")


def read(*parts):
    return [SYNCED.validate_python(each) for _, each in documents(*parts) if is_synced(each)]


SYNCED_DOCUMENTS = [each for each in documents() if is_synced(each[1])]
IDS = [f"{path.relative_to(TOP)}-{each['metadata']['name']}" for path, each in SYNCED_DOCUMENTS]


@pytest.mark.parametrize(("path", "document"), SYNCED_DOCUMENTS, ids=IDS)
def test_an_example_has_the_fields_that_its_kind_takes_and_no_others(path, document):
    SYNCED.validate_python(document)
    wrong = copy.deepcopy(document)
    wrong["spec"]["intervall"] = "1m"
    with pytest.raises(ValidationError, match="intervall"):
        SYNCED.validate_python(wrong)


def test_no_example_holds_a_secret():
    for path, each in documents():
        assert each["kind"] != "Secret", path


# Flux


def test_flux_brings_the_ground_first_and_functions_last():
    found = {each.metadata.name: each for each in read("flux") if isinstance(each, Kustomization)}
    after = {name: [needed.name for needed in each.spec.depends_on] for name, each in found.items()}
    assert after == {
        "headrace-ground": [],
        "headrace-platform": ["headrace-ground"],
        "headrace-functions": ["headrace-platform"],
    }
    assert all(each.spec.wait and each.spec.prune for each in found.values()), (
        "or nothing would be waited for"
    )
    assert [each.spec.path for each in found.values()] == [
        "./manifests/lab/functions",
        f"./manifests/lab/platform/{GROUND}",
        f"./manifests/lab/platform/{PLATFORM}",
    ]


def test_fluxs_sources_are_there():
    found = read("flux")
    sources = {each.metadata.name for each in found if isinstance(each, GitRepository)}
    assert {each.spec.source_ref.name for each in found if isinstance(each, Kustomization)} == sources


# Argo CD


def test_argo_cd_applies_as_pulumi_does_what_is_rendered_for_each_project():
    found = [each for each in read("argocd") if isinstance(each, Application)]
    assert {each.spec.source.path for each in found} == {f"manifests/lab/{name}" for name in PROJECTS}
    assert all("ServerSideApply=true" in each.spec.sync_policy.sync_options for each in found)


# The Pulumi Kubernetes Operator


def operators():
    return [each for each in read("pulumi-operator") if isinstance(each, Stack)]


def others(kind):
    return {
        each["metadata"]["name"]: each for _, each in documents("pulumi-operator") if each["kind"] == kind
    }


def test_a_stack_is_of_its_project_and_functions_come_after_the_platform():
    found = {each.metadata.name: each.spec for each in operators()}
    for part, project in PROJECTS.items():
        spec = found[f"headrace-{part}"]
        assert spec.stack == f"organization/{project.name}/lab"
        assert spec.repo_dir == project.folder.removeprefix(".")
        assert set(spec.config) == {f"{project.name}:{key}" for key in ("kubeconfig", "context")}
        assert yaml.safe_load((ROOT / project.folder / "Pulumi.yaml").read_text())["name"] == project.name
    assert [each.name for each in found["headrace-functions"].prerequisites] == ["headrace-platform"]
    assert found["headrace-platform"].prerequisites == []


def test_deleting_a_stack_object_deletes_no_platform():
    assert [each.spec.destroy_on_finalize for each in operators()] == [False, False]


def test_a_workspace_finds_its_account_its_python_and_its_kubeconfig():
    for stack in operators():
        assert stack.spec.service_account_name in others("ServiceAccount")
        pod = stack.spec.workspace_template.spec.pod_template.spec
        (python,) = pod.init_containers
        assert python["command"] == ["sh", "tools/bootstrap.sh", "dev"]
        assert (ROOT / python["command"][1]).is_file()
        assert python["image"] == stack.spec.workspace_template.spec.image
        (volume,) = pod.volumes
        (container,) = pod.containers
        (mount,) = container["volumeMounts"]
        assert (container["name"], mount["name"]) == ("pulumi", volume["name"])
        content = others("ConfigMap")[volume["configMap"]["name"]]["data"]["kubeconfig"]
        values = {key.partition(":")[2]: value for key, value in stack.spec.config.items()}
        assert values["kubeconfig"] == f"{mount['mountPath']}/kubeconfig"
        assert values["context"] in {each["name"] for each in yaml.safe_load(content)["contexts"]}
        assert "token:" not in content


def test_a_workspace_is_told_secrets_by_reference_only():
    for stack in operators():
        assert {name: each.secret.key for name, each in stack.spec.env_refs.items()} == {
            "PULUMI_CONFIG_PASSPHRASE": "passphrase"
        }
