"""Who calls, by the Authorization header, and which function a service's name means for that caller. Pure.

A user gives name and password; who only runs a service gives its token, which is an HMAC of the function's
name: nothing is kept, and another key makes all tokens void. Comparisons take the same time whatever they are
given. How often a caller may try is for the proxy before this service to bound.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from headrace.api.faults import not_known
from headrace.health.faults import Fault, FaultError, refusal
from headrace.model.api import ApiSettings, ApiUser
from headrace.model.tenancy import own_name, qualified, tenant_of

REALM = "headrace"
TOKEN_LENGTH = 64  # hexadecimal digits, as many as OSCAR's tokens have
_NAME = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})?")
_PURPOSE = b"headrace service token\0"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `tenant` None: an administrator. `service`: the one that a token is for, None for a user."""

    name: str
    tenant: str | None = None
    service: str | None = None

    @property
    def is_administrator(self) -> bool:
        return self.tenant is None and self.service is None

    def sees(self, function: str) -> bool:
        """Whether a function, by its name where tenants meet, concerns this caller."""
        if self.service is not None:
            return function == self.service
        return self.tenant is None or tenant_of(function) == self.tenant

    def function(self, service: str) -> str:
        """The function that a service's name means. Raises FaultError for what is not the caller's."""
        if self.service is not None:
            return self.service
        if not _NAME.fullmatch(service):  # it becomes part of paths and addresses
            raise not_known(service)
        name = service if self.tenant is None or tenant_of(service) else qualified(self.tenant, service)
        if not self.sees(name):
            raise not_known(service)
        return name

    def service_name(self, function: str) -> str:
        """How the caller calls a function."""
        return function if self.tenant is None else own_name(function)


def token_of(settings: ApiSettings, function: str) -> str:
    """The token of a function's service; `function` is its name where tenants meet."""
    return hmac.new(settings.token_key.encode(), _PURPOSE + function.encode(), hashlib.sha256).hexdigest()


def user_of(settings: ApiSettings, header: str) -> Caller:
    """The user of a call. Raises FaultError."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic" and (user := _user(settings.users, given.strip())) is not None:
        return Caller(user.name, user.tenant)
    raise _unauthorized("give a user's name and password by basic authentication")


def caller_of(settings: ApiSettings, header: str, service: str, tenants: Iterable[str]) -> Caller:
    """The caller of one service's calls: a user, or who has the service's token. Raises FaultError."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer":
        return user_of(settings, header)
    names = (service,) if tenant_of(service) else (service, *(qualified(each, service) for each in tenants))
    found = [name for name in names if _same(token_of(settings, name), given.strip())]
    if not found:
        raise _unauthorized("the bearer token is not this service's; GET /system/services/{name} shows it")
    return Caller(f"token of {found[0]}", tenant_of(found[0]) or None, found[0])


def demand_administrator(caller: Caller) -> None:
    """Raises FaultError for everybody else."""
    if not caller.is_administrator:
        reason = "this concerns the stack as a whole; ask a user without a tenant"
        raise refusal(HTTPStatus.FORBIDDEN, "forbidden", reason)


def _user(users: Iterable[ApiUser], given: str) -> ApiUser | None:
    """All are compared, so that the time tells nothing of who there is."""
    try:
        text = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    found = None
    for user in users:
        if _same(f"{user.name}:{user.password}", text):
            found = user
    return found


def _same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape"))


def _unauthorized(reason: str) -> FaultError:
    headers = {"WWW-Authenticate": f'Basic realm="{REALM}"'}
    return FaultError(Fault(HTTPStatus.UNAUTHORIZED, "not allowed", reason, headers=headers))
