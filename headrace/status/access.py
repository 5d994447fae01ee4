"""Who asks, by the bearer token or by a proxy's word, and what that allows. Pure.

Comparisons take the same time whatever they are given. How often somebody may try is for the proxy to bound.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from ipaddress import ip_address, ip_network

from headrace.health.faults import Fault, FaultError, refusal
from headrace.model.status_page import Names, StatusProxy, StatusSettings
from headrace.status.document import Login

JSON = "application/json"
TOKEN_HOLDER = "who has the token"  # noqa: S105  (how logs call him: a token names nobody)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class May(StrEnum):
    """What somebody may be allowed."""

    REPLAY = "replay"
    PAUSE = "pause"
    RESUME = "resume"
    ENABLE = "enable"
    DISABLE = "disable"
    LOGS = "logs"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: `name` None is somebody who has not logged in. `by_proxy`: a browser's own login."""

    name: str | None = None
    may: frozenset[May] = frozenset()
    by_proxy: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What tells who asks: headers (names in lower case), and the address of who is connected."""

    headers: Mapping[str, str]
    address: str


def login_of(settings: StatusSettings) -> Login:
    """How one may log in."""
    if settings.proxy is not None:
        return Login.BOTH if settings.token else Login.PROXY
    return Login.TOKEN if settings.token else Login.NONE


def asker_of(settings: StatusSettings, call: Call) -> Asker:
    """Who asks. Raises FaultError for a token that is not the right one."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if not (settings.token and _same(settings.token, given.strip())):
            raise _unauthorized("the bearer token is not this service's", settings)
        return Asker(TOKEN_HOLDER, frozenset(May))
    if settings.proxy is not None and (name := _told_by(settings.proxy, call)):
        acts = not settings.proxy.users or name in settings.proxy.users
        return Asker(name, frozenset(May) if acts else frozenset({May.NAMES, May.LOGS}), by_proxy=True)
    return Asker(None, frozenset({May.NAMES}) if settings.names is Names.SHOWN else frozenset())


def _told_by(proxy: StatusProxy, call: Call) -> str:
    """Whom the proxy tells of; empty: nobody, or it was not the proxy that asked."""
    name = call.headers.get(proxy.identity_header.lower(), "")
    if proxy.secret and not _same(proxy.secret, call.headers.get(proxy.secret_header.lower(), "")):
        return ""
    if proxy.addresses and not _is_among(call.address, proxy.addresses):
        return ""
    return name


def demand(settings: StatusSettings, call: Call, what: May) -> Asker:
    """The asker, if that is allowed. Raises FaultError: 401 who has not logged in, 403 who may not."""
    asker = asker_of(settings, call)
    if asker.name is None:
        raise _unauthorized("this needs a login", settings)
    if what not in asker.may:
        reason = f"{asker.name} may look and not act; ask to be added to status.proxy.users"
        raise refusal(HTTPStatus.FORBIDDEN, "forbidden", reason)
    return asker


def check_sent(settings: StatusSettings, call: Call, asker: Asker) -> None:
    """Raises FaultError for an action that another site's page may have made a browser send.

    No page but ours can send a bearer token. A proxy's login goes with whatever the browser sends.
    """
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        reason = f"Content-Type: found {kind or 'none'}, allowed {JSON}; send the action as JSON"
        raise refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not valid", reason)
    origin = call.headers.get("origin", "")
    if asker.by_proxy and settings.proxy is not None and origin not in settings.proxy.origins:
        allowed = ", ".join(settings.proxy.origins)
        reason = f"Origin: found {origin or 'none'}, allowed {allowed}; act on the page itself"
        raise refusal(HTTPStatus.FORBIDDEN, "forbidden", reason)


def check_host(settings: StatusSettings, call: Call) -> None:
    """Raises FaultError where a stranger's name leads to this machine: his page would read ours.

    That is looked at where the service is this machine's own. What a proxy sends bears its origin's name.
    """
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        return
    host = call.headers.get("host", "").lower()
    known = {each.partition("//")[2] for each in (settings.proxy.origins if settings.proxy else ())}
    if host in known or _without_port(host) in _LOOPBACK:
        return
    reason = f"Host: found {host or 'none'}, allowed 127.0.0.1 or localhost; open the page by one of these"
    raise refusal(HTTPStatus.MISDIRECTED_REQUEST, "forbidden", reason)


def _without_port(host: str) -> str:
    return host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape"))


def _is_among(address: str, ranges: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(each) for each in ranges)


def _unauthorized(reason: str, settings: StatusSettings) -> FaultError:
    advice = {
        Login.NONE: "nobody can log in here: the settings have no status.token",
        Login.TOKEN: "send Authorization: Bearer with the token of the settings' status part",
        Login.PROXY: "come by the proxy that lets people log in",
        Login.BOTH: "send the token, or come by the proxy that lets people log in",
    }[login_of(settings)]
    headers = {"WWW-Authenticate": 'Bearer realm="headrace"'}
    return FaultError(Fault(HTTPStatus.UNAUTHORIZED, "not allowed", f"{reason}; {advice}", headers=headers))
