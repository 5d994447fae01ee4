"""Log lines: one JSON object a line, with a stable `action`, without secrets."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_HIDDEN = "***"


class JsonFormatter(logging.Formatter):
    """Formats a record with all its `extra` fields; every known secret is blanked wherever it stands."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "action": record.name,  # for libraries that name none
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        line = orjson.dumps(fields, default=str).decode()
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        return line


def configure_logging(secrets: Iterable[str]) -> None:
    """Send this process's log lines to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "botocore", "boto3", "nats", "httpx2", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
