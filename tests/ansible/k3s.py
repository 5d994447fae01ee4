"""A stand-in of a k3s server: all that a joining host asks it before its agent does."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.toolchain.cluster.certificates import Authority


class _Authorities(BaseHTTPRequestHandler):
    """What a k3s server tells everybody."""

    pem = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.pem)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's name)
        pass


@contextmanager
def k3s_server(address: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Where it listens, and the SHA-256 of its authority."""
    now = datetime.now(UTC)
    authority = Authority.new(now)
    authority.issue("k3s", (), (address,), now).write(folder, "server")
    handler = type("Authorities", (_Authorities,), {"pem": authority.pair.certificate})
    server = ThreadingHTTPServer((address, 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield (
            f"{address}:{server.server_address[1]}",
            hashlib.sha256(authority.pair.certificate).hexdigest(),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
