"""Hosts of a stack: what may be configured, what is declared for them, and in which order."""

import json

import pytest
from pydantic import ValidationError

from headrace.model.errors import ConfigurationError
from infra.cluster import provider
from infra.components.cluster.hosts import Hosts, HostsArgs
from infra.components.cluster.platform import Platform, PlatformArgs
from infra.configuration import parse, refuse_plain
from infra.host_files import host_files
from infra.objects import Ground
from infra.playbooks.resources import Playbook, PlaybookArgs
from infra.settings import StackSettings
from tests.infra.recording import Secret, declared

RUN = "pulumi-python:dynamic/headrace:PlaybookRun"
OUTCOME = "pulumi-python:dynamic/headrace:PlaybookOutcome"
SPEC = {
    "address": "10.0.0.1", "port": 8308, "backend": "rcuda", "maxSessions": 2,
    "devices": [{"model": "T4", "memory": "16Gi"}], "nodeSelector": {},
}  # fmt: skip
MADE = {
    "pulumi-python:dynamic/headrace:Password": {"value": "{}-hush-hush-hush"},
    "pulumi-python:dynamic/headrace:Authority": {"certificate": "authority", "key": "authority-hush"},
    "pulumi-python:dynamic/headrace:Certificate": {"certificate": "certificate", "key": "queue-key-hush"},
    RUN: {"fault": "", "hosts": {}, "manifests": {"gpu1": SPEC}, "ended": "now"},
}
REMOTE = {"networks": ["10.0.0.0/24"]}
HOSTS = {
    "inventory": "lab/hosts.yml",
    "playbooks": ["rcuda", "own/site.yml"],
    "variables": {"rcuda_server_port": 8308, "rcuda_server_flags": ["a"]},
    "secretVariables": {"token": "a secret of a person"},
    "gpuServers": ["gpu1"],
}


def stack(**more: object) -> StackSettings:
    usual = {"kubeconfig": '{"contexts": [{"name": "box"}]}', "context": "box", "remoteGpus": REMOTE}
    return StackSettings.from_json(json.dumps({**usual, **more}))


@pytest.fixture
def folder(tmp_path):
    for name in ("lab/hosts.yml", "own/site.yml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("all: {}")
    return tmp_path


@pytest.fixture
def found(folder):
    settings = stack(hosts=HOSTS)
    assert settings.hosts is not None

    def program():
        ground = Ground(provider(settings.kubeconfig, settings.context), wait=settings.wait)
        hosts = Hosts("hosts", HostsArgs(settings.hosts, folder))
        Platform("platform", PlatformArgs(settings, ground, hosts))

    return declared(program, outputs=MADE)


# Settings


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"remoteGpus": None}, "found hosts.gpuServers (gpu1) and no remoteGpus, allowed with it"),
        (
            {"remoteGpus": {**REMOTE, "servers": {"gpu1": SPEC}}},
            "found gpu1 in hosts.gpuServers and in remoteGpus",
        ),
        (
            {"pools": {"lab": {"driver": "power", "capacity": {"cpu": 4, "memory": "8Gi"}, "maxNodes": 6}}},
            "found pools.lab with driver power and no hosts.power, allowed with it; write",
        ),
        ({"hosts": {**HOSTS, "variables": {"token": 1}}}, "found token in variables and in secretVariables"),
        (
            {"hosts": {**HOSTS, "playbooks": ["rcuda", "rcuda"]}},
            "found 'rcuda' twice in playbooks, allowed once",
        ),
        (
            {"hosts": {**HOSTS, "variables": {"rcuda_server_manifest_folder": "/tmp"}}},
            "found variables.rcuda_server_manifest_folder, which `pulumi up` sets itself",
        ),
    ],
)
def test_hosts_that_contradict_the_rest_are_refused(changes, told):
    with pytest.raises(ValidationError) as caught:
        stack(**{"hosts": HOSTS, **changes})
    assert told in str(caught.value)


def test_each_fault_of_hosts_is_told_with_found_and_allowed():
    wrong = {"inventory": "", "playbooks": [], "variables": {"a-b": 1}, "timeoutSeconds": 1, "limits": "gpu1"}
    with pytest.raises(ConfigurationError) as caught:
        parse(StackSettings, {"kubeconfig": "k", "context": "c", "hosts": json.dumps(wrong)}, stack="lab")
    for part in (
        "hosts.inventory",
        "hosts.playbooks",
        "hosts.timeoutSeconds: found 1",
        "did you mean limit?",
    ):
        assert part in str(caught.value)


def test_secret_variables_are_taken_encrypted_only_and_shown_nowhere():
    settings = stack(hosts=HOSTS)
    assert "a secret of a person" not in repr(settings)
    with pytest.raises(ConfigurationError, match="hosts: found in plain text, allowed encrypted only"):
        refuse_plain(settings.secret_keys, {"kubeconfig"}, stack="lab")
    assert "hosts" not in stack(hosts={**HOSTS, "secretVariables": {}}).secret_keys


# What is declared


def test_a_stack_without_hosts_has_none():
    settings = stack()

    def program():
        ground = Ground(provider(settings.kubeconfig, settings.context), wait=settings.wait)
        Platform("platform", PlatformArgs(settings, ground))

    kinds = {each.type for each in declared(program, outputs=MADE).values()}
    assert not [kind for kind in kinds if "laybook" in kind or kind.endswith(":Hosts")]


def test_playbooks_are_played_one_after_the_other_each_with_its_outcome(found):
    first, second = found["hosts-rcuda-run"], found["hosts-own/site.yml-run"]
    assert first.type == second.type == RUN
    assert (first.inputs["playbook"], second.inputs["playbook"]) == ("rcuda", "own/site.yml")
    assert (first.parent, second.parent) == ("hosts-rcuda", "hosts-own/site.yml")
    assert "hosts-rcuda-outcome" in second.after


def test_a_run_is_given_what_is_configured_and_its_secrets_stay_secret(found, folder):
    run = found["hosts-rcuda-run"]
    assert run.inputs["secret_variables"] == Secret({"token": "a secret of a person"})
    assert run.secret_outputs == ("secret_variables",)
    assert run.inputs["variables"] == {"rcuda_server_port": 8308, "rcuda_server_flags": ["a"]}
    assert run.inputs["inventory"]["path"] == "lab/hosts.yml"
    assert run.inputs["folder"] == str(folder)
    assert "a secret of a person" not in str(
        {key: run.inputs[key] for key in run.inputs if key != "secret_variables"}
    )


def test_all_of_the_cluster_comes_after_the_hosts(found):
    outcomes = {name for name, each in found.items() if each.type == OUTCOME}
    for name in ("namespace/headrace", "customresourcedefinition/gpuservers.headrace.dev"):
        assert outcomes <= found[name].after


def test_servers_that_the_hosts_wrote_are_objects_on_the_cluster(found):
    server = found["gpuserver/gpu1"]
    assert server.inputs["spec"] == SPEC
    assert server.parent == "gpus"
    assert "hosts-gpu-servers" in server.after


def test_an_inventory_may_be_written_in_line_and_is_compared_as_such(folder):
    hosts = {"all": {"hosts": {"gpu1": {"ansible_host": "10.0.0.1"}}}}

    def program():
        Playbook("own", PlaybookArgs("rcuda", hosts, folder))

    run = declared(program, outputs=MADE)["own-run"]
    assert run.inputs["inventory"] == {"inline": hosts}
    assert run.parent == "own"


# What the scaler is given


POWER = {"networks": ["10.0.0.0/16"], "files": {"id_ed25519": "a key of a person"}}


@pytest.fixture
def powered(folder):
    beside = folder / "lab" / "group_vars"
    beside.mkdir()
    (beside / "all.yml").write_text("ansible_user: root")
    (folder / "vault").write_text("a password of the vault")
    settings = stack(hosts={**HOSTS, "power": POWER, "vaultPasswordFile": "vault"})
    assert settings.hosts is not None

    def program():
        ground = Ground(provider(settings.kubeconfig, settings.context), wait=settings.wait)
        hosts = Hosts("hosts", HostsArgs(settings.hosts, folder))
        Platform("platform", PlatformArgs(settings, ground, hosts))

    return declared(program, outputs=MADE)


def test_the_scaler_alone_is_given_the_inventory_and_secret_files_beside_it(powered):
    pod = powered["deployment/headrace/scaler"].inputs["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "hosts")
    assert volume["secret"]["items"] == [
        {"key": "host-file-0", "path": ".vault-password"},
        {"key": "host-file-1", "path": "group_vars/all.yml"},
        {"key": "host-file-2", "path": "hosts.yml"},
        {"key": "host-file-3", "path": "id_ed25519"},
    ]
    other = powered["deployment/headrace/controller"].inputs["spec"]["template"]["spec"]
    assert "hosts" not in [each["name"] for each in other["volumes"]]


def test_scaler_and_controller_know_that_hosts_can_be_switched_and_files_stay_secret(powered):
    contents = powered["secret/headrace/headrace-scaler"].inputs["stringData"]
    assert isinstance(contents, Secret)
    assert contents.value["host-file-3"] == "a key of a person\n"
    for service in ("scaler", "controller"):
        contents = powered[f"secret/headrace/headrace-{service}"].inputs["stringData"].value
        told = json.loads(contents["settings.json"])
        assert told["kubernetes"]["hosts"] == {
            "inventory": "/etc/headrace/hosts/hosts.yml",
            "vaultPasswordFile": "/etc/headrace/hosts/.vault-password",
            "collections": "/opt/headrace/collections",
        }
    assert "host-file-3" not in powered["secret/headrace/headrace-controller"].inputs["stringData"].value


def test_the_scaler_may_connect_to_hosts_and_their_bmcs(powered):
    egress = powered["networkpolicy/headrace/headrace-scaler"].inputs["spec"]["egress"]
    to_hosts = [each for each in egress if each["to"] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]]
    assert [each["ports"] for each in to_hosts] == [[{"protocol": "TCP"}, {"protocol": "UDP"}]]


def test_a_secret_file_ends_with_its_last_line_s_end_which_pulumi_s_command_takes_away(folder):
    given = {"id_ed25519": "a key", "bmc-password": "hidden\n"}
    files = host_files(stack(hosts={**HOSTS, "power": {**POWER, "files": given}}).hosts, folder).files
    assert {name: files[name] for name in given} == {"id_ed25519": "a key\n", "bmc-password": "hidden\n"}


def test_a_file_that_is_there_twice_is_refused(folder):
    hosts = stack(hosts={**HOSTS, "power": {**POWER, "files": {"hosts.yml": "x"}}}).hosts
    with pytest.raises(ConfigurationError, match="found a file of that name beside the inventory"):
        host_files(hosts, folder)
