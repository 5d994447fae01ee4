"""What the playbook verify can't be asked: on this machine by itself, as nothing is set up or looked at."""

from typing import Any

import pytest

from tests.ansible.playing import Stage

HERE: dict[str, Any] = {"gpu_hosts": {"hosts": {"gpu1": {"ansible_connection": "local"}}}}

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--check", "--check: found it, allowed only without"),
        (
            "--limit=gpu1",
            "--limit: found gpu1, allowed one with localhost, which tells what was found",
        ),
    ],
)
def test_hosts_are_not_called_verified_where_nobody_looks_or_tells(
    stage: Stage, argument: str, told: str
) -> None:
    played = stage.play("verify", HERE, argument)
    assert played.code == 2, played.output
    (message,) = played.failures()
    assert told in message


def test_an_inventory_that_says_to_all_hosts_where_their_key_lies_can_be_verified(stage: Stage) -> None:
    key = {"ansible_ssh_private_key_file": "{{ inventory_dir }}/id_ed25519"}
    played = stage.play("verify", {**HERE, "all": {"vars": key}})
    assert "1 of 1 hosts' roles are not as they should be: gpu1, gpu_host" in played.failures()[-1]
