"""What a stack declares for its tenants: namespaces, rights, accounts of the queue, keys of the store."""

import functools
import json

import pytest

from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from infra import names
from infra.components.functions.platform import buckets_of
from infra.configuration import parse
from infra.manifests import nats
from infra.settings import StackSettings
from tests.infra.aws import deployed, example
from tests.infra.iam import allows
from tests.unit.test_infra_components import KUBECONFIG, objects, platform, stack

TENANTS = {
    "lab": {
        "weight": 2,
        "quota": {"workers": 4},
        "buckets": {"uploads": {}, "results": {"name": "of-the-lab"}},
    },
    "ward": {
        "images": [{"repository": "registry.example/ward"}],
        "buckets": {"uploads": {}},
        "security": "baseline",
    },
}
BUCKETS = {"results": "of-the-lab", "uploads": "lab-uploads"}


@functools.cache
def found():
    given = {"kubeconfig": KUBECONFIG, "context": "box", "wait": "false", "tenants": json.dumps(TENANTS)}
    return platform(parse(StackSettings, given, stack="test"))


def settings_in(namespace, reader):
    contents = found()[f"secret/{namespace}/{names.own(reader)}"].inputs["stringData"].value
    return Settings.from_json(contents["settings.json"])


def test_a_stack_without_tenants_is_as_it_was():
    assert objects(platform(stack(wait=False))) == objects(platform(stack(wait=False, tenants={})))
    assert "TENANT" not in nats.configuration(storage="1Gi")


def test_each_tenant_has_a_closed_namespace_with_its_own_standard():
    for name, level in (("lab", "restricted"), ("ward", "baseline"), ("headrace-functions", "restricted")):
        labels = found()[f"namespace/{name}"].inputs["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == level
        assert found()[f"networkpolicy/{name}/headrace-deny-all"].inputs["spec"]["podSelector"] == {}


@pytest.mark.parametrize("service", [names.RECEIVER, names.SCALER, names.CONTROLLER])
def test_services_may_do_in_each_tenants_namespace_what_they_may_in_the_stacks_own(service):
    own = found()[f"role/headrace-functions/headrace-{service}"].inputs["rules"]
    for name in TENANTS:
        assert found()[f"role/{name}/headrace-{service}"].inputs["rules"] == own
        (subject,) = found()[f"rolebinding/{name}/headrace-{service}"].inputs["subjects"]
        assert subject["namespace"] == "headrace"


def test_people_of_tenants_get_a_role_that_leads_around_no_bound():
    rules = found()["clusterrole/headrace-author"].inputs["rules"]
    may = {
        (group, kind): set(each["verbs"])
        for each in rules
        for group in each["apiGroups"]
        for kind in each["resources"]
    }
    assert may["headrace.dev", "functions"] >= {"create", "patch", "delete"}
    looks = {"get", "list", "watch"}
    assert {kind for kind, verbs in may.items() if kind[0] != "headrace.dev" and verbs - looks} == set()
    assert ("", "secrets") not in may
    assert "clusterrolebinding/headrace-author" not in found()
    assert "clusterrole/headrace-author" not in platform(stack(wait=False))


@pytest.mark.parametrize("server", [names.QUEUE, names.STORE])
def test_workers_of_every_tenant_reach_queue_and_store(server):
    (opening,) = found()[f"networkpolicy/headrace/headrace-{server}"].inputs["spec"]["ingress"]
    spaces = [
        each["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for each in opening["from"]
        if "namespaceSelector" in each
    ]
    assert spaces == ["headrace-functions", "lab", "ward"]


def test_services_have_a_login_to_every_account_and_workers_to_their_own_alone():
    receiver = settings_in("headrace", names.RECEIVER)
    assert {name: each.user for name, each in receiver.queue.accounts.items()} == {
        "lab": "lab.events",
        "ward": "ward.events",
    }
    worker = settings_in("lab", names.WORKER)
    assert (worker.tenant, worker.queue.user, dict(worker.queue.accounts)) == ("lab", "lab.worker", {})
    assert worker.storage.access_key == "lab.worker"
    assert dict(worker.buckets) == BUCKETS
    own = settings_in("headrace-functions", names.WORKER)
    assert (own.tenant, own.queue.user, own.storage.access_key) == ("", "worker", "worker")


def test_every_password_is_another_one_and_a_secret():
    secrets = [
        (each.queue.password, each.storage.secret_key)
        for each in (settings_in(space, names.WORKER) for space in ("headrace-functions", *TENANTS))
    ]
    assert len({password for pair in secrets for password in pair}) == 6
    passwords = found()["secret/headrace/nats-passwords"].inputs["stringData"].value
    assert passwords["TENANT_LAB_WORKER_PASSWORD"] == secrets[1][0]


def test_services_know_what_is_declared_of_tenants():
    (lab, ward) = settings_in("headrace", names.SCALER).kubernetes.tenants
    assert (lab.name, lab.weight, lab.quota.workers, dict(lab.buckets)) == ("lab", 2, 4, BUCKETS)
    assert (ward.name, dict(ward.buckets)) == ("ward", {"uploads": "ward-uploads"})


def test_workers_are_told_of_no_other_tenant():
    for space, known in (("headrace-functions", ()), ("lab", ("lab",)), ("ward", ("ward",))):
        told = settings_in(space, names.WORKER)
        assert tuple(each.name for each in told.kubernetes.tenants) == known
        others = {"lab", "ward"} - set(known)
        assert not [each for each in others if f"{each}-uploads" in told.to_json().decode()]
    assert dict(settings_in("lab", names.WORKER).buckets_of("lab")) == BUCKETS


def test_a_tenants_identity_reaches_its_buckets_and_its_functions_keys():
    identities = json.loads(found()["secret/headrace/seaweedfs"].inputs["stringData"].value["s3.json"])
    actions = {each["name"]: each["actions"] for each in identities["identities"]}["ward.worker"]
    assert "Read:ward-uploads" in actions
    assert "Write:headrace/records/ward.*" in actions
    assert [each for each in actions if each.startswith("Tagging")] == ["Tagging:ward-uploads"]
    assert not [each for each in actions if "lab" in each or "Admin" in each or ":" not in each]


def test_accounts_together_stay_within_the_disk():
    alone, both = (nats.configuration(storage="9Gi", tenants=each) for each in ((), ("lab", "ward")))
    assert "jetstream: enabled" in alone
    part = 9 * 2**30 * 9 // 10 // 3
    assert both.count(f"jetstream: {{ max_file: {part} }}") == 3


def test_variables_of_passwords_are_as_many_as_users():
    users = nats.users(["a", "a-b", "a-b-worker"])
    assert len({nats.password_variable(user) for user in users}) == len(users) == 20


def faulty(**changes):
    texts = {"kubeconfig": "/some/file", "context": "box"}
    texts |= {key: json.dumps(value) for key, value in changes.items()}
    with pytest.raises(ConfigurationError) as error:
        parse(StackSettings, texts, stack="test")
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tenants": {"headrace": {}}}, "tenants.headrace, which is namespace too"),
        ({"tenants": {"headrace-functions": {}}}, "which is functionsNamespace too"),
        (
            {"tenants": {"lab": {}}, "store": {"s3": {"endpoint": "https://s3.example", "accessKey": "a",
             "secretKey": "b", "addresses": ["10.0.0.1/32"]}}},
            "found tenants (lab) and a store that is given, allowed with the",
        ),
        (
            {"tenants": {name: {"buckets": {f"of-{name}": {"name": "shared"}}} for name in ("lab", "ward")}},
            "tenants.ward.buckets.of-ward at 'shared', where tenants.lab.buckets.of-lab is",
        ),
        (
            {"buckets": {"mine": {"name": "lab-mine"}}, "tenants": {"lab": {"buckets": {"mine": {}}}}},
            "tenants.lab.buckets.mine at 'lab-mine', where buckets.mine is",
        ),
        ({"tenants": {"lab": {"buckets": {"mine": {"name": "headrace"}}}}}, "where the platform's own is"),
        ({"tenants": {"lab": {"wieght": 2}}}, "wieght"),
        ({"tenants": {"kube-system": {}}}, "tenants.kube-system, a namespace of the cluster itself"),
        ({"tenants": {"default": {}}}, "tenants.default, a namespace of the cluster itself"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(changes, told):
    assert told in faulty(**changes)


def test_a_name_that_gets_too_long_is_told_with_whose_it_is_and_hides_no_other_fault():
    told = faulty(tenants={"lab": {"buckets": {"u" * 60: {}}}, "headrace": {}})
    assert f"tenants.lab.buckets.{'u' * 60} at 'lab-{'u' * 60}', 64 letters long, allowed 63" in told
    assert "tenants.headrace, which is namespace too" in told


def test_functions_of_a_tenant_go_where_the_platform_has_it():
    told = {"lab": BUCKETS, "ward": {}}
    assert buckets_of("lab", told) == BUCKETS
    with pytest.raises(ConfigurationError, match="found of, allowed lab, ward"):
        buckets_of("of", told)
    with pytest.raises(ConfigurationError, match="none, as the platform has none"):
        buckets_of("lab", {})


def test_on_aws_the_stack_makes_their_buckets_too():
    found = deployed({**example(), "tenants": TENANTS})
    real = "headrace-lab-uploads-123456789012-eu-central-1"
    assert found["Bucket/bucket-lab/uploads"].inputs["bucket"] == real
    assert found["Bucket/bucket-lab/results"].inputs["bucket"] == "of-the-lab"
    assert found["BucketNotification/bucket-lab/uploads"].inputs["eventbridge"] is True
    pattern = json.loads(found["EventRule/uploads"].inputs["eventPattern"])
    assert {real, "of-the-lab"} < set(pattern["detail"]["bucket"]["name"])
    receiver = json.loads(found["RolePolicy/role-receiver"].inputs["policy"])
    assert allows(receiver, "s3:GetObject", f"arn:aws:s3:::{real}/in/a")
    assert found[""]["tenants"]["lab"] == {"uploads": real, "results": "of-the-lab"}
    contents = found[f"secret/lab/{names.own(names.WORKER)}"].inputs["stringData"].value
    told = Settings.from_json(contents["settings.json"])
    assert (told.tenant, told.queue.user) == ("lab", "lab.worker")
    assert dict(told.buckets) == found[""]["tenants"]["lab"]
    assert found["networkpolicy/lab/headrace-deny-all"].inputs["spec"]["podSelector"] == {}
