"""Which rights each service of a platform has on AWS, and whether its role has room for them. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from infra import names
from infra.aws import rights
from infra.aws.estate import Estate
from infra.aws.policy import Document, written

Rights = Callable[[Estate], Document]
# Characters of all that is written into one role, without white space:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
ROOM = 10_240
_KEY = "key/" + "0" * 36  # as long as any key's name is


def rights_of(estate: Estate, services: Collection[str], *, deletes: bool) -> Mapping[str, Rights]:
    """By service, in order of names. `deletes`: whether data goes with the platform's bucket."""
    found: dict[str, Rights] = {
        names.API: rights.api,
        names.CONTROLLER: lambda known: rights.controller(known, deletes=deletes),
        names.RECEIVER: rights.receiver,
        names.SCALER: rights.scaler,
        names.STATUS: rights.status,
    }
    idle = () if estate.node_groups else (names.SCALER,)  # it has nothing to do on AWS
    return {name: of for name, of in found.items() if name in services and name not in idle}


def overfull(estate: Estate, services: Collection[str], *, deletes: bool) -> Mapping[str, int]:
    """Services whose rights do not fit in a role -> the characters that they take."""
    key = estate.account.arn("kms", _KEY)
    known = replace(estate, data_key=key, events_key=key)
    wanted = rights_of(estate, services, deletes=deletes)
    found = {service: _characters(of(known)) for service, of in wanted.items()}
    return {service: length for service, length in found.items() if length > ROOM}


def _characters(document: Document) -> int:
    return len("".join(written(document).split()))
