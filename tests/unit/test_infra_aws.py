"""What the target aws declares: inputs, parents, order, secrets. Pulumi's engine is the recording one."""

import functools
import json
from copy import deepcopy

import pytest

from infra.versions import ADDONS, EKS
from tests.infra.aws import deployed, example
from tests.infra.iam import allows
from tests.infra.recording import Secret

PODS = {"Service": "pods.eks.amazonaws.com"}
BUCKETS = {
    "platform": "headrace-platform-123456789012-eu-central-1",
    "bucket-uploads": "headrace-uploads-123456789012-eu-central-1",
    "bucket-results": "headrace-results-123456789012-eu-central-1",
}
OF_BUCKETS = (
    "Bucket",
    "BucketLifecycleConfiguration",
    "BucketOwnershipControls",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "BucketVersioning",
)
# What holds data, with all that closes or encrypts it, or says who may come to it.
STATEFUL = {
    *(f"{kind}/{name}" for kind in OF_BUCKETS for name in BUCKETS),
    "BucketNotification/bucket-uploads",
    "BucketNotification/bucket-results",
    *(f"{kind}/key-{name}" for kind in ("Key", "Alias") for name in ("cluster", "data", "events")),
    *(f"{kind}/{name}" for kind in ("Queue", "QueuePolicy") for name in ("events", "events-dead")),
    "RedriveAllowPolicy/events-dead",
    "Repository/image-headrace",
    "Repository/image-echo",
}
# It can't be left behind: its network, nodes and role go.
CLUSTER = "Cluster/cluster"


@functools.cache
def usual():
    return deployed(example())


def changed(*, more=None, **values):
    """What AWS has of the example with other values of `aws`, without the platform on the cluster."""
    tree = {**example(), **(more or {})}
    return deployed({**tree, "aws": {**tree["aws"], "platform": False, **values}})


ADMIN, VIEWER = "arn:aws:iam::123456789012:role/platform", "arn:aws:iam::123456789012:user/jane"
ZONES = ["eu-central-1a", "eu-central-1b"]


@functools.cache
def small():
    """One node, nobody who is told of costs, an API server that is reached from inside alone."""
    return changed(
        tags={"team": "heart"},
        system={"nodes": 1},
        budget=None,
        protection="retain",
        cluster={"administrators": [ADMIN], "viewers": [VIEWER]},
        network={"made": {"zones": ZONES, "natGateways": "perZone", "endpoints": []}},
    )


@functools.cache
def shut():
    """No way out but to AWS's own services; data that goes with its buckets."""
    network = {"made": {"zones": ZONES, "natGateways": "none"}}
    return changed(network=network, protection="none", more={"platformBucket": {"onDelete": "delete"}})


SUBNETS = {"eu-central-1a": "subnet-0123456789abcdef0", "eu-central-1b": "subnet-0123456789abcdef1"}


@functools.cache
def given():
    """A network that is there already, no pools, no buckets but the platform's."""
    network = {"subnets": SUBNETS}
    return changed(network={"given": network}, nodeGroups={}, more={"pools": {}, "buckets": {}})


def on_aws(found):
    return {name: each for name, each in found.items() if name and each.type.startswith("aws:")}


def of_kind(found, kind):
    return {
        name.removeprefix(f"{kind}/"): each for name, each in found.items() if name.startswith(f"{kind}/")
    }


def reached(found, name):
    """Everything that comes before a resource."""
    before, more = set(), set(found[name].after)
    while more:
        before |= more
        more = {each for known in more for each in found[known].after} - before
    return before


def document(text):
    return json.loads(text)


# All of it


def test_everything_is_declared_by_the_accounts_provider_below_a_component():
    found = on_aws(usual())
    assert len(found) > 110
    assert {each.provider for each in found.values()} == {"aws"}
    assert not {name for name, each in found.items() if each.parent in ("", "headrace-test")}


def test_the_provider_takes_one_account_and_one_region_and_marks_what_it_makes():
    told = small()["aws"].inputs
    assert told["region"] == "eu-central-1"
    assert json.loads(told["allowedAccountIds"]) == ["123456789012"]
    assert json.loads(told["defaultTags"]) == {"tags": {"team": "heart", "headrace:stack": "test"}}


@pytest.mark.parametrize(
    ("declared", "protected", "retained"),
    [(usual, {*STATEFUL, CLUSTER}, set()), (small, set(), STATEFUL), (shut, set(), set())],
)
def test_what_holds_data_is_kept_as_the_stack_says(declared, protected, retained):
    found = on_aws(declared())
    assert {name for name, each in found.items() if each.is_protected} == protected
    assert {name for name, each in found.items() if each.is_retained} == retained
    assert found["Cluster/cluster"].inputs["deletionProtection"] is bool(protected)


def test_no_secret_is_shown():
    def shown(value):
        if isinstance(value, str):
            return "hush" in value
        if isinstance(value, dict | list):
            return any(map(shown, value.values() if isinstance(value, dict) else value))
        return False

    assert [name for name, each in usual().items() if name and shown(each.inputs)] == []


def test_the_platform_can_wait_for_its_images():
    found = changed()
    assert [name for name, each in found.items() if name and each.type.startswith("kubernetes:")] == []
    assert "platform" not in found
    assert on_aws(found).keys() == on_aws(usual()).keys()


# The network


def test_each_zone_has_a_private_subnet_with_a_way_out_and_a_public_one():
    found = usual()
    subnets = of_kind(found, "Subnet")
    assert {name: each.inputs["cidrBlock"] for name, each in subnets.items()} == {
        "network-private-eu-central-1a": "10.40.0.0/19",
        "network-private-eu-central-1b": "10.40.32.0/19",
        "network-public-eu-central-1a": "10.40.192.0/22",
        "network-public-eu-central-1b": "10.40.196.0/22",
    }
    assert not any(each.inputs["mapPublicIpOnLaunch"] for each in subnets.values())
    routes = of_kind(found, "Route")
    assert routes["network-public"].inputs["gatewayId"] == "network-id"
    one = "network-nat-eu-central-1a-id"
    assert {each.inputs.get("natGatewayId") for each in routes.values()} == {None, one}
    assert found["DefaultSecurityGroup/network-default"].inputs["ingress"] == []


def test_gateways_are_as_many_as_the_stack_says():
    each, none = small(), shut()
    assert len(of_kind(each, "NatGateway")) == len(of_kind(each, "Eip")) == 2
    own = of_kind(each, "Route")["network-private-eu-central-1b"].inputs["natGatewayId"]
    assert own == "network-nat-eu-central-1b-id"
    assert set(of_kind(each, "VpcEndpoint")) == {"endpoint-s3"}
    assert of_kind(none, "NatGateway") == of_kind(none, "Eip") == {}
    assert set(of_kind(none, "Route")) == {"network-public"}
    assert {len(each.inputs.get("subnetIds", [])) for each in of_kind(none, "VpcEndpoint").values()} == {0, 2}


def test_awss_services_are_reached_inside_by_whoever_is_there():
    found = usual()
    endpoints = of_kind(found, "VpcEndpoint")
    start = "com.amazonaws.eu-central-1."
    assert {each.inputs["serviceName"].removeprefix(start) for each in endpoints.values()} == {
        "s3", "autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "logs", "sqs", "sts",
    }  # fmt: skip
    s3 = endpoints.pop("endpoint-s3").inputs
    assert s3["vpcEndpointType"] == "Gateway"
    assert len(s3["routeTableIds"]) == 2
    assert {each.inputs["privateDnsEnabled"] for each in endpoints.values()} == {True}
    group = found["SecurityGroup/endpoints"].inputs
    assert [(rule["fromPort"], rule["cidrBlocks"]) for rule in group["ingress"]] == [(443, ["10.40.0.0/16"])]
    assert group["egress"] == []


def test_a_network_that_is_there_is_taken_as_it_is():
    found = given()
    assert not [
        name for name, each in on_aws(found).items() if each.type.startswith(("aws:ec2/vpc", "aws:ec2/sub"))
    ]
    assert found["Cluster/cluster"].inputs["vpcConfig"]["subnetIds"] == list(SUBNETS.values())
    assert found["NodeGroup/nodes-system"].inputs["subnetIds"] == list(SUBNETS.values())


# The cluster


def test_the_control_plane_is_closed_but_for_those_who_are_named():
    made = usual()["Cluster/cluster"].inputs
    assert made["version"] == EKS
    assert made["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    assert made["encryptionConfig"] == {
        "provider": {"keyArn": "arn:aws:kms:key-cluster"},
        "resources": ["secrets"],
    }
    assert made["vpcConfig"] == {
        "subnetIds": ["network-private-eu-central-1a-id", "network-private-eu-central-1b-id"],
        "endpointPrivateAccess": True,
        "endpointPublicAccess": True,
        "publicAccessCidrs": ["203.0.113.0/24"],
    }
    assert made["enabledClusterLogTypes"] == ["api", "audit", "authenticator"]
    closed = small()["Cluster/cluster"].inputs["vpcConfig"]
    assert (closed["endpointPublicAccess"], closed["publicAccessCidrs"]) == (False, [])


def test_the_control_planes_logs_are_encrypted_and_end():
    logs = usual()["LogGroup/cluster"].inputs
    assert logs == {
        "name": "/aws/eks/headrace/cluster",
        "retentionInDays": 90,
        "kmsKeyId": "arn:aws:kms:key-cluster",
    }
    assert "LogGroup/cluster" in usual()["Cluster/cluster"].after


def test_administrators_and_viewers_come_by_access_entries():
    found = small()
    policies = of_kind(found, "AccessPolicyAssociation")
    assert {name: each.inputs["policyArn"].rpartition("/")[2] for name, each in policies.items()} == {
        "administrator-role/platform": "AmazonEKSClusterAdminPolicy",
        "viewer-user/jane": "AmazonEKSViewPolicy",
    }
    assert {each.inputs["accessScope"]["type"] for each in policies.values()} == {"cluster"}
    entries = of_kind(found, "AccessEntry")
    assert {each.inputs["principalArn"] for each in entries.values()} == {ADMIN, VIEWER}


def test_viewers_also_see_headraces_objects_and_nodes_and_no_secrets():
    """EKS's policy for viewers is Kubernetes' `view`, which knows neither."""
    tree = deepcopy(example())
    tree["aws"]["cluster"]["viewers"] = [VIEWER]
    found = deployed(tree)
    groups = {
        name: each.inputs.get("kubernetesGroups") for name, each in of_kind(found, "AccessEntry").items()
    }
    assert groups == {"administrator-role/platform": None, "viewer-user/jane": ["headrace-viewer"]}
    role, binding = (
        found[f"{kind}/headrace-viewer"].inputs for kind in ("clusterrole", "clusterrolebinding")
    )
    seen = {each for rule in role["rules"] for each in rule["resources"]}
    assert {"functions", "buckets", "nodepools", "gpuservers", "nodes", "resourceslices"} <= seen
    assert "secrets" not in seen
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert binding["roleRef"]["name"] == "headrace-viewer"
    assert [(each["kind"], each["name"]) for each in binding["subjects"]] == [("Group", "headrace-viewer")]
    assert "clusterrole/headrace-viewer" not in usual(), "where nobody is a viewer"


def test_roles_of_one_name_in_two_accounts_are_two():
    ours, theirs = "arn:aws:iam::123456789012:role/ops", "arn:aws:iam::210987654321:role/ops"
    found = changed(cluster={"administrators": [ADMIN], "viewers": [ours, theirs]})
    entries = {name: each.inputs["principalArn"] for name, each in of_kind(found, "AccessEntry").items()}
    assert entries == {
        "administrator-role/platform": ADMIN,
        "viewer-role/ops": ours,
        "viewer-210987654321-role/ops": theirs,
    }


def test_add_ons_have_one_version_and_come_before_or_after_the_nodes():
    found = usual()
    addons = of_kind(found, "Addon")
    assert {each.inputs["addonName"]: each.inputs["addonVersion"] for each in addons.values()} == dict(ADDONS)
    before = {"addon-vpc-cni", "addon-kube-proxy", "addon-eks-pod-identity-agent"}
    groups = [f"NodeGroup/nodes-{name}" for name in ("cpu", "gpu", "system")]
    assert all({f"Addon/{each}" for each in before} <= reached(found, group) for group in groups)
    assert all(set(groups) <= reached(found, f"Addon/{each}") for each in addons.keys() - before)


def test_network_policies_are_enforced_and_add_ons_keep_off_the_pools():
    addons = of_kind(usual(), "Addon")
    values = {name: json.loads(each.inputs.get("configurationValues", "{}")) for name, each in addons.items()}
    assert values["addon-vpc-cni"] == {"enableNetworkPolicy": "true"}
    for affinity in (
        values["addon-coredns"]["affinity"],
        values["addon-aws-ebs-csi-driver"]["controller"]["affinity"],
    ):
        assert '"key": "headrace.dev/pool", "operator": "DoesNotExist"' in json.dumps(affinity)


# Nodes


def test_a_pools_node_group_is_empty_and_its_size_is_the_scalers_matter():
    group = usual()["NodeGroup/nodes-gpu"]
    assert group.inputs["scalingConfig"] == {"desiredSize": 0, "minSize": 0, "maxSize": 8}
    assert group.ignored == ("scalingConfig.desiredSize",)
    assert usual()["NodeGroup/nodes-system"].ignored == (), "the platform's own nodes are the stack's matter"


def test_a_node_group_has_what_its_pool_and_the_stack_say():
    gpu, cpu = usual()["NodeGroup/nodes-gpu"].inputs, usual()["NodeGroup/nodes-cpu"].inputs
    assert gpu["nodeGroupName"] == "gpu"
    assert gpu["labels"] == {"headrace.dev/pool": "gpu"}
    assert gpu["taints"] == [{"key": "nvidia.com/gpu", "value": "", "effect": "NO_SCHEDULE"}]
    assert (gpu["amiType"], gpu["capacityType"]) == ("AL2023_x86_64_NVIDIA", "ON_DEMAND")
    assert (cpu["amiType"], cpu["capacityType"]) == ("AL2023_x86_64_STANDARD", "SPOT")
    assert cpu["instanceTypes"] == ["m6i.2xlarge", "m5.2xlarge", "m6a.2xlarge"]
    assert cpu["taints"] == []


def test_from_nothing_other_autoscalers_know_what_a_node_will_be():
    tags = {name: each.inputs for name, each in of_kind(usual(), "Tag").items()}
    assert {each["autoscalingGroupName"] for each in tags.values()} == {"eks-group"}
    assert not any(each["tag"]["propagateAtLaunch"] for each in tags.values())
    start = "k8s.io/cluster-autoscaler/node-template/"
    found = {
        each["tag"]["key"].removeprefix(start): each["tag"]["value"]
        for name, each in tags.items()
        if name.startswith("gpu-")
    }
    assert found == {
        "label/headrace.dev/pool": "gpu",
        "taint/nvidia.com/gpu": ":NoSchedule",
        "resources/cpu": "4",
        "resources/memory": "15Gi",
        "resources/ephemeral-storage": "120Gi",
        "resources/pods": "29",
        "resources/nvidia.com/gpu": "1",
    }


def test_an_instances_metadata_is_out_of_a_pods_reach_and_its_disk_encrypted():
    templates = of_kind(usual(), "LaunchTemplate")
    assert set(templates) == {"template-cpu", "template-gpu", "template-system"}
    for each in templates.values():
        assert each.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
            "instanceMetadataTags": "disabled",
        }
        (disk,) = each.inputs["blockDeviceMappings"]
        assert (disk["ebs"]["encrypted"], disk["ebs"]["volumeType"]) == ("true", "gp3")
    assert templates["template-gpu"].inputs["blockDeviceMappings"][0]["ebs"]["volumeSize"] == 150


def test_the_systems_nodes_are_always_on_and_in_no_more_zones_than_there_are_nodes():
    system = usual()["NodeGroup/nodes-system"].inputs
    assert system["scalingConfig"] == {"desiredSize": 2, "minSize": 2, "maxSize": 3}
    assert len(system["subnetIds"]) == 2
    assert "headrace.dev/pool" not in system["labels"]
    one = small()["NodeGroup/nodes-system"].inputs
    assert one["subnetIds"] == ["network-private-eu-central-1a-id"]


def test_nodes_come_once_they_have_a_way_out():
    before = reached(usual(), "NodeGroup/nodes-cpu")
    assert {"Route/network-private-eu-central-1a", "VpcEndpoint/endpoint-ecr.api"} <= before


# Buckets and events


def test_buckets_are_encrypted_keep_versions_and_are_closed():
    found = usual()
    assert {name: each.inputs["bucket"] for name, each in of_kind(found, "Bucket").items()} == BUCKETS
    for name in BUCKETS:
        (rule,) = found[f"BucketServerSideEncryptionConfiguration/{name}"].inputs["rules"]
        assert rule["applyServerSideEncryptionByDefault"] == {
            "sseAlgorithm": "aws:kms",
            "kmsMasterKeyId": "arn:aws:kms:key-data",
        }
        assert found[f"BucketVersioning/{name}"].inputs["versioningConfiguration"] == {"status": "Enabled"}
        block = dict(found[f"BucketPublicAccessBlock/{name}"].inputs)
        assert block.pop("bucket")
        assert list(block.values()) == [True] * 4
        policy = document(found[f"BucketPolicy/{name}"].inputs["policy"])
        assert [each["Effect"] for each in policy["Statement"]] == ["Deny"]
        assert found[f"Bucket/{name}"].inputs["forceDestroy"] is False


def test_data_goes_with_the_buckets_only_where_the_stack_says_so():
    found = shut()
    assert {each.inputs["forceDestroy"] for each in of_kind(found, "Bucket").values()} == {True}
    rights = document(found["RolePolicy/role-controller"].inputs["policy"])
    assert allows(rights, "s3:DeleteObjectVersion", f"arn:aws:s3:::{BUCKETS['bucket-results']}/a")


def test_staged_outputs_end_and_records_stay():
    rules = usual()["BucketLifecycleConfiguration/platform"].inputs["rules"]
    expiring = {each["filter"]["prefix"]: each["expiration"] for each in rules if "expiration" in each}
    assert expiring == {"staging/": {"days": 14}, "": {"expiredObjectDeleteMarker": True}}
    (own,) = usual()["BucketLifecycleConfiguration/bucket-results"].inputs["rules"]
    assert own["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 2}
    assert "expiration" not in own


def test_exactly_the_functions_buckets_feed_the_queue():
    found = usual()
    rule = found["EventRule/uploads"].inputs
    assert json.loads(rule["eventPattern"]) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": sorted({BUCKETS["bucket-uploads"], BUCKETS["bucket-results"]})}},
    }
    assert set(of_kind(found, "BucketNotification")) == {"bucket-uploads", "bucket-results"}
    assert {each.inputs["eventbridge"] for each in of_kind(found, "BucketNotification").values()} == {True}
    target = found["EventTarget/uploads"].inputs
    assert target["arn"] == "arn:aws:sqs:events"
    assert target["deadLetterConfig"] == {"arn": "arn:aws:sqs:events-dead"}


def test_a_rule_without_buckets_is_none():
    assert of_kind(given(), "EventRule") == {}


def test_queues_are_encrypted_and_nothing_is_thrown_away():
    found = usual()
    for name in ("events", "events-dead"):
        queue = found[f"Queue/{name}"].inputs
        assert queue["kmsMasterKeyId"] == "arn:aws:kms:key-events"
        assert queue["messageRetentionSeconds"] == 14 * 24 * 3600
    redrive = json.loads(found["Queue/events"].inputs["redrivePolicy"])
    assert redrive == {"deadLetterTargetArn": "arn:aws:sqs:events-dead", "maxReceiveCount": 1000}
    assert "redrivePolicy" not in found["Queue/events-dead"].inputs
    allowed = json.loads(found["RedriveAllowPolicy/events-dead"].inputs["redriveAllowPolicy"])
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:events"]}
    policy = document(found["QueuePolicy/events"].inputs["policy"])
    rule = {
        "aws:SourceArn": "arn:aws:events:eu-central-1:123456789012:rule/headrace-uploads",
        "aws:SecureTransport": "true",
    }
    sender = {"Service": "events.amazonaws.com"}
    assert found["EventRule/uploads"].inputs["name"] == "headrace-uploads"
    assert allows(policy, "sqs:SendMessage", "arn:aws:sqs:events", context=rule, who=sender)


def test_keys_are_renewed_and_wait_before_they_go():
    for name, each in of_kind(usual(), "Key").items():
        assert each.inputs["enableKeyRotation"] is True
        assert each.inputs["deletionWindowInDays"] == 30
        assert usual()[f"Alias/{name}"].inputs["name"] == f"alias/headrace-{name.removeprefix('key-')}"


# Rights


@pytest.mark.parametrize("service", ["receiver", "scaler", "controller"])
def test_a_service_has_a_role_that_its_pods_alone_take(service):
    found = usual()
    pods = found[f"PodIdentityAssociation/pods-{service}"].inputs
    assert (pods["namespace"], pods["serviceAccount"]) == ("headrace", f"headrace-{service}")
    assert pods["roleArn"] == f"arn:aws:iam:role-{service}"
    trust = document(found[f"Role/role-{service}"].inputs["assumeRolePolicy"])
    tags = {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-central-1:123456789012:cluster/headrace",
        "aws:RequestTag/kubernetes-namespace": "headrace",
        "aws:RequestTag/kubernetes-service-account": f"headrace-{service}",
    }
    assert allows(trust, "sts:AssumeRole", context=tags, who=PODS)
    account = found[f"serviceaccount/headrace/headrace-{service}"].inputs["metadata"]["name"]
    assert account == pods["serviceAccount"]


def test_rights_name_the_keys_and_groups_that_were_made():
    found = usual()
    receiver = document(found["RolePolicy/role-receiver"].inputs["policy"])
    by_sqs = {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}
    assert allows(receiver, "kms:Decrypt", "arn:aws:kms:key-events", context=by_sqs)
    scaler = json.dumps(document(found["RolePolicy/role-scaler"].inputs["policy"]))
    assert '"eks:nodegroup-name": ["cpu", "gpu"]' in scaler.replace("autoscaling:ResourceTag/", "")


def test_without_pools_the_scaler_has_no_rights_on_aws():
    assert set(of_kind(given(), "PodIdentityAssociation")) == {"pods-receiver", "pods-controller"}


def test_a_role_is_taken_once_it_has_its_rights():
    assert "RolePolicy/role-receiver" in reached(usual(), "PodIdentityAssociation/pods-receiver")
    assert "RolePolicyAttachment/role-nodes-AmazonEKSWorkerNodePolicy" in reached(
        usual(), "NodeGroup/nodes-cpu"
    )


# The rest


def test_a_tag_of_an_image_never_means_another_and_old_images_go():
    found = usual()
    repository = found["Repository/image-headrace"].inputs
    assert repository["name"] == "headrace/headrace"
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    rules = json.loads(found["LifecyclePolicy/image-headrace"].inputs["policy"])["rules"]
    assert [each["selection"]["countNumber"] for each in rules] == [14, 50]
    image = found["deployment/headrace/receiver"].inputs["spec"]["template"]["spec"]["containers"][0]["image"]
    registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/headrace"
    assert image.startswith(f"{registry}/headrace:")
    assert found[""]["registry"] == registry


def test_images_go_with_their_repository_only_where_the_stack_says_so():
    def emptied(found):
        return {each.inputs["forceDelete"] for each in of_kind(found, "Repository").values()}

    assert (emptied(usual()), emptied(small()), emptied(shut())) == ({False}, {False}, {True})


def test_somebody_is_told_before_money_is_spent():
    budget = usual()["Budget/budget"].inputs
    assert (budget["limitAmount"], budget["limitUnit"]) == ("500.00", "USD")
    assert budget["name"] == "headrace-budget-eu-central-1", "a budget is the whole account's"
    told = {(each["notificationType"], each["threshold"]) for each in budget["notifications"]}
    assert told == {("ACTUAL", 80), ("FORECASTED", 100)}
    assert "Budget/budget" not in small()


def test_a_large_budget_is_written_to_the_cent():
    found = changed(budget={"amount": 1123456.789, "mails": ["somebody@example.org"]})
    assert found["Budget/budget"].inputs["limitAmount"] == "1123456.79"


# The platform on the cluster


def test_the_cluster_is_reached_by_what_it_told_and_its_kubeconfig_is_secret():
    given = usual()["cluster"].inputs
    assert isinstance(given["kubeconfig"], Secret)
    content = json.loads(given["kubeconfig"].value)
    assert content["clusters"][0]["cluster"] == {
        "server": "https://control-plane.example",
        "certificate-authority-data": "Y2VydGlmaWNhdGU=",
    }
    assert "token" not in content["users"][0]["user"]
    assert content["users"][0]["user"]["exec"]["args"][-4:] == [
        "--cluster-name",
        "headrace",
        "--output",
        "json",
    ]
    assert given["context"] == given["clusterIdentifier"] == "headrace"
    assert [name for name, each in usual().items() if name and each.type.endswith(":Pin")] == []


ON_CLUSTER = {
    "bucket/headrace/headrace-platform",
    "namespace/headrace",
    "namespace/headrace-functions",
    "persistentvolumeclaim/headrace/nats",
    "statefulset/headrace/nats",
}


def test_what_holds_data_on_the_cluster_is_protected_with_what_holds_data_on_aws():
    tree = example()
    open_to_all = deployed({**tree, "aws": {**tree["aws"], "protection": "none"}})
    for found, protected in ((usual(), True), (open_to_all, False)):
        assert {name: found[name].is_protected for name in ON_CLUSTER} == dict.fromkeys(ON_CLUSTER, protected)
        kinds = {name for name in found if name.startswith("customresourcedefinition/")}
        assert {found[name].is_protected for name in kinds} == {protected}
        assert found["last"].is_protected is protected


@pytest.mark.parametrize("declared", [usual, changed])
def test_what_would_be_destroyed_first_is_protected_and_all_else_waits_for_it(declared):
    """So nothing is gone where `pulumi destroy --skip-preview` ends at what is protected."""
    found = declared()
    components_and_providers = ("headrace:", "pulumi:")
    made = {
        name for name, each in found.items() if name and not each.type.startswith(components_and_providers)
    }
    assert found["last"].is_protected
    before = reached(found, "last") | (reached(found, "cluster") if "cluster" in found else set())
    assert made - before == {"last"}, "and of its own cluster's provider, by which all comes onto it"


def test_the_platform_comes_after_nodes_and_rights_and_goes_before_them():
    before = reached(usual(), "namespace/headrace")
    assert set(on_aws(usual())) - before == set()
    assert "storageclass/headrace-gp3" in before


def test_nothing_of_the_platform_is_another_but_store_and_class_of_volumes():
    found = usual()
    assert not [name for name in found if "seaweedfs" in name]
    claim = found["persistentvolumeclaim/headrace/nats"].inputs["spec"]
    assert claim["storageClassName"] == "headrace-gp3"
    volumes = found["storageclass/headrace-gp3"].inputs
    assert volumes["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert (volumes["reclaimPolicy"], volumes["volumeBindingMode"]) == ("Retain", "WaitForFirstConsumer")


@pytest.mark.parametrize("reader", ["receiver", "scaler", "controller", "operator", "worker"])
def test_services_find_s3_by_their_own_identity_and_only_the_receiver_the_queue_of_events(reader):
    space = "headrace-functions" if reader == "worker" else "headrace"
    hidden = usual()[f"secret/{space}/headrace-{reader}"].inputs["stringData"]
    told = json.loads(hidden.value["settings.json"])
    assert told["storage"] == {
        "endpoint": "", "accessKey": "", "secretKey": "", "sessionToken": "", "region": "eu-central-1",
    }  # fmt: skip
    assert told["buckets"]["uploads"] == BUCKETS["bucket-uploads"]
    assert told["platformBucket"] == BUCKETS["platform"]
    eks = {"cluster": "headrace", "region": "eu-central-1"}
    assert eks.items() <= told["kubernetes"]["eks"].items()
    queues = {"queueUrl": "https://sqs.example/events", "deadLetterUrl": "https://sqs.example/events-dead"}
    assert ("sqs" in told) is (reader == "receiver")
    assert reader != "receiver" or queues.items() <= told["sqs"].items()


@pytest.mark.parametrize("service", ["receiver", "scaler", "controller"])
def test_services_reach_aws_and_their_credentials_and_no_metadata(service):
    egress = usual()[f"networkpolicy/headrace/headrace-{service}"].inputs["spec"]["egress"]
    by_port = {port["port"]: {peer["ipBlock"]["cidr"] for peer in each["to"] if "ipBlock" in peer}
               for each in egress for port in each["ports"]}  # fmt: skip
    assert by_port[80] == {"169.254.170.23/32", "fd00:ec2::23/128"}
    assert by_port[443] == {"0.0.0.0/0", "::/0"}


def test_a_pool_is_declared_as_it_was_written():
    written = example()["pools"]["gpu"]
    written["capacity"]["pods"] = "29"  # a whole number is a quantity's text
    assert usual()["nodepool/gpu"].inputs["spec"] == written


# GPUs


def test_the_device_plugin_runs_on_nodes_of_pools_with_gpus_whatever_their_taints():
    plugin = usual()["daemonset/headrace-device-plugin/headrace-device-plugin"]
    pod = plugin.inputs["spec"]["template"]["spec"]
    assert {each["image"] for each in (*pod["initContainers"], *pod["containers"])} == {
        "nvcr.io/nvidia/k8s-device-plugin:v0.19.3"
    }
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert '"values": ["gpu"]' in json.dumps(pod["affinity"])
    folders = {each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    assert folders == {"/var/lib/kubelet/device-plugins", "/var/run/cdi"}
    assert {each["securityContext"]["allowPrivilegeEscalation"] for each in pod["containers"]} == {False}
    assert "configmap/headrace-device-plugin/headrace-device-plugin" in plugin.after
    assert "daemonset/headrace-device-plugin/headrace-mps" not in usual()


def test_shared_gpus_are_labelled_from_the_nodes_start_and_mps_has_its_daemon():
    tree = deepcopy(example())
    tree["pools"]["gpu"]["gpu"]["sharing"] = {"mps": 4}
    found = deployed(tree)
    assert found["NodeGroup/nodes-gpu"].inputs["labels"] == {
        "headrace.dev/pool": "gpu",
        "nvidia.com/device-plugin.config": "gpu",
        "nvidia.com/mps.capable": "true",
    }
    daemon = found["daemonset/headrace-device-plugin/headrace-mps"].inputs["spec"]["template"]["spec"]
    assert daemon["nodeSelector"] == {"nvidia.com/mps.capable": "true"}
    plugin = found["daemonset/headrace-device-plugin/headrace-device-plugin"].inputs["spec"]["template"][
        "spec"
    ]
    assert {"/run/nvidia/mps"} < {
        each["hostPath"]["path"] for each in plugin["volumes"] if "hostPath" in each
    }
    config = found["configmap/headrace-device-plugin/headrace-device-plugin"].inputs["data"]
    assert "replicas: 4" in config["gpu"]


def test_without_gpus_there_is_no_device_plugin():
    tree = deepcopy(example())
    for part in (tree["pools"], tree["aws"]["nodeGroups"]):
        del part["gpu"]
    assert not [name for name in deployed(tree) if "device-plugin" in name]
