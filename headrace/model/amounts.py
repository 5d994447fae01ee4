"""Amounts of resources by name, as people write them: their names, their units, and back to words. Pure."""

import re
from collections.abc import Mapping

from headrace.model.quantity import parse_bytes, parse_millicores
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS, ResourceList

HUGE_PAGES = "hugepages-"
_WHOLE = re.compile(r"\+?[0-9]+")
_UNITS = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def resource_name(name: str) -> str:
    """The name itself. Raises ValueError for one that Kubernetes does not have."""
    native = name in (CPU, MEMORY, EPHEMERAL_STORAGE, PODS) or name.startswith(HUGE_PAGES)
    if not native and "/" not in name:
        raise ValueError(
            f"found {name!r}, allowed cpu, memory, ephemeral-storage, pods, hugepages-<size> or a device's "
            "name with its domain, like nvidia.com/gpu; rename it"
        )
    return name


def spelt(amount: object) -> object:
    """A whole number as its text; `nvidia.com/gpu: 1` needs no quotes, as in Kubernetes."""
    return str(amount) if isinstance(amount, int) and not isinstance(amount, bool) else amount


def in_units(name: str, amount: str) -> int:
    """An amount in the units of ResourceList. Raises ValueError for a part of what comes whole."""
    if name == CPU:
        return parse_millicores(amount)
    if name in (MEMORY, EPHEMERAL_STORAGE) or name.startswith(HUGE_PAGES):
        return parse_bytes(amount)
    if not _WHOLE.fullmatch(amount):
        raise ValueError(f"{name}: found {amount!r}, allowed whole ones, in digits; round it")
    return int(amount)


def countable(amounts: Mapping[str, str]) -> Mapping[str, str]:
    """The amounts themselves. Raises ValueError for a part of what comes whole."""
    for name, amount in amounts.items():
        in_units(name, amount)
    return amounts


def listed(amounts: Mapping[str, str]) -> ResourceList:
    """The same in the units of ResourceList."""
    return ResourceList.of({name: in_units(name, amount) for name, amount in amounts.items()})


def amount_text(name: str, amount: int) -> str:
    """An amount in the units of ResourceList for people, as one writes it in function.yaml."""
    if name == CPU:
        return f"{amount}m" if amount % 1000 else str(amount // 1000)
    return bytes_text(amount) if name in (MEMORY, EPHEMERAL_STORAGE) else str(amount)


def bytes_text(amount: int) -> str:
    """Bytes with a binary suffix, in three digits that count."""
    exponent = (amount.bit_length() - 1) // 10
    return f"{amount / 2 ** (10 * exponent):.3g}{_UNITS[exponent - 1]}" if exponent >= 1 else str(amount)
