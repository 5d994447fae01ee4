"""The node groups of AWS by boto3: blocking calls, in threads, each bounded in time."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError
from botocore.parsers import ResponseParserError

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import EksSettings
from headrace.nodes.eks import reading
from headrace.nodes.eks.group import GroupView, Launch

CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
ATTEMPTS = 2
CALL_SECONDS = 12.0  # for a call with all its attempts
ACTIVITIES = 100  # that AWS gives at once, at most
PROTECTED_AT_ONCE = 50  # instances that one call takes, at most
FILTERED_AT_ONCE = 200  # values of a filter, at most
T = TypeVar("T")
Client = Any  # boto3 builds its clients' classes at run time


def connected(settings: EksSettings, service: str) -> Client:
    """A client of a service."""
    return boto3.session.Session().client(  # type: ignore[no-untyped-call]  # boto3 has no types
        service,
        region_name=settings.region,
        endpoint_url=settings.endpoint or None,
        config=Config(  # type: ignore[no-untyped-call]  # as above
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )


@dataclass
class Aws:
    """The clients of one cluster, made at the first call, for all its node groups.

    A call that takes longer than `call_seconds` is not waited for: its thread ends by itself.
    """

    settings: EksSettings
    connect: Callable[[EksSettings, str], Client] = connected
    call_seconds: float = CALL_SECONDS
    _made: dict[str, Client] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def call(self, service: str, what: str, operation: Callable[[Client], T]) -> T:
        """Run `operation` on a service's client in a thread; `what` names it and its object in errors."""
        try:
            async with asyncio.timeout(self.call_seconds):
                return await asyncio.to_thread(self._call_now, service, what, operation)
        except TimeoutError as error:
            raise TransientError(f"{what}: AWS has not answered within {self.call_seconds:g} s") from error

    def _call_now(self, service: str, what: str, operation: Callable[[Client], T]) -> T:
        with _translated(what):
            return operation(self._client(service))

    def _client(self, service: str) -> Client:
        with self._lock:
            if service not in self._made:
                self._made[service] = self.connect(self.settings, service)
            return self._made[service]


class AwsGroup:
    """See the port: one managed node group."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name
        self._scaling = ""  # its Auto Scaling group, which never changes

    async def look(self) -> GroupView:
        """See the port. Two calls."""
        nodegroup = await self._nodegroup()
        found = await self._autoscaling(
            "DescribeAutoScalingGroups",
            lambda client, name: client.describe_auto_scaling_groups(AutoScalingGroupNames=[name]),
        )
        groups = found["AutoScalingGroups"]
        if not groups:
            raise TransientError(f"{self._told}: AWS does not show its Auto Scaling group {self._scaling}")
        return reading.view_of(nodegroup, groups[0])

    async def launches(self) -> Sequence[Launch]:
        """See the port."""
        found = await self._autoscaling(
            "DescribeScalingActivities",
            lambda client, name: client.describe_scaling_activities(
                AutoScalingGroupName=name, MaxRecords=ACTIVITIES
            ),
        )
        return reading.launches_of(found["Activities"])

    async def ended(self, instances: Collection[str]) -> Mapping[str, str]:
        """See the port. By a filter: an instance that is not known is no error then."""
        found: dict[str, str] = {}
        for some in _parts(sorted(instances), FILTERED_AT_ONCE):
            wish = [{"Name": "instance-id", "Values": some}]
            what = f"ec2:DescribeInstances for {self._told}"
            told = await self._aws.call("ec2", what, partial(_described, wish))
            found |= reading.ended_of(told, some)
        return found

    async def guard(self, unprotected: Sequence[str]) -> None:
        """See the port."""
        await self._autoscaling(
            "SuspendProcesses",
            lambda client, name: client.suspend_processes(
                AutoScalingGroupName=name, ScalingProcesses=[reading.AZ_REBALANCE]
            ),
        )
        await self._autoscaling(
            "UpdateAutoScalingGroup",
            lambda client, name: client.update_auto_scaling_group(
                AutoScalingGroupName=name, NewInstancesProtectedFromScaleIn=True
            ),
        )
        for some in _parts(unprotected, PROTECTED_AT_ONCE):
            await self._autoscaling("SetInstanceProtection", partial(_protect, some))

    async def set_desired(self, size: int) -> None:
        """See the port."""
        await self._autoscaling(
            "SetDesiredCapacity",
            lambda client, name: client.set_desired_capacity(
                AutoScalingGroupName=name, DesiredCapacity=size, HonorCooldown=False
            ),
        )

    async def terminate(self, instance: str, *, lower: bool) -> None:
        """See the port."""
        with suppress(_NotThereError):
            await self._autoscaling(
                f"TerminateInstanceInAutoScalingGroup of {instance}",
                lambda client, _: client.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance, ShouldDecrementDesiredCapacity=lower
                ),
            )

    @property
    def _told(self) -> str:
        return f"node group {self._name} of cluster {self._aws.settings.cluster}"

    async def _nodegroup(self) -> reading.Answer:
        found: reading.Answer = await self._aws.call(
            "eks",
            f"eks:DescribeNodegroup for {self._told}",
            lambda client: client.describe_nodegroup(
                clusterName=self._aws.settings.cluster, nodegroupName=self._name
            )["nodegroup"],
        )
        self._scaling = reading.group_name(found)
        if not self._scaling:
            raise TransientError(f"{self._told}: it has no Auto Scaling group yet; try again later")
        return found

    async def _autoscaling(self, action: str, operation: Callable[[Client, str], T]) -> T:
        """`operation` gets the client and the name of the Auto Scaling group."""
        if not self._scaling:
            await self._nodegroup()
        what = f"autoscaling:{action} for {self._told}"
        return await self._aws.call("autoscaling", what, lambda client: operation(client, self._scaling))


def _parts(items: Sequence[str], most: int) -> Iterator[list[str]]:
    for first in range(0, len(items), most):
        yield list(items[first : first + most])


def _protect(instances: list[str], client: Client, name: str) -> object:
    return client.set_instance_protection(
        AutoScalingGroupName=name, InstanceIds=instances, ProtectedFromScaleIn=True
    )


def _described(filters: list[dict[str, Any]], client: Client) -> list[reading.Answer]:
    pages = client.get_paginator("describe_instances").paginate(Filters=filters)
    return [reservation for page in pages for reservation in page["Reservations"]]


class _NotThereError(ConfigurationError):
    """The instance is none of a group any more."""


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code, detail = str(found.get("Code", "")), str(error)
        if reading.is_not_there(code, str(found.get("Message", ""))):
            raise _NotThereError(f"{what}: {detail}") from error
        raise reading.fault(what, code=code, status=status, detail=detail) from error
    except (NoCredentialsError, ParamValidationError) as error:
        raise ConfigurationError(f"{what}: {error}") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise TransientError(f"{what}: AWS can't be reached; try again later: {error}") from error
