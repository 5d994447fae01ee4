"""Who logs in to the queue and to the store of a stack, and what each may do there. Pure."""

from collections.abc import Mapping, Sequence

from headrace.model.tenancy import qualified
from infra import names
from infra.manifests import nats, seaweedfs
from infra.settings import StackSettings

READERS = (names.RECEIVER, names.SCALER, names.CONTROLLER, names.WORKER, names.OPERATOR)
QUEUE_USERS: Mapping[str, str] = {
    names.RECEIVER: nats.EVENTS,
    names.SCALER: nats.SCALER,
    names.CONTROLLER: nats.CONTROLLER,
    names.WORKER: nats.WORKER,
    names.OPERATOR: nats.OPERATOR,
    names.API: nats.API,
    names.STATUS: nats.STATUS,
}


def readers(stack: StackSettings) -> tuple[str, ...]:
    """Who is told the stack's settings: what every stack has, then what this one has besides."""
    return (*READERS, *(each for each in stack.services if each not in READERS))


def queue_users(stack: StackSettings) -> tuple[str, ...]:
    """The users of one account of the queue: a user a reader."""
    return tuple(QUEUE_USERS[each] for each in readers(stack))


def store_identities(stack: StackSettings) -> Mapping[str, Sequence[str]]:
    """What each identity of the stack's own store may do, by its name."""
    bucket = stack.platform_bucket_name
    actions = {**seaweedfs.ACTIONS, names.STATUS: seaweedfs.of_status(platform_bucket=bucket)}
    own = {each: actions[each] for each in readers(stack)}
    workers = {
        qualified(each.name, names.WORKER): seaweedfs.of_worker(each, platform_bucket=bucket)
        for each in stack.declared_tenants
    }
    return {**own, **workers, **_of_people(stack)}


def identity_of(user: str) -> str:
    """The identity in the store of a user of the API."""
    return f"user-{user}"


def _of_people(stack: StackSettings) -> Mapping[str, Sequence[str]]:
    """Users of the API with a key: in all buckets, or in those of their tenant."""
    tenants = {each.name: each for each in stack.declared_tenants}
    users = stack.api.users if stack.api else {}
    return {
        identity_of(name): seaweedfs.of_buckets(tenants[each.tenant]) if each.tenant else seaweedfs.OBJECTS
        for name, each in users.items()
        if each.store_key
    }
