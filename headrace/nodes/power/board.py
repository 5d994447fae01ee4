"""What the driver needs of whoever switches hosts, and a board in memory for tests."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from headrace.nodes.port import Power


class Word(StrEnum):
    """What hosts are told; spelt as the playbook has it."""

    ON = "on"
    OFF = "off"
    STATE = "state"  # only asked


@dataclass(frozen=True, slots=True)
class Report:
    """How one host is, once it was told or asked. `fault`: why that could not be done, for people."""

    name: str
    power: Power = Power.UNKNOWN
    address: str = ""
    fault: str = ""


class Switchboard(Protocol):
    """The hosts of a pool."""

    def tell(self, word: Word, names: Collection[str] | None = None) -> AsyncGenerator[Report, None]:
        """Tell or ask these hosts, or all, one report each as it is done.

        An order off is done once the host is off, an order on once it was given. Raises TransientError where
        nothing could be asked at all; a host that is not reported may have been told nevertheless.
        """
        ...


@dataclass
class MemoryBoard:
    """Hosts in memory. `faults`: name -> why it can't be told; `told`: all orders, in turn.

    A host goes on and off at once; `meanwhile` is called before each report, so that a test may change
    things, or wait.
    """

    hosts: dict[str, Power]
    faults: dict[str, str] = field(default_factory=dict)
    told: list[tuple[Word, str]] = field(default_factory=list)
    unreachable: Exception | None = None
    meanwhile: Callable[[str], object] = lambda _: None

    async def tell(self, word: Word, names: Collection[str] | None = None) -> AsyncGenerator[Report, None]:
        """See the port."""
        if self.unreachable is not None:
            raise self.unreachable
        for name in sorted(self.hosts if names is None else set(names) & self.hosts.keys()):
            if word is not Word.STATE:
                self.told.append((word, name))
            if name in self.faults:
                yield Report(name, fault=self.faults[name])
                continue
            self.hosts[name] = _AFTER.get(word, self.hosts[name])
            self.meanwhile(name)
            yield Report(name, self.hosts[name], f"{name}.lab")


_AFTER: Mapping[Word, Power] = {Word.ON: Power.ON, Word.OFF: Power.OFF}
