"""What AWS takes of some values, told before it would refuse them halfway. Pure: a value -> what is wrong."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from math import ceil

from headrace.model.quantity import parse_bytes

# GiB; no disk is smaller than its image: https://github.com/awslabs/amazon-eks-ami/pull/1581
LEAST_DISK, GIB = 20, 2**30
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html, as roles have them too; "aws:" in any case
RESERVED_TAGS = ("aws:", "headrace:")
LONGEST_TAG, LONGEST_VALUE = 128, 256
TAG_TEXT = re.compile(r"[\w .:/=+\-@]*")
# "The block cannot include reserved addresses":
# https://docs.aws.amazon.com/eks/latest/userguide/config-cluster-endpoint.html
INSIDE = (
    ipaddress.IPv4Network("10.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv4Network("169.254.0.0/16"),
    ipaddress.IPv4Network("172.16.0.0/12"),
    ipaddress.IPv4Network("192.168.0.0/16"),
)


def disk(size: str) -> Iterator[str]:
    """Of a node, as a quantity of Kubernetes."""
    if ceil(parse_bytes(size) / GIB) < LEAST_DISK:
        yield f"found disk {size}, allowed {LEAST_DISK}Gi or more, as the nodes' image has; enlarge it"


def clients(ranges: Iterable[str]) -> Iterator[str]:
    """Of a cluster's public endpoint."""
    for each in ranges:
        network = ipaddress.ip_network(each)
        if not isinstance(network, ipaddress.IPv4Network):
            yield f"found {each} in clients, allowed IPv4 ranges, as EKS takes no others; write one"
        elif any(network.subnet_of(inside) for inside in INSIDE):
            yield (
                f"found {each} in clients, allowed ranges of the internet, as EKS takes no reserved ones; "
                "write the addresses by which the clients are seen from outside"
            )


def tags(named: Mapping[str, str]) -> Iterator[str]:
    """Of all that is made."""
    for key, value in named.items():
        if key.lower().startswith(RESERVED_TAGS):
            yield f"found tag {key}, allowed names that begin with none of {RESERVED_TAGS}; rename it"
        if not 1 <= len(key) <= LONGEST_TAG:
            yield f"found tag {key!r} of {len(key)} characters, allowed 1 to {LONGEST_TAG}; rename it"
        if len(value) > LONGEST_VALUE:
            yield f"found tag {key} with {len(value)} characters, allowed {LONGEST_VALUE}; shorten its value"
        for text in (key, value):
            if not TAG_TEXT.fullmatch(text):
                yield (
                    f"found tag {key} with {text!r}, allowed letters, digits, spaces and _.:/=+-@, as IAM "
                    "takes no others; write it with these"
                )
