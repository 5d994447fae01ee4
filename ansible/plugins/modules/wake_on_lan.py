"""Sends magic packets. A host that sends them needs nothing but Python; pods can't broadcast."""

from __future__ import annotations

import re
import socket

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: wake_on_lan
short_description: Sends magic packets that wake a host
version_added: 0.1.0
description:
  - Sends Wake-on-LAN's magic packets from the host that it runs on, one of the same network as that to wake.
  - No packet is answered, so it always says that something was changed.
author: Headrace's authors
options:
  mac:
    description: The address of the card that is woken.
    type: str
    required: true
  broadcast:
    description: Where the packets are sent.
    type: str
    default: 255.255.255.255
  port:
    description: The packets' port (UDP).
    type: int
    default: 9
  packets:
    description: How many are sent, as each may be lost.
    type: int
    default: 3
attributes:
  check_mode:
    support: full
    description: Nothing is sent.
"""

EXAMPLES = r"""
- name: Wake node1
  headrace.hosts.wake_on_lan:
    mac: "52:54:00:12:34:56"
    broadcast: 10.0.0.255
"""

RETURN = "# nothing but whether something was changed"

SYNC = b"\xff" * 6
TIMES = 16  # the address in one packet; https://en.wikipedia.org/wiki/Wake-on-LAN#Magic_packet
MAC = re.compile("([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")


def magic_packet(mac: str) -> bytes:
    """What wakes a card. Raises ValueError for what is no address."""
    if not MAC.fullmatch(mac):
        raise ValueError(f"mac: found {mac!r}, allowed an address such as 52:54:00:12:34:56")
    return SYNC + bytes.fromhex(re.sub("[:-]", "", mac)) * TIMES


def send(packet: bytes, broadcast: str, port: int, packets: int) -> None:
    """Raises OSError where it can't leave."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(packets):
            out.sendto(packet, (broadcast, port))


def main() -> None:
    """Ansible runs this."""
    module = AnsibleModule(
        argument_spec={
            "mac": {"type": "str", "required": True},
            "broadcast": {"type": "str", "default": "255.255.255.255"},
            "port": {"type": "int", "default": 9},
            "packets": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    asked = module.params
    try:
        packet = magic_packet(asked["mac"])
        if not module.check_mode:
            send(packet, asked["broadcast"], asked["port"], asked["packets"])
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"magic packet to {asked['broadcast']}:{asked['port']}: {error}")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
