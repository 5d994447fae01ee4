"""Ports that a stack has chosen for servers which it starts a moment later."""

import gc
import socket

import pytest

from headrace.local.process import MOST_HELD, answers, free_ports, hold_port


def test_a_port_that_was_chosen_is_nobody_elses_until_its_server_listens() -> None:
    (port,) = free_ports(1)
    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        other.bind(("127.0.0.1", port))
    assert not answers(port)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        assert answers(port)


def test_no_connection_goes_out_from_a_port_that_was_chosen() -> None:
    chosen = set(free_ports(64))
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(1500)]
        assert not chosen & {client.getsockname()[1] for client in clients}
        for client in clients:
            client.close()


def test_a_port_that_is_asked_for_again_takes_no_other_ones_place() -> None:
    (kept, again) = free_ports(2)
    for _ in range(MOST_HELD):
        assert hold_port(again) == again
    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        other.bind(("127.0.0.1", kept))


@pytest.mark.filterwarnings("error")
def test_ports_that_were_chosen_long_ago_are_given_back() -> None:
    (first,) = free_ports(1)
    free_ports(MOST_HELD)
    gc.collect()
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
