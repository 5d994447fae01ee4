"""A store by itself, whose webhook goes where a measurement listens."""

from pathlib import Path

from headrace.local.process import Process, free_ports
from headrace.local.seaweedfs import SeaweedOptions, Webhook, start_seaweedfs
from headrace.model.settings import StorageSettings


def seaweed_with_webhook(directory: Path, endpoint: str) -> tuple[Process, StorageSettings]:
    """Start one; the caller ends it."""
    (port,) = free_ports(1)
    process = start_seaweedfs(
        SeaweedOptions(directory, port, "bench", "bench-secret", Webhook(endpoint, "token"))
    )
    address = f"http://127.0.0.1:{port}"
    return process, StorageSettings(endpoint=address, access_key="bench", secret_key="bench-secret")
