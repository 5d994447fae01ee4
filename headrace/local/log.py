"""What a stack logs: one JSON object a line in its state folder, without secrets."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.logs.json_lines import JsonFormatter
from headrace.model.settings import Settings


@contextmanager
def logged_to(path: Path, settings: Settings) -> Iterator[None]:
    """Write log lines of this program to a file while the block runs."""
    secrets = (settings.storage.secret_key, settings.queue.token, settings.receiver.token)
    file = logging.FileHandler(path)
    file.setFormatter(JsonFormatter(secrets))
    logger = logging.getLogger("headrace")
    before = logger.level
    logger.addHandler(file)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(file)
        logger.setLevel(before)
        file.close()
