"""What a stack declares for the API: its pods, users, rights, and what these are told."""

import functools
import json

import pytest

from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from infra.configuration import parse
from infra.logins import queue_users, readers, store_identities
from infra.settings import StackSettings
from tests.infra.aws import deployed, example
from tests.infra.recording import Secret
from tests.unit.test_infra_components import KUBECONFIG, objects, platform, stack

API = {
    "users": {
        "root": {"storeKey": True},
        "nurse": {"tenant": "ward", "storeKey": True},
        "guest": {"tenant": "ward", "password": "guest-hush-hush"},
    },
    "entrance": {"service": "NodePort", "clients": ["10.0.0.0/8"]},
    "upload": "100Mi",
    "spool": "1Gi",
    "storeEndpoint": "https://store.example",
}
TENANTS = {"ward": {"buckets": {"uploads": {}}}}


@functools.cache
def found():
    given = {"kubeconfig": KUBECONFIG, "context": "box", "wait": "false"}
    given |= {"tenants": json.dumps(TENANTS), "api": json.dumps(API)}
    return platform(parse(StackSettings, given, stack="test"))


def told(reader="api"):
    contents = found()[f"secret/headrace/headrace-{reader}"].inputs["stringData"].value
    return Settings.from_json(contents["settings.json"])


def test_a_stack_without_an_api_has_nothing_of_it():
    assert not [name for name in objects(platform(stack(wait=False))) if "api" in name.split("/")[-1]]
    assert "api" not in readers(stack())
    assert "api" not in queue_users(stack())
    assert "api" not in store_identities(stack())


def test_users_are_told_as_the_stack_names_them_with_passwords_given_or_made():
    users = {each.name: each for each in told().api.users}
    assert {name: each.tenant for name, each in users.items()} == {
        "guest": "ward",
        "nurse": "ward",
        "root": None,
    }
    assert users["guest"].password == "guest-hush-hush"
    assert users["root"].password == "credentials-api-user-root-hush-hush-hush"
    assert "credentials-api-user-guest" not in found(), "none is made where one is given"
    secret = found()["secret/headrace/headrace-api-users"].inputs["stringData"]
    assert isinstance(secret, Secret)
    assert secret.value == {name: each.password for name, each in users.items()}


def test_only_the_api_is_told_of_its_users_and_none_of_the_token_of_notifications():
    assert [reader for reader in ("receiver", "scaler", "controller", "operator") if told(reader).api] == []
    assert told().receiver.token == ""
    assert len(told().api.token_key) >= 32


def test_bounds_are_told_in_bytes_and_the_spool_has_a_volume_of_that_size():
    api = told().api
    assert (api.upload_bytes, api.spool_bytes, api.spool_directory) == (100 * 2**20, 2**30, "/spool")
    assert api.store_endpoint == "https://store.example"
    pod = found()["deployment/headrace/api"].inputs["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "spool")
    size = int(volume["emptyDir"]["sizeLimit"])
    assert size > api.spool_bytes
    assert int(container["resources"]["limits"]["ephemeral-storage"]) == size, "or the kubelet ends the pod"
    assert {"name": "spool", "mountPath": "/spool"} in container["volumeMounts"]


def test_keys_of_the_store_are_handed_to_those_who_shall_have_one():
    keys = {each.name: each.store.access_key if each.store else None for each in told().api.users}
    assert keys == {"root": "user-root", "nurse": "user-nurse", "guest": None}
    identities = json.loads(found()["secret/headrace/seaweedfs"].inputs["stringData"].value["s3.json"])
    known = {each["name"]: each for each in identities["identities"]}
    assert known["user-nurse"]["actions"] == [
        f"{action}:ward-uploads" for action in ("Read", "Write", "List", "Tagging")
    ]
    assert "user-guest" not in known
    secrets = {each["credentials"][0]["secretKey"] for each in known.values()}
    assert len(secrets) == len(known)


def test_it_has_a_login_to_every_account_and_reaches_queue_and_store():
    queue = told().queue
    assert (queue.user, {name: each.user for name, each in queue.accounts.items()}) == (
        "api",
        {"ward": "ward.api"},
    )
    for server in ("queue", "store"):
        (opening,) = found()[f"networkpolicy/headrace/headrace-{server}"].inputs["spec"]["ingress"]
        components = [
            each["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for each in opening["from"]
        ]
        assert "api" in components


def test_only_the_clients_that_are_named_reach_it():
    spec = found()["networkpolicy/headrace/headrace-api"].inputs["spec"]
    assert spec["ingress"] == [
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 8080}]}
    ]
    assert found()["service/headrace/api"].inputs["spec"]["type"] == "NodePort"


def test_a_password_that_is_given_has_to_be_encrypted():
    settings = parse(
        StackSettings,
        {
            "kubeconfig": KUBECONFIG,
            "context": "box",
            "tenants": json.dumps(TENANTS),
            "api": json.dumps(API),
        },
        stack="test",
    )
    assert ("api", "users", "guest", "password") in settings.secret_parts


@pytest.mark.parametrize(
    ("api", "fault"),
    [
        ({"users": {}}, "api.users"),
        ({"users": {"root": {"tenant": "lab"}}}, "api.users.root.tenant lab"),
        ({"users": {"Root": {}}}, "api.users.Root"),
        ({"users": {"root": {"password": "short"}}}, "api.users.root.password"),
        ({"users": {"root": {}}, "spool": "1Mi", "upload": "2Mi"}, "api.spool 1Mi"),
    ],
)
def test_what_can_not_be_is_refused(api, fault):
    given = {"kubeconfig": "/some/file", "context": "box", "tenants": json.dumps(TENANTS)}
    with pytest.raises(ConfigurationError, match=fault):
        parse(StackSettings, {**given, "api": json.dumps(api)}, stack="test")


def test_a_key_of_a_store_that_is_not_the_stacks_own_is_refused():
    given = {"endpoint": "https://s3.example", "accessKey": "key", "secretKey": "hush"}
    texts = {"kubeconfig": "/some/file", "context": "box", "store": json.dumps({"s3": given})}
    with pytest.raises(ConfigurationError, match=r"api\.users\.root\.storeKey"):
        parse(
            StackSettings,
            {**texts, "api": json.dumps({"users": {"root": {"storeKey": True}}})},
            stack="test",
        )


def test_on_aws_it_has_a_role_of_its_own():
    made = deployed({**example(), "api": {"users": {"root": {}}}})
    pods = made["PodIdentityAssociation/pods-api"]
    assert (pods.inputs["namespace"], pods.inputs["serviceAccount"]) == ("headrace", "headrace-api")
    assert "role-api" in made
    assert "role-api" not in deployed(example())
