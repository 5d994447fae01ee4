"""A stack's configuration: what is taken, what is refused, and that every fault is told at once."""

import json
from pathlib import Path

import pytest

from headrace.model.bucket import OnBucketDelete
from headrace.model.errors import ConfigurationError
from headrace.model.pool import Driver
from infra.configuration import own_texts, parse, refuse_plain
from infra.function_settings import FunctionSettings
from infra.kubeconfig import checked
from infra.plain import own_tree, refuse_plain_parts
from infra.settings import StackSettings
from tests.infra.aws import example, stack

NEEDED = {"kubeconfig": "/some/file", "context": "box"}
KUBECONFIG = "apiVersion: v1\ncontexts:\n- name: box\n- name: other\n"


def test_what_is_not_written_has_its_default():
    stack = parse(StackSettings, NEEDED, stack="test")
    assert stack == StackSettings(kubeconfig="/some/file", context="box")
    assert stack.seaweedfs is not None
    assert stack.platform_bucket.on_delete is OnBucketDelete.REFUSE
    assert stack.receiver.replicas == stack.scaler.replicas == stack.controller.replicas == 2


def test_texts_stay_texts_and_all_else_is_json():
    texts = {
        **NEEDED,
        "context": "007",
        "wait": "false",
        "functionsSecurity": "baseline",
        "pools": '{"gpu": {"driver": "kwok", "capacity": {"cpu": "4", "memory": "8Gi"}, "maxNodes": 3}}',
    }
    stack = parse(StackSettings, texts, stack="test")
    assert stack.context == "007"
    assert stack.wait is False
    assert stack.pools["gpu"].driver is Driver.KWOK


def test_every_fault_is_told_at_once_with_key_found_and_allowed():
    texts = {
        "kubeconfig": "/some/file",
        "namespce": "x",
        "wait": "maybe",
        "functionsSecurity": "privileged",
        "scaler": '{"replicas": 0}',
        "queue": '{"disk": {"storage": "5 GB"}}',
        "store": '{"s3": {"endpoint": "ftp://x", "accessKey": "a", "secretKey": "b"}}',
        "receiver": '{"entrance": {"clients": ["10.0.0.0/33"]}}',
    }
    with pytest.raises(ConfigurationError) as told:
        parse(StackSettings, texts, stack="test")
    lines = str(told.value).splitlines()
    assert lines[0] == "configuration of stack test:"
    assert lines.pop().startswith("  found no context and no aws, allowed with one of them; ")
    assert {line.partition(": ")[0].strip(): line.partition(": ")[2][:39] for line in lines[1:]} == {
        "namespce": "found an unknown key, allowed api, aws,",
        "wait": "found 'maybe', allowed true or false; w",
        "functionsSecurity": "found 'privileged', allowed 'restricted",
        "scaler.replicas": "found 0, allowed >= 1; change it",
        "queue.disk.storage": "found '5 GB', allowed a Kubernetes quan",
        "receiver.entrance.clients[0]": "found '10.0.0.0/33', allowed an address",
        "store.s3.endpoint": "found 'ftp://x', allowed what matches ^",
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"namespace": "a", "functionsNamespace": "a"}, "allowed two different ones"),
        ({"buckets": '{"uploads": {"name": "headrace"}}'}, "which is the platform's own"),
        ({"buckets": '{"uploads": {"name": "same"}, "results": {"name": "same"}}'}, "another bucket is too"),
        ({"store": "{}"}, "found none, allowed exactly one of seaweedfs, s3"),
    ],
)
def test_values_that_contradict_one_another_are_refused(changes, told):
    with pytest.raises(ConfigurationError) as error:
        parse(StackSettings, {**NEEDED, **changes}, stack="test")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("protection", "protect", "protected"),
    [
        ("protect", False, True),
        ("retain", False, False),
        ("none", False, False),
        ("none", True, True),
    ],
)
def test_on_aws_either_switch_protects_what_holds_data_on_the_cluster(protection, protect, protected):
    tree = example()
    found = stack({**tree, "protect": protect, "aws": {**tree["aws"], "protection": protection}})
    assert found.is_protected is protected


def test_on_a_given_cluster_one_switch_protects():
    assert parse(StackSettings, {**NEEDED, "protect": "true"}, stack="test").is_protected
    assert not parse(StackSettings, NEEDED, stack="test").is_protected


def test_both_stores_at_once_are_refused():
    given = {"endpoint": "https://s3.example", "accessKey": "a", "secretKey": "b"}
    texts = {**NEEDED, "store": json.dumps({"seaweedfs": {}, "s3": given})}
    with pytest.raises(ConfigurationError, match="found seaweedfs and s3, allowed exactly one"):
        parse(StackSettings, texts, stack="test")


def test_only_the_projects_own_keys_are_its_configuration():
    everything = {"headrace:wait": "true", "pulumi:template": "x", "headrace-functions:wait": "false"}
    assert own_texts("headrace", everything) == {"wait": "true"}


def test_a_secret_kept_as_plain_text_is_refused():
    given = {"s3": {"endpoint": "https://s3.example", "accessKey": "a", "secretKey": "hush"}}
    stack = parse(StackSettings, {**NEEDED, "store": json.dumps(given)}, stack="test")
    assert stack.secret_keys == ("store",)
    with pytest.raises(ConfigurationError, match="store: found in plain text") as told:
        refuse_plain(stack.secret_keys, set(), stack="test")
    assert "hush" not in str(told.value) + repr(stack)
    refuse_plain(stack.secret_keys, {"store"}, stack="test")


def test_a_stacks_file_is_searched_for_secrets_in_plain_text_as_pulumi_tells_of_whole_keys_only(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("stackConfigDir: stacks")
    own = tmp_path / "stacks" / "Pulumi.test.yaml"
    assert own_tree(tmp_path / "Pulumi.yaml", "headrace", "test") == {}  # it may be elsewhere
    own.parent.mkdir()
    s3 = {"accessKey": "a", "secretKey": "hush"}
    config = {"headrace:store": {"s3": s3}, "other:key": 1, "headrace:kubeconfig": {"secure": "v1:x"}}
    own.write_text(json.dumps({"config": config}))
    tree = own_tree(tmp_path / "Pulumi.yaml", "headrace", "test")
    assert set(tree) == {"store", "kubeconfig"}
    parts = [("store", "s3", "secretKey"), ("kubeconfig",), ("hosts", "secretVariables", "x")]
    with pytest.raises(ConfigurationError, match=r"store\.s3\.secretKey: found in plain text") as told:
        refuse_plain_parts(parts, tree, stack="test")
    assert len(str(told.value).splitlines()) == 2
    assert "hush" not in str(told.value)
    refuse_plain_parts(parts, {**tree, "store": {"secure": "v1:all"}}, stack="test")
    own.write_text("hush: [")
    with pytest.raises(ConfigurationError, match="can't be searched") as told:
        own_tree(tmp_path / "Pulumi.yaml", "headrace", "test")
    assert "hush" not in str(told.value)


def test_secrets_of_functions_are_kept_encrypted_and_shown_nowhere():
    texts = {
        **NEEDED,
        "platform": "organization/headrace/test",
        "functions": '["echo"]',
        "secrets": '{"token": {"KEY": "hush"}}',
    }
    settings = parse(FunctionSettings, texts, stack="test")
    assert settings.secret_keys == ("secrets",)
    assert "hush" not in repr(settings)


# Which cluster


def test_a_path_is_given_on_as_an_absolute_one():
    assert checked("~/here", "box", read=lambda _: KUBECONFIG) == str(Path("~/here").expanduser())


def test_content_is_given_on_as_it_is():
    assert checked(KUBECONFIG, "other", read=_unread) == KUBECONFIG


@pytest.mark.parametrize(
    ("kubeconfig", "context", "text", "told"),
    [
        ("here/config", "box", KUBECONFIG, "found the relative path 'here/config'"),
        ("/here", "nope", KUBECONFIG, "found 'nope', allowed box, other"),
        ("/here", "box", "contexts: []", "allowed none, as the file has no context"),
        ("/here", "box", "key: [", "is no kubeconfig with contexts"),
        ("/here", "box", "users: [{token: hush}]", "is no kubeconfig with contexts"),
    ],
)
def test_a_cluster_that_is_not_clear_is_refused(kubeconfig, context, text, told):
    with pytest.raises(ConfigurationError, match=told) as error:
        checked(kubeconfig, context, read=lambda _: text)
    assert "hush" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nothing can't be read"):
        checked(str(tmp_path / "nothing"), "box")


def _unread(_: Path) -> str:
    raise AssertionError("no file is meant")
