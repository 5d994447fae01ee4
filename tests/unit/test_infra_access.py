"""What each service may do on the API server."""

import pytest

from headrace.model.pool import Driver
from infra import access, names

LEADING = (names.RECEIVER, names.SCALER, names.CONTROLLER)
SERVICES = (*LEADING, names.API, names.STATUS)


def every_rule(service, drivers=tuple(Driver)):
    found = access.of_service(service, drivers)
    return [*found.platform, *found.functions, *found.cluster]


@pytest.mark.parametrize("service", SERVICES)
def test_no_rule_has_a_wildcard(service):
    assert [rule for rule in every_rule(service) if "*" in str(rule)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_grants_itself_more(service):
    touched = {resource for rule in every_rule(service) for resource in rule["resources"]}
    assert touched & {"roles", "rolebindings", "clusterroles", "clusterrolebindings"} == set()


@pytest.mark.parametrize("service", [*LEADING, names.STATUS])
def test_only_the_api_touches_secrets(service):
    assert "secrets" not in {resource for rule in every_rule(service) for resource in rule["resources"]}
    found = access.api()
    assert [rule for rule in (*found.platform, *found.cluster) if "secrets" in rule["resources"]] == []
    (own,) = (rule for rule in found.functions if "secrets" in rule["resources"])
    assert "list" not in own["verbs"], "whoever may list sees all contents"


@pytest.mark.parametrize("service", LEADING)
def test_a_rule_with_names_holds_for_no_verb_that_names_nothing(service):
    """The API server would never grant it: a request to create carries no name."""
    named = [rule for rule in every_rule(service) if "resourceNames" in rule]
    assert named
    assert not any({"create", "deletecollection"} & set(rule["verbs"]) for rule in named)


def test_only_the_scaler_with_simulated_nodes_makes_and_deletes_nodes():
    def may(service, drivers):
        rules = every_rule(service, drivers)
        return {verb for rule in rules if "nodes" in rule["resources"] for verb in rule["verbs"]}

    assert may(names.SCALER, [Driver.KWOK]) >= {"create", "delete"}
    assert may(names.SCALER, [Driver.STATIC]) == {"get", "list", "watch", "patch"}
    assert may(names.CONTROLLER, [Driver.KWOK]) == {"get", "list", "watch"}
    assert may(names.RECEIVER, [Driver.KWOK]) == set()


def test_the_status_page_says_only_which_nodes_may_be_used():
    found = access.status(remote_gpus=True)
    rules = [*found.platform, *found.functions, *found.cluster]
    written = {(*rule["resources"],): set(rule["verbs"]) - set(access.READ) for rule in rules}
    assert {what: verbs for what, verbs in written.items() if verbs} == {
        ("nodepools",): {"patch"},
        ("nodes",): {"patch"},
    }


def test_only_the_scaler_with_nodes_of_a_cloud_writes_which_instances_they_are():
    def maps(drivers):
        rules = access.scaler(drivers).platform
        return [name for rule in rules for name in rule.get("resourceNames", ()) if "slots" in name]

    assert (maps([Driver.EKS]), maps([Driver.KWOK, Driver.POWER])) == (["headrace-node-slots"], [])


def test_only_the_scaler_with_hosts_that_serve_gpus_writes_gpu_servers():
    def may(drivers):
        rules = access.scaler(drivers, remote_gpus=True).cluster
        return {verb for rule in rules if "gpuservers" in rule["resources"] for verb in rule["verbs"]}

    assert may([Driver.POWER]) == {"get", "list", "watch", "patch"}
    assert may([Driver.KWOK]) == {"get", "list", "watch"}


def test_of_what_is_the_clusters_the_controller_writes_a_pools_status_alone():
    written = [rule for rule in access.controller().cluster if not set(rule["verbs"]) <= set(access.READ)]
    assert [rule["resources"] for rule in written] == [["nodepools/status"]]


def test_the_receiver_reads_functions_and_leads_the_listing_and_no_more():
    assert access.receiver() == access.Access(
        platform=[
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "verbs": ["get", "update"],
                "resourceNames": ["headrace-listing"],
            },
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        ],
        functions=[
            {
                "apiGroups": ["headrace.dev"],
                "resources": ["functions"],
                "verbs": ["get", "list", "watch"],
            }
        ],
    )
