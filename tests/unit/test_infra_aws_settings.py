"""What a stack says of AWS, where it is wrong in one way: what is told. The rest of it is the example's."""

from copy import deepcopy
from dataclasses import replace

import pytest

from headrace.model.errors import ConfigurationError
from infra.aws import rights
from infra.aws.policy import written
from tests.infra.aws import example, stack

SUBNETS = {"eu-central-1a": "subnet-0123456789abcdef0", "eu-central-1b": "subnet-0123456789abcdef1"}


def with_aws(**parts):
    """The example with other parts of `aws`, mappings merged, by a path with underscores between keys."""
    tree = deepcopy(example())
    for path, value in parts.items():
        *steps, last = path.split("__")
        part = tree["aws"]
        for step in steps:
            part = part[step]
        part[last] = value
    return tree


def told_of(tree) -> list[str]:
    """Every fault of it."""
    with pytest.raises(ConfigurationError) as error:
        stack(tree)
    return [line.strip() for line in str(error.value).splitlines()[1:]]


# The network


def test_a_network_that_is_there_needs_its_id_and_a_subnet_a_zone():
    found = stack(with_aws(network={"given": {"subnets": SUBNETS}}))
    assert found.aws.network.zones == tuple(SUBNETS)


def test_a_subnet_can_not_stand_for_two_zones():
    one = dict.fromkeys(SUBNETS, SUBNETS["eu-central-1a"])
    (fault,) = told_of(with_aws(network={"given": {"subnets": one}}))
    assert fault == (
        "aws.network.given: found subnet-0123456789abcdef0 twice in subnets, allowed once; take one out"
    )


# Room for rights

ROOM = 10_240  # characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
KEY = "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"


def buckets(number, start="bucket"):
    return {f"{start}-{each:03}": {} for each in range(number)}


def pools(number):
    """The example with so many pools more."""
    tree = deepcopy(example())
    for name in (f"a-pool-with-a-name-{each:03}" for each in range(number)):
        tree["pools"][name] = {**tree["pools"]["cpu"], "eks": {"nodeGroup": name}}
        tree["aws"]["nodeGroups"][name] = {"instanceTypes": ["m6i.2xlarge"]}
    return tree


def characters(of, estate):
    """Of a service's rights, as IAM counts them."""
    return len("".join(written(of(replace(estate, data_key=KEY, events_key=KEY))).split()))


def most_buckets(of):
    """As many as the rights have room for, by the rights themselves."""
    found = stack(example())
    estate, number = found.estate_on(found.aws), 0
    while characters(of, replace(estate, buckets=named(estate, number + 1))) <= ROOM:
        number += 1
    return number


def named(estate, number):
    return {logical: estate.account.bucket_name(logical) for logical in buckets(number)}


def deleting(estate):
    return rights.controller(estate, deletes=True)


@pytest.mark.parametrize(("own", "tenants"), [(1, 0), (0, 1)])
def test_a_stack_has_as_many_buckets_as_the_receivers_role_has_room_for(own, tenants):
    """Tenants' as well: their names in the store are as long, by what is added here."""
    most = most_buckets(rights.receiver)
    few = {**example(), "buckets": buckets(most)}
    stack(few)
    more = {
        "buckets": buckets(most + own),
        "tenants": {"t": {"buckets": buckets(tenants)}} if tenants else {},
    }
    (fault,) = told_of({**few, **more})
    head, _, tail = fault.partition(" characters")
    assert head.startswith(f"found {most + 1} buckets, whose rights take the receiver's role 10,")
    assert tail == (
        ", allowed 10,240, as IAM has no room for more; take buckets out, tenants' among them, or give them "
        "shorter names"
    )


def test_what_deletes_data_needs_room_for_that_too():
    most = most_buckets(deleting)
    tree = {**example(), "platformBucket": {"onDelete": "delete"}}
    just, above = (
        [each for each in told_of({**tree, "buckets": buckets(number)}) if "controller's role" in each]
        for number in (most, most + 1)
    )
    assert (just, len(above)) == ([], 1)
    assert not [each for each in told_of({**example(), "buckets": buckets(most + 1)}) if "controller" in each]


def test_pools_are_as_many_as_the_scalers_role_has_room_for():
    found = stack(example())
    estate, most = found.estate_on(found.aws), 0
    while characters(rights.scaler, replace(estate, node_groups=sorted(pools(most + 1)["pools"]))) <= ROOM:
        most += 1
    stack(pools(most))
    (fault,) = told_of(pools(most + 1))
    assert fault.startswith(f"found {most + 3} node groups, whose rights take the scaler's role 10,")


# What is listed twice, what AWS refuses

ROLE = "arn:aws:iam::123456789012:role/platform"
OURS, ELSEWHERE = "arn:aws:iam::123456789012:role/ops", "arn:aws:iam::210987654321:role/ops"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cluster__administrators": [ROLE, ROLE]}, f"aws.cluster: found {ROLE} twice in administrators"),
        ({"cluster__viewers": [OURS, OURS]}, f"aws.cluster: found {OURS} twice in viewers"),
        ({"cluster__logs": ["api", "api"]}, "aws.cluster: found api twice in logs"),
        ({"cluster__clients": ["203.0.113.0/24"] * 2}, "aws.cluster: found 203.0.113.0/24 twice in clients"),
        ({"system__instanceTypes": ["t3.large"] * 2}, "aws.system: found t3.large twice in instanceTypes"),
        (
            {"nodeGroups__gpu__instanceTypes": ["g5.xlarge"] * 2},
            "aws.nodeGroups.gpu: found g5.xlarge twice in instanceTypes",
        ),
        (
            {"nodeGroups__gpu__zones": ["eu-central-1a"] * 2},
            "aws.nodeGroups.gpu: found eu-central-1a twice in zones",
        ),
        ({"budget__mails": ["a@b.c", "a@b.c"]}, "aws.budget: found a@b.c twice in mails"),
        ({"repositories": ["echo", "echo"]}, "aws: found echo twice in repositories"),
    ],
)
def test_what_stands_twice_is_refused(changes, told):
    (fault,) = told_of(with_aws(**changes))
    assert fault == f"{told}, allowed once; take one out"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"system__disk": "19Gi"},
            "aws.system: found disk 19Gi, allowed 20Gi or more, as the nodes' image has; enlarge it",
        ),
        (
            {"nodeGroups__gpu__disk": "20G"},  # 18.6 GiB
            "aws.nodeGroups.gpu: found disk 20G, allowed 20Gi or more",
        ),
        (
            {"cluster__clients": ["10.1.0.0/16"]},
            "aws.cluster: found 10.1.0.0/16 in clients, allowed ranges of the internet, as EKS takes no rese",
        ),
        ({"cluster__clients": ["127.0.0.1/32"]}, "aws.cluster: found 127.0.0.1/32 in clients"),
        ({"cluster__clients": ["100.64.0.0/10"]}, "aws.cluster: found 100.64.0.0/10 in clients"),
        ({"tags": {"AWS:team": "heart"}}, "aws: found tag AWS:team, allowed names that begin with none of"),
        ({"tags": {"Headrace:stack": "x"}}, "aws: found tag Headrace:stack, allowed names that begin with"),
        ({"tags": {"": "heart"}}, "aws: found tag '' of 0 characters, allowed 1 to 128; rename it"),
        ({"tags": {"t" * 129: "heart"}}, f"aws: found tag '{'t' * 129}' of 129 characters, allowed 1 to 128"),
        (
            {"tags": {"team": "h" * 257}},
            "aws: found tag team with 257 characters, allowed 256; shorten its value",
        ),
        (
            {"tags": {"team": "heart & lung"}},
            "aws: found tag team with 'heart & lung', allowed letters, digits, spaces and _.:/=+-@, as IAM",
        ),
        (
            {"tags": {"te(am)": "heart"}},
            "aws: found tag te(am) with 'te(am)', allowed letters, digits, spaces",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused_before(changes, told):
    fault, *more = told_of(with_aws(**changes))
    assert fault.startswith(told)
    assert fault.count("; ") == 1
    assert all("pools.gpu.capacity" in each for each in more), "only that the pool has more than the disk"


@pytest.mark.parametrize(
    "changes",
    [
        {"system__disk": "20Gi"},
        {"cluster__clients": ["0.0.0.0/0"]},
        {"tags": {"t" * 128: "h" * 256, "cost centre": "Herz_1.2:a/b=c+d-e@f", "empty": "", "laws:x": "é"}},
    ],
)
def test_what_aws_just_takes_is_taken(changes):
    stack(with_aws(**changes))


# Regions


def in_region(region, **changes):
    """The example there, its zones and roles too."""
    partition = "aws-us-gov" if region.startswith("us-gov-") else "aws"
    return with_aws(
        region=region,
        network__made__zones=[f"{region}a", f"{region}b"],
        cluster__administrators=[f"arn:{partition}:iam::123456789012:role/platform"],
        **changes,
    )


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-2", "us-east-1", "il-central-1"])
def test_aws_s_public_regions_are_supported(region):
    assert stack(in_region(region)).aws.place.partition == "aws"


def test_govcloud_is_supported_without_an_alarm_on_costs():
    """Which is not to be had there: https://docs.aws.amazon.com/general/latest/gr/billing.html"""
    assert stack(in_region("us-gov-west-1", budget=None)).aws.place.partition == "aws-us-gov"
    (fault,) = told_of(in_region("us-gov-west-1"))
    assert fault.startswith(
        "aws: found budget in us-gov-west-1, allowed in AWS's public regions, as GovCloud's"
    )


@pytest.mark.parametrize(
    "region",
    ["cn-north-1", "cn-northwest-1", "us-iso-east-1", "us-isob-west-1", "us-isof-south-1", "eu-isoe-west-1"],
)
def test_regions_where_services_have_other_names_are_refused(region):
    (fault,) = told_of(in_region(region))
    assert fault.startswith(
        f"aws: found region {region}, allowed AWS's public regions and GovCloud's, as elsewh"
    )


def test_a_role_of_another_part_of_aws_is_refused():
    role = "arn:aws-us-gov:iam::123456789012:role/platform"
    (fault,) = told_of(with_aws(cluster__viewers=[role]))
    assert fault == f"aws: found {role} in cluster.viewers, allowed those of arn:aws:; write another"
