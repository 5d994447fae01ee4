"""How a VPC's range is shared out."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest

from infra.aws.subnets import LARGEST, MOST_ZONES, SMALLEST, NetworkPlan

ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-central-1d")


def test_private_subnets_are_large_and_public_ones_small():
    plan = NetworkPlan(IPv4Network("10.40.0.0/16"), ZONES[:2])
    assert plan.private == {"eu-central-1a": "10.40.0.0/19", "eu-central-1b": "10.40.32.0/19"}
    assert plan.public == {"eu-central-1a": "10.40.192.0/22", "eu-central-1b": "10.40.196.0/22"}


@pytest.mark.parametrize("bits", range(LARGEST, SMALLEST + 1))
def test_no_subnet_lies_in_another_and_all_in_the_network(bits):
    network = IPv4Network(f"10.40.0.0/{bits}")
    plan = NetworkPlan(network, ZONES)
    found = [IPv4Network(each) for each in (*plan.private.values(), *plan.public.values())]
    assert len(found) == 2 * MOST_ZONES
    assert all(each.subnet_of(network) and each.num_addresses >= 64 for each in found)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))


def test_a_zone_that_is_added_moves_no_other():
    network = IPv4Network("10.40.0.0/16")
    fewer, more = NetworkPlan(network, ZONES[:2]), NetworkPlan(network, ZONES[:3])
    assert fewer.private.items() <= more.private.items()
    assert fewer.public.items() <= more.public.items()
