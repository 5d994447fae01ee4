"""A NATS server with JetStream on this machine. What runs on it is headrace.queue's matter."""

import json
import socket
from pathlib import Path

from headrace.files.whole import write_private
from headrace.local.process import Process, find_program

PROGRAM = "nats-server"
MAX_PAYLOAD_BYTES = 1024 * 1024  # a task is below 4 KiB: keys have at most 1024 bytes
START_SECONDS = 30.0  # a store of 100,000 tasks is read again in less than one


def start_nats(directory: Path, *, port: int, token: str) -> Process:
    """Start a server on 127.0.0.1:port that keeps its streams below `directory`, over kill -9 too.

    Returns when JetStream answers. Its log is `<directory>/nats.log`, its configuration, which holds
    the token, `<directory>/nats.conf` of mode 0600. Raises ConfigurationError when the program is
    missing, FatalError when it does not come up. Call it from a thread that outlives the server.
    """
    program = find_program(PROGRAM)
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "nats.conf"
    write_private(configuration, _configuration(directory, port=port, token=token).encode())
    server = Process.start("nats", [program, "--config", str(configuration)], log=directory / "nats.log")
    return server.once(lambda: _jetstream_answers(port, token), seconds=START_SECONDS)


def _configuration(directory: Path, *, port: int, token: str) -> str:
    """The server's settings: JSON is a subset of its configuration language."""
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "server_name": "headrace",
        "authorization": {"token": token},
        "max_payload": MAX_PAYLOAD_BYTES,
        "jetstream": {"store_dir": str(directory.resolve() / "store")},
    }
    return json.dumps(settings, indent=2)


def _jetstream_answers(port: int, token: str) -> bool:
    """Whether the server on the port takes this token and JetStream replies.

    The protocol by hand, since a client library would need an event loop here:
    https://docs.nats.io/reference/reference-protocols/nats-protocol
    """
    connect = json.dumps({"auth_token": token, "verbose": False, "pedantic": False})
    calls = f"CONNECT {connect}\r\nSUB _READY 1\r\nPUB $JS.API.INFO _READY 0\r\n\r\n"
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as server:
            server.sendall(calls.encode())
            while b'"streams"' not in received:
                part = server.recv(4096)
                if not part:
                    return False
                received += part
    except OSError:
        return False
    return True
