"""What OSCAR's API has and this one does not: by path, the reason and what to use instead. Pure."""

import re
from http import HTTPStatus

from headrace.health.faults import Fault

_REFUSED = (
    ("/system/buckets", "buckets are made with the services that name them, and read by the store's own API"),
    ("/system/volumes", "volumes are PersistentVolumeClaims; name one in the service's volume"),
    ("/system/federation", "files are worked on this stack, whose nodes grow with them"),
    ("/system/quotas", "quotas are those of the stack's tenants, which its operator declares"),
    (
        "/system/metrics",
        "`headrace status` and the records tell what was worked; Prometheus reads the services",
    ),
    (
        r"/system/services/[^/]+/(deployment|stop|start|restart)",
        "a service is no Deployment; its workers come and go with its files",
    ),
    (r"/system/services/[^/]+/auth", "no service is exposed, so none asks who may reach it"),
    ("/ui", "there is no page here; `headrace status` and `headrace watch` show a stack"),
)


def refused(method: str, path: str) -> Fault:
    """The answer for a path that is none of this API's."""
    for pattern, reason in _REFUSED:
        if re.match(rf"{pattern}(/|$)", path):
            return Fault(HTTPStatus.NOT_IMPLEMENTED, "not offered", f"{method} {path[:200]}: {reason}")
    reason = f"{path[:200]!r} is no path of this API; GET /openapi.json lists them"
    return Fault(HTTPStatus.NOT_FOUND, "not found", reason)
