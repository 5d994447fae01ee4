"""What each service may do on the API server, as rules of RBAC. Pure; least rights, each '*' with its reason.

A rule with names can't cover `create`, which names nothing yet, nor `list` and `watch` of a mirror:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.model.labels import (
    CONTROLLER_LEASE,
    GROUP,
    LISTING_LEASE,
    NODE_SLOTS,
    PLAN,
    PUBLISHER_LEASE,
    SCALER_LEASE,
    SCALER_MEMORY,
)
from headrace.model.pool import Driver
from infra import names

Rule = dict[str, Any]
READ = ("get", "list", "watch")
WRITE = ("create", "patch", "delete")
CORE, NETWORKING, COORDINATION, RESOURCE = "", "networking.k8s.io", "coordination.k8s.io", "resource.k8s.io"


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one service: in the platform's namespace, in the functions', and of the whole cluster."""

    platform: Sequence[Rule] = ()
    functions: Sequence[Rule] = ()
    cluster: Sequence[Rule] = ()


def rule(group: str, resources: Sequence[str], verbs: Sequence[str], *, only: Sequence[str] = ()) -> Rule:
    """One rule; `only`: of objects with these names."""
    found: Rule = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return {**found, "resourceNames": list(only)} if only else found


def receiver() -> Access:
    """It reads functions; one replica at a time leads the listing."""
    return Access(
        platform=_lease(LISTING_LEASE),
        functions=[rule(GROUP, ["functions"], READ)],
    )


def scaler(drivers: Sequence[Driver], *, remote_gpus: bool = False) -> Access:
    """It starts and ends workers, and nodes by way of the drivers that pools of the stack have."""
    return Access(
        platform=[
            *_lease(SCALER_LEASE),
            *_own_map(SCALER_MEMORY),
            *_own_map(PLAN),
            *(_own_map(NODE_SLOTS) if Driver.EKS in drivers else ()),
        ],
        functions=[
            rule(GROUP, ["functions"], READ),
            rule(CORE, ["pods"], ("create", "delete")),
        ],
        cluster=[
            rule(GROUP, ["nodepools"], READ),
            # Of every namespace: what others run on a node takes room there, and a drain moves it.
            rule(CORE, ["pods"], READ),
            rule(CORE, ["pods/eviction"], ("create",)),
            rule(CORE, ["nodes"], (*READ, "patch")),  # cordoned before their power goes off
            # A simulated node is an object and nothing else, so to switch it is to make or delete it.
            *([rule(CORE, ["nodes"], ("create", "delete"))] if Driver.KWOK in drivers else ()),
            *(_gpus_of_servers() if remote_gpus else ()),
            # A host that serves GPUs is told to go off in the objects of its servers.
            *([rule(GROUP, ["gpuservers"], ("patch",))] if remote_gpus and Driver.POWER in drivers else ()),
        ],
    )


def publisher() -> Access:
    """It publishes GPUs of servers, tells how these stand, and sees which claims still hold some."""
    return Access(
        platform=_lease(PUBLISHER_LEASE),
        cluster=[
            *_gpus_of_servers(),
            rule(GROUP, ["gpuservers/status"], ("patch", "update")),
            # Its own and others': a slice that is to be created has no name yet that a rule could hold.
            rule(RESOURCE, ["resourceslices"], ("create", "update", "delete")),
        ],
    )


def gpu_plugin() -> Access:
    """On a node, it reads the claims that the kubelet names, in any namespace, and their servers."""
    return Access(
        cluster=[rule(RESOURCE, ["resourceclaims"], ("get",)), rule(GROUP, ["gpuservers"], ("get",))]
    )


def device_plugin() -> Access:
    """On a node, NVIDIA's plugin reads which part of its configuration the node follows."""
    return Access(cluster=[rule(CORE, ["nodes"], READ)])


def viewer() -> Access:
    """A person looks at what Kubernetes' own `view` leaves out: Headrace's kinds, nodes, GPUs of servers."""
    return Access(
        cluster=[
            rule(GROUP, ["functions", "buckets", "nodepools"], READ),
            rule(CORE, ["nodes"], READ),
            *_gpus_of_servers(),
        ]
    )


def author() -> Access:
    """A person of a tenant, by a binding in its namespace; what is missing would lead around its bounds.

    Who makes pods or claims there takes what no quota counts; secrets hold keys and passwords of workers.
    """
    return Access(
        functions=[
            rule(GROUP, ["functions", "buckets"], (*READ, "create", "patch", "update", "delete")),
            rule(CORE, ["pods", "pods/log", "events"], READ),
        ]
    )


def controller(*, remote_gpus: bool = False) -> Access:
    """It makes what a function needs, tells how it stands, and lets it go in order; pools get a status."""
    objects = ["functions", "buckets"]
    finalized = [f"{each}/finalizers" for each in objects]  # who owns others must be allowed to hold them
    return Access(
        platform=[
            *_lease(CONTROLLER_LEASE),
            rule(GROUP, ["buckets"], (*READ, "patch", "update")),
            rule(GROUP, ["buckets/status", "buckets/finalizers"], ("patch", "update")),
        ],
        functions=[
            rule(GROUP, objects, (*READ, "patch", "update")),
            rule(GROUP, [f"{each}/status" for each in objects], ("patch", "update")),
            rule(GROUP, finalized, ("patch", "update")),
            rule(GROUP, ["buckets"], ("create",)),  # of functions that were applied alone
            rule(GROUP, objects, ("delete",)),  # with the platform, where its bucket is deleted with all data
            rule(CORE, ["configmaps", "serviceaccounts"], (*READ, *WRITE)),
            rule(NETWORKING, ["networkpolicies"], (*READ, *WRITE)),
            rule(CORE, ["pods"], (*READ, "delete")),
            *([rule(RESOURCE, ["resourceclaimtemplates"], (*READ, *WRITE))] if remote_gpus else ()),
        ],
        cluster=[
            rule(GROUP, ["nodepools"], READ),
            rule(GROUP, ["nodepools/status"], ("patch", "update")),
            rule(CORE, ["nodes"], READ),  # a pool tells how many it has
            *([rule(GROUP, ["gpuservers"], READ)] if remote_gpus else ()),  # by which a wish is judged
        ],
    )


def api() -> Access:
    """It keeps functions for its users, and the secrets of those: whose names only the users know."""
    return Access(
        functions=[
            rule(GROUP, ["functions"], ("get", "list", "create", "update", "delete")),
            rule(CORE, ["secrets"], ("get", "create", "update", "delete")),
        ],
        cluster=[rule(CORE, ["nodes"], ("list",))],  # /system/status tells of them
    )


def status(*, remote_gpus: bool = False) -> Access:
    """It shows all that there is; a person who has logged in says by it which nodes may be used."""
    return Access(
        platform=[
            # A mirror lists, which no name can be held against: there is no secret in any config map.
            rule(CORE, ["configmaps"], READ),
            rule(COORDINATION, ["leases"], ("get",), only=[SCALER_LEASE]),
        ],
        functions=[rule(GROUP, ["functions"], READ)],
        cluster=[
            rule(GROUP, ["nodepools"], (*READ, "patch")),
            rule(CORE, ["pods"], READ),
            rule(CORE, ["nodes"], (*READ, "patch")),
            *(_gpus_of_servers() if remote_gpus else ()),
        ],
    )


def of_service(service: str, drivers: Sequence[Driver], *, remote_gpus: bool = False) -> Access:
    """The access of a service by its name."""
    found = {
        names.RECEIVER: receiver(),
        names.SCALER: scaler(drivers, remote_gpus=remote_gpus),
        names.CONTROLLER: controller(remote_gpus=remote_gpus),
        names.API: api(),
        names.STATUS: status(remote_gpus=remote_gpus),
    }
    return found[service]


def _gpus_of_servers() -> list[Rule]:
    """To read what servers have and who holds what of it, in any namespace."""
    return [
        rule(GROUP, ["gpuservers"], READ),
        rule(RESOURCE, ["resourceslices", "resourceclaims"], READ),
    ]


def _lease(name: str) -> list[Rule]:
    kept = rule(COORDINATION, ["leases"], ("get", "update"), only=[name])
    return [kept, rule(COORDINATION, ["leases"], ("create",))]


def _own_map(name: str) -> list[Rule]:
    kept = rule(CORE, ["configmaps"], ("get", "patch", "update"), only=[name])
    return [kept, rule(CORE, ["configmaps"], ("create",))]
