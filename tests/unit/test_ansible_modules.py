"""Modules of the collection."""

import importlib.util
from types import ModuleType

import pytest

from tools.roles_reference import ROLES


@pytest.fixture(scope="module")
def wake_on_lan() -> ModuleType:
    path = ROLES.parent / "plugins" / "modules" / "wake_on_lan.py"
    spec = importlib.util.spec_from_file_location("wake_on_lan", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("mac", ["52:54:00:12:34:56", "52-54-00-12-34-56"])
def test_a_magic_packet_is_six_bytes_and_sixteen_times_the_address(wake_on_lan: ModuleType, mac: str) -> None:
    packet = wake_on_lan.magic_packet(mac)
    assert packet == b"\xff" * 6 + bytes.fromhex("525400123456") * 16


@pytest.mark.parametrize("mac", ["", "52:54:00:12:34", "52:54:00:12:34:5g", "52:54:00:12:34:56:78"])
def test_what_is_no_address_is_refused(wake_on_lan: ModuleType, mac: str) -> None:
    with pytest.raises(ValueError, match="allowed an address such as 52:54:00:12:34:56"):
        wake_on_lan.magic_packet(mac)
