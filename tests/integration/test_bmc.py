"""The tests' BMCs: one answers, whatever became of those before it."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.fixtures.bmc import PASSWORD, USER, Bmc, bmcs
from tests.toolchain.needed import leave_out
from tests.toolchain.running import output_of

ADDRESS = "10.97.0.1"


class Lamp:
    """What is switched."""

    is_on = True

    def power_on(self) -> None:
        self.is_on = True

    def power_off(self) -> None:
        self.is_on = False

    cut = power_off


@pytest.fixture
def address() -> Iterator[str]:
    """One that goes with the test, as its network does."""
    if os.geteuid() or not shutil.which("ipmitool"):
        leave_out("BMCs need root and ipmitool (make toolchain)")
    output_of(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"])
    yield ADDRESS
    output_of(["ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo"])


def told(of: Bmc, address: str) -> str:
    login = ["-H", address, "-p", str(of.port), "-U", USER, "-P", PASSWORD]
    return output_of(["ipmitool", "-I", "lanplus", *login, "chassis", "power", "status"])


def test_one_answers_after_the_network_of_another_is_gone(address: str) -> None:
    with bmcs({"first": Lamp()}, address=address) as found:
        assert told(found["first"], address) == "Chassis Power is on\n"
    output_of(["ip", "address", "delete", f"{address}/32", "dev", "lo"])
    try:
        with bmcs({"second": Lamp()}) as found:
            assert told(found["second"], "127.0.0.1") == "Chassis Power is on\n"
    finally:
        output_of(["ip", "address", "add", f"{address}/32", "dev", "lo"])
