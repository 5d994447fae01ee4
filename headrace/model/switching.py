"""Whose nodes the platform can switch on Kubernetes: the scaler acts by it, the controller tells it."""

from headrace.model.pool import Driver, NodePool

ON_KUBERNETES = (Driver.POWER, Driver.KWOK, Driver.STATIC)


def unswitched(pool: NodePool, *, hosts: bool) -> str:
    """Why nobody on Kubernetes can switch the pool's nodes, for people; empty: its driver works there.

    `hosts`: the stack has an inventory of hosts.
    """
    if pool.spec.driver is Driver.POWER and not hosts:
        return (
            "nobody can switch its nodes: driver power needs an inventory of hosts, found none; name it in "
            "the stack's hosts"
        )
    if pool.spec.driver in ON_KUBERNETES:
        return ""
    return (
        f"nobody can switch its nodes: driver {pool.spec.driver} does not work on Kubernetes yet, allowed "
        f"{', '.join(ON_KUBERNETES)}; write one of these"
    )
