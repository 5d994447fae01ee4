"""Every rule of the pack, in the order in which they are told."""

from . import (
    amounts,
    buckets,
    confinement,
    credentials,
    gpu_network,
    images,
    places,
    rbac,
    rights,
    security_groups,
    services,
    storage,
)
from .values import Rule

RULES: tuple[Rule, ...] = (
    images.DIGEST,
    confinement.PRIVILEGES,
    confinement.HOST,
    confinement.ROOT,
    amounts.LIMITS,
    credentials.TOKEN,
    credentials.PLAIN,
    places.DEFAULT,
    places.UNGUARDED,
    places.HIDDEN,
    rbac.RIGHTS,
    services.SERVICES,
    services.POLICIES,
    gpu_network.NETWORK,
    rights.RIGHTS,
    rights.EVERYBODY,
    buckets.PUBLIC,
    buckets.UNBLOCKED,
    storage.ENCRYPTED,
    storage.METADATA,
    security_groups.GROUPS,
    security_groups.CLUSTERS,
)
NAMES = frozenset(rule.name for rule in RULES)
