"""What a stack declares for the status page: its pod, its token, its rights, and what it is told."""

import functools
import json

from headrace.model.settings import Settings
from headrace.model.status_page import Names
from infra.configuration import parse
from infra.logins import readers, store_identities
from infra.settings import StackSettings
from tests.infra.aws import deployed, example
from tests.infra.recording import Secret
from tests.unit.test_infra_components import KUBECONFIG, objects, platform, stack

STATUS = {
    "names": "hidden",
    "title": "the lab",
    "entrance": {"clients": ["10.0.0.0/8"]},
    "proxy": {
        "identityHeader": "X-Forwarded-Email",
        "secret": "of-the-proxy-hush",
        "origins": ["https://status.example"],
    },
}


def settings():
    given = {"kubeconfig": KUBECONFIG, "context": "box", "status": json.dumps(STATUS)}
    return parse(StackSettings, given, stack="test")


@functools.cache
def found():
    return platform(settings())


def told(reader="status"):
    contents = found()[f"secret/headrace/headrace-{reader}"].inputs["stringData"].value
    return Settings.from_json(contents["settings.json"])


def test_a_stack_without_one_has_nothing_of_it():
    assert not [name for name in objects(platform(stack(wait=False))) if name.endswith("status")]
    assert "status" not in readers(stack())
    assert "status" not in store_identities(stack())


def test_it_is_told_as_the_stack_says_with_a_token_that_is_made():
    status = told().status
    assert (status.title, status.names, status.port) == ("the lab", Names.HIDDEN, 8080)
    assert status.proxy.secret == "of-the-proxy-hush"
    secret = found()["secret/headrace/headrace-status-login"].inputs["stringData"]
    assert isinstance(secret, Secret)
    assert secret.value == {"token": status.token}
    assert len(status.token) > 20


def test_nobody_else_is_told_the_token():
    others = ("receiver", "scaler", "controller")
    assert [reader for reader in others if told(reader).status] == []
    assert told("operator").status == told().status, "who connects acts, too"


def test_the_secret_of_a_proxy_has_to_be_encrypted():
    assert ("status", "proxy", "secret") in settings().secret_parts
    assert "of-the-proxy-hush" not in repr(settings())


def test_one_pod_is_reached_by_those_who_are_named_and_awaited_once_the_bucket_is_there():
    deployment = found()["deployment/headrace/status"].inputs
    assert deployment["spec"]["replicas"] == 1
    spec = found()["networkpolicy/headrace/headrace-status"].inputs["spec"]
    assert spec["ingress"] == [
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 8080}]}
    ]
    assert "bucket/headrace/headrace-platform" in found()["awaited/status"].after
    assert "awaited/status" not in platform(stack())


def test_it_writes_into_the_platforms_bucket_alone():
    actions = store_identities(settings())["status"]
    assert [each for each in actions if each.startswith(("Write", "Admin"))] == ["Write:headrace"]


def test_on_aws_it_has_a_role_of_its_own():
    assert "role-status" in deployed({**example(), "status": {}})
    assert "role-status" not in deployed(example())
