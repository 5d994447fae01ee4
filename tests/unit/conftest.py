"""Unit tests reach no network, not even this machine's own."""

import socket

import pytest


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def guard(real):
        def connect(self, address):
            if self.family != socket.AF_UNIX:
                raise AssertionError(f"a unit test connects to {address!r}; make it an integration test")
            return real(self, address)

        return connect

    monkeypatch.setattr(socket.socket, "connect", guard(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guard(socket.socket.connect_ex))
