"""What is declared on Kubernetes, as documents: users, identities, openings, placement."""

import json
import tomllib

import pytest

from headrace.model.settings import QueueSettings, RunnerKind, StorageSettings
from infra import names
from infra.documents import Made, document
from infra.logins import QUEUE_USERS, READERS, store_identities
from infra.manifests import nats, network, seaweedfs
from infra.manifests.ground import priorities
from infra.manifests.parts import Amounts, claim, placement, pod_security
from infra.manifests.services import MODULES, Workload, deployment
from infra.marks import mark
from infra.settings import StackSettings
from infra.store_settings import GivenStore, Store

STACK = StackSettings(kubeconfig="/some/file", context="box")
MADE = Made(
    queue_passwords={user: f"queue-{user}-hush" for user in nats.USERS},
    store_keys={user: f"store-{user}-hush" for user in seaweedfs.ACTIONS},
    receiver_token="token-hush",
    authority="the authority",
)


# The queue


def test_the_queues_file_holds_variables_and_no_password():
    text = nats.configuration(storage="5Gi")
    assert all(f"password: ${user.upper()}_PASSWORD" in text for user in nats.USERS)
    assert "max_file_store: 4831838208" in text, "nine tenths of the volume"


def test_who_works_can_neither_put_a_task_nor_open_or_delete_a_stream():
    allowed = nats.rights()[nats.WORKER].publish
    assert not [
        each for each in allowed if each.startswith(("tasks.", "$JS.API.STREAM.C", "$JS.API.STREAM.U"))
    ]
    assert "$JS.API.STREAM.DELETE.*" not in allowed


@pytest.mark.parametrize("user", nats.USERS)
def test_no_user_may_publish_or_hear_everything(user):
    rights = nats.rights()[user]
    assert not {">", "*", "$JS.>", "$JS.API.>"} & {*rights.publish, *rights.subscribe}


def test_only_the_controller_deletes_streams_and_only_workers_take_tasks():
    def who(subject):
        return [user for user, rights in nats.rights().items() if subject in rights.publish]

    assert who("$JS.API.STREAM.DELETE.*") == [nats.CONTROLLER]
    assert who("$JS.API.CONSUMER.MSG.NEXT.*.*") == [nats.WORKER]
    puts = [nats.EVENTS, nats.OPERATOR, nats.API, nats.STATUS]
    assert who("tasks.*.*") == puts
    assert who("$JS.API.STREAM.LIST") == puts, "a tenant's bound is over all streams"
    opens = [nats.EVENTS, nats.CONTROLLER, nats.OPERATOR, nats.API]
    assert who("$JS.API.STREAM.CREATE.*") == opens, "a restore fills them"


# The store


def test_the_stores_files_are_what_seaweedfs_reads():
    files = seaweedfs.files(
        MADE.store_keys,
        store_identities(STACK),
        endpoint="http://receiver/events",
        token="token-hush",
        platform_bucket="headrace",
    )
    identities = json.loads(files["s3.json"])["identities"]
    assert {each["name"]: each["actions"] for each in identities} == {
        "receiver": ["Read", "Write", "List", "Tagging"],
        "worker": ["Read", "Write", "List", "Tagging"],
        "scaler": ["Read", "List"],
        "controller": ["Admin"],
        "operator": ["Admin"],
    }
    webhook = tomllib.loads(files["notification.toml"])["notification"]["webhook"]
    assert (webhook["endpoint"], webhook["bearer_token"]) == ("http://receiver/events", "token-hush")
    assert "/buckets/u" in webhook["path_prefixes"]
    assert tomllib.loads(files["filer.toml"])["leveldb2"]["dir"] == "/data/filer"
    assert set(files) >= {"security.toml", "volume.toml", "master.toml"}, "so that none is read elsewhere"


# What services are told


def test_each_reader_gets_its_own_user_and_key_and_only_the_receiver_the_token():
    for reader in READERS:
        settings = document(reader, STACK, MADE)
        assert settings.queue == QueueSettings(
            url="tls://nats.headrace.svc:4222",
            user=QUEUE_USERS[reader],
            password=MADE.queue_passwords[QUEUE_USERS[reader]],
            ca_file="/etc/headrace/settings/ca.crt",
        )
        assert settings.storage == StorageSettings(
            endpoint="http://seaweedfs.headrace.svc:8333",
            access_key=reader,
            secret_key=f"store-{reader}-hush",
        )
        assert settings.receiver.token == ("token-hush" if reader == names.RECEIVER else "")
        assert settings.worker.runner is RunnerKind.CONTAINER
        assert settings.kubernetes.sidecar.settings_secret == "headrace-worker"


def test_a_given_store_is_what_all_are_told():
    given = GivenStore(
        endpoint="https://s3.example", region="eu-north-1", access_key="key", secret_key="given-hush"
    )
    stack = StackSettings(kubeconfig="/some/file", context="box", store=Store(s3=given))
    assert document(names.WORKER, stack, MADE).storage == StorageSettings(
        endpoint="https://s3.example", region="eu-north-1", access_key="key", secret_key="given-hush"
    )


def test_what_is_made_is_shown_nowhere():
    assert "hush" not in repr(MADE)


# Openings


def test_an_opening_names_pods_by_component_and_namespace():
    assert network.incoming([network.pods("worker", "functions")], [4222]) == {
        "from": [
            {
                "podSelector": {
                    "matchLabels": {
                        "app.kubernetes.io/part-of": "headrace",
                        "app.kubernetes.io/component": "worker",
                    }
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "functions"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 4222}],
    }


def test_a_denial_is_of_both_directions_for_all_pods():
    spec = network.denial("headrace")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


# Pods


def test_the_platforms_pods_keep_off_nodes_that_are_switched():
    affinity = placement("scaler", ["base"])["affinity"]["nodeAffinity"]
    assert affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "headrace.dev/pool", "operator": "DoesNotExist"}]},
        {"matchExpressions": [{"key": "headrace.dev/pool", "operator": "In", "values": ["base"]}]},
    ]


@pytest.mark.parametrize(
    "pod",
    [
        nats.pod("image", secret="s", certificate="c", static_pools=(), pull=()),
        seaweedfs.pod("image", secret="s", static_pools=(), pull=()),
        *(
            deployment(Workload(name, "headrace", "image", 2, "mark"))["spec"]["template"]["spec"]
            for name in MODULES
        ),
    ],
    ids=["nats", "seaweedfs", *MODULES],
)
def test_a_pod_is_confined_bounded_and_probed(pod):
    assert pod["securityContext"] == pod_security()
    assert pod["priorityClassName"] == "headrace-platform"
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    assert "imagePullSecrets" not in pod, "an empty list would be a change at each `pulumi up`"


@pytest.mark.parametrize("pod", ["nats", "seaweedfs"])
def test_servers_have_no_token_of_the_api_server(pod):
    made = {
        "nats": nats.pod("image", secret="s", certificate="c", static_pools=(), pull=["registry"]),
        "seaweedfs": seaweedfs.pod("image", secret="s", static_pools=(), pull=["registry"]),
    }[pod]
    assert made["automountServiceAccountToken"] is False
    assert made["imagePullSecrets"] == [{"name": "registry"}]


def test_cpu_is_asked_for_and_never_throttled():
    assert Amounts(cpu="50m", memory="1Gi", most_memory="2Gi").manifest == {
        "requests": {"cpu": "50m", "memory": "1Gi", "ephemeral-storage": "64Mi"},
        "limits": {"memory": "2Gi", "ephemeral-storage": "64Mi"},
    }


def test_a_claim_names_a_class_only_where_one_is_configured():
    plain = claim("data", "headrace", "nats", storage="5Gi", storage_class="")
    assert "storageClassName" not in plain["spec"]
    chosen = claim("data", "headrace", "nats", storage="5Gi", storage_class="fast")
    assert chosen["spec"]["storageClassName"] == "fast"


def test_the_platform_goes_before_workers_which_push_nothing_aside():
    platform, worker = priorities()
    assert platform["value"] > worker["value"]
    assert worker["preemptionPolicy"] == "Never"


# Marks


def test_a_mark_changes_with_contents_and_salt_and_with_nothing_else():
    one = mark("salt", {"a": "1", "b": "2"})
    assert one == mark("salt", {"b": "2", "a": "1"})
    others = {
        mark("salt", {"a": "12", "b": ""}),
        mark("salt", {"a": "1"}),
        mark("pepper", {"a": "1", "b": "2"}),
    }
    assert len(others | {one}) == 4
