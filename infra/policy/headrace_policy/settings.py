"""What a stack's configuration says of the rules: `headrace-policy:…`, and where its GPU servers are."""

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from .exceptions import Exemptions, parse
from .gpu_network import gpu_servers
from .judging import Judge
from .reach import network
from .tree import Node
from .values import Rule, Surroundings

_PREFIX = "headrace-policy:"
PRODUCTION, EXCEPTIONS, CLIENTS = (f"{_PREFIX}{name}" for name in ("production", "exceptions", "gpuClients"))
_REMOTE_GPUS = "headrace:remoteGpus"
_SHIPPED = "exceptions.yaml of the pack"
# A stack is production unless its name says otherwise: who forgets to tell gets the stricter rule.
OTHERS = (
    "ci",
    "demo",
    "dev",
    "development",
    "local",
    "preview",
    "review",
    "sandbox",
    "stage",
    "staging",
    "test",
)
_BOOLEANS = {"true": True, "false": False}


def is_production(stack: str, told: str) -> bool:
    """By what the configuration tells, else by the parts of the stack's name."""
    if told in _BOOLEANS:
        return _BOOLEANS[told]
    return not set(OTHERS) & set(re.split(r"[^a-z]+", stack.lower()))


def judge(
    rules: Sequence[Rule],
    *,
    config: Mapping[str, str],
    stack: str,
    shipped: object,
    today: datetime.date,
) -> Judge:
    """The rules with what the stack tells. `shipped`: Headrace's own exceptions, as their file holds them."""
    names = frozenset(rule.name for rule in rules)
    entries, unreadable = _read(config, EXCEPTIONS)
    exemptions = parse(shipped, _SHIPPED, rules=names, today=today, shipped=True) + parse(
        entries, EXCEPTIONS, rules=names, today=today
    )
    clients, lost = _read(config, CLIENTS)
    remote_gpus, _ = _read(config, _REMOTE_GPUS)  # the stack's own program tells its faults
    surroundings = Surroundings(
        is_production(stack, config.get(PRODUCTION, "")), gpu_servers(Node(remote_gpus), Node(clients))
    )
    wrong = Exemptions(faults=(*unreadable, *lost, *_faults(config, clients)))
    return Judge(rules, exemptions + wrong, surroundings)


def _read(config: Mapping[str, str], key: str) -> tuple[object, Sequence[str]]:
    """A key's value, which Pulumi keeps as a text of JSON; and what is wrong with it."""
    if key not in config:
        return None, ()
    try:
        return json.loads(config[key]), ()
    except ValueError:
        return None, (f"{key}: found {config[key]!r}, allowed a list; write one with --path",)


def _faults(config: Mapping[str, str], clients: object) -> Iterator[str]:
    known = (PRODUCTION, EXCEPTIONS, CLIENTS)
    for key in config:
        if key.startswith(_PREFIX) and key not in known:
            yield f"{key}: found an unknown key, allowed {', '.join(known)}; take it out"
    told = config.get(PRODUCTION)
    if told is not None and told not in _BOOLEANS:
        yield f"{PRODUCTION}: found {told!r}, allowed true or false; write one of them"
    for each in Node(clients).entries():
        if network(each.text) is None:
            yield f"{CLIENTS}: found {each.told!r}, allowed a range like 10.0.0.0/24; write one"
