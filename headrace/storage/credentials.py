"""Whose key signs requests: the settings', or the process's own, as AWS's library finds it.

Its search is the same for both roads: variables, a profile, a pod's identity, an instance's role. obstore
knows most of these too, but no profile, and each of its clients would ask for itself.
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import NoCredentialsError

from headrace.model.settings import StorageSettings

if TYPE_CHECKING:  # obstore has it for type checkers only
    from obstore.store import S3Credential

# obstore keeps what has more than 5 minutes left. So it asks anew each time, which takes microseconds, and
# botocore, which knows when a key ends, decides whether to renew it.
KEPT = timedelta(minutes=5)


def session_of(settings: StorageSettings) -> Any:  # noqa: ANN401  (boto3 has no types)
    """A boto3 session that has credentials. Raises what botocore raises when there are none."""
    if settings.has_key:
        key = (settings.access_key, settings.secret_key, settings.session_token or None)
        return boto3.session.Session(*key)  # type: ignore[no-untyped-call]  # as above
    return own_session()


def own_session() -> Any:  # noqa: ANN401  (as above)
    """The same with the process's own. Raises BotoCoreError: NoCredentialsError when it has none."""
    session = boto3.session.Session()  # type: ignore[no-untyped-call]  # as above
    if session.get_credentials() is None:  # type: ignore[no-untyped-call]  # as above
        raise NoCredentialsError
    return session


def provider_of(settings: StorageSettings) -> "Callable[[], S3Credential]":
    """What obstore asks for credentials; given as arguments, a token of the environment would be added."""
    if not settings.has_key:
        return _Own(settings)
    found: S3Credential = {
        "access_key_id": settings.access_key,
        "secret_access_key": settings.secret_key,
        "token": settings.session_token or None,
        "expires_at": None,
    }
    return lambda: found


class _Own:
    """The process's own; asked from threads of obstore."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._found: Any = None

    def __call__(self) -> "S3Credential":
        with self._lock:
            if self._found is None:
                self._found = session_of(self._settings).get_credentials()
            key = self._found.get_frozen_credentials()
        return {
            "access_key_id": key.access_key,
            "secret_access_key": key.secret_key,
            "token": key.token,
            "expires_at": datetime.now(UTC) + KEPT,
        }
