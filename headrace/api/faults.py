"""The fault that several calls have in common. Pure."""

from http import HTTPStatus

from headrace.health.faults import FaultError, refusal


def not_known(service: str) -> FaultError:
    """The fault of a service that is not there, or is not the caller's: nobody learns which."""
    reason = f"service {service!r} is not there; GET /system/services lists those there are"
    return refusal(HTTPStatus.NOT_FOUND, "not found", reason)
