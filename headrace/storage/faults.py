"""What an S3 answer that is no success means to the caller."""

from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    HeadraceError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from headrace.model.troubles import Trouble

_TRY_AGAIN = frozenset({408, 425, 429})
# Conflicts that pass by themselves; every other 409 stays, such as a folder where the object should be. A key
# that ended is renewed before the next try.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_PASSING = frozenset(
    {"OperationAborted", "ConditionalRequestConflict", "RequestTimeout", "SlowDown", "ExpiredToken"}
)
DETAIL_LENGTH = 300


def not_empty(bucket: str, found: str) -> ChangedError:
    """The error for a bucket that is not deleted; `found` says what is in it."""
    return ChangedError(
        f"the bucket {bucket} is not deleted: {found}, allowed nothing, old versions included; empty it first"
    )


def no_credentials(what: str, detail: str) -> ConfigurationError:
    """The error for a process that has no key of its own, where the settings name none."""
    return ConfigurationError(
        f"{what}: the settings name no key, and this process has none of its own; name one, or give the pod "
        f"an identity: {detail}",
        trouble=Trouble.STORE_NO_KEY,
    )


def fault(what: str, *, status: int | None, code: str, detail: str) -> HeadraceError:
    """The error for an answer's status; None: there was no answer. `what` names the object."""
    said = detail.strip().partition("\n")[0][:DETAIL_LENGTH]
    if status is None or (status >= 500 and status != 501) or status in _TRY_AGAIN or code in _PASSING:
        return TransientError(
            f"{what}: the store can't be reached or can't answer now; it is tried again: {said}",
            trouble=Trouble.STORE_AWAY,
        )
    if status == 404:
        return NotFoundError(f"{what} is not there: {code or 'not found'}", trouble=Trouble.OBJECT_MISSING)
    if status == 412:
        return ChangedError(f"{what} is no longer the version that was asked for")
    if status in (401, 403):
        return ConfigurationError(
            f"{what}: access denied ({code or status}); "
            f"check the access key, the secret key and its rights: {said}",
            trouble=Trouble.STORE_DENIED,
        )
    if status < 400:
        return ConfigurationError(
            f"{what}: the store is at another address or in another region; check both: {said}",
            trouble=Trouble.STORE_ELSEWHERE,
        )
    return RejectedError(f"{what}: the store refuses this ({status} {code}); repeating does not help: {said}")
