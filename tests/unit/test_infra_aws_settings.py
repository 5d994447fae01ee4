"""What a stack says of AWS, where it is wrong in one way: what is told. The rest of it is the example's."""

from copy import deepcopy

import pytest

from headrace.model.errors import ConfigurationError
from tests.infra.aws import example, stack

VPC = "vpc-0123456789abcdef0"
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
    found = stack(with_aws(network={"given": {"vpc": VPC, "subnets": SUBNETS}}))
    assert found.aws.network.zones == tuple(SUBNETS)


def test_a_subnet_can_not_stand_for_two_zones():
    one = dict.fromkeys(SUBNETS, SUBNETS["eu-central-1a"])
    (fault,) = told_of(with_aws(network={"given": {"vpc": VPC, "subnets": one}}))
    assert fault == (
        "aws.network.given: found subnet-0123456789abcdef0 twice in subnets, allowed once; take one out"
    )
