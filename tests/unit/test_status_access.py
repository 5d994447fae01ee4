"""Who asks, and what that allows: the token, a proxy's word, nobody; and pages of others."""

import json
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from headrace.health.faults import Fault, FaultError
from headrace.model.status_page import Names, StatusProxy, StatusSettings
from headrace.status.access import (
    TOKEN_HOLDER,
    Asker,
    Call,
    May,
    asker_of,
    check_host,
    check_sent,
    demand,
    login_of,
)
from headrace.status.document import Login

TOKEN, SECRET = "token-of-sixteen-or-more", "secret-between-proxy-and-us"
ORIGIN = "https://status.example.org"
ALL = frozenset(May)
BY_SECRET = StatusProxy(
    identity_header="X-Forwarded-Email", secret=SECRET, origins=(ORIGIN,), users=("ann@x",)
)
BY_ADDRESS = StatusProxy(identity_header="X-Forwarded-Email", addresses=("10.0.0.0/24",), origins=(ORIGIN,))
BY_BOTH = BY_ADDRESS.model_copy(update={"secret": SECRET})


def settings(token: str = TOKEN, **more) -> StatusSettings:
    return StatusSettings(port=1, token=token, **more)


def call(address: str = "192.0.2.1", **headers: str) -> Call:
    return Call({name.replace("_", "-"): value for name, value in headers.items()}, address)


def refused(step: Callable[[], object]) -> Fault | None:
    try:
        step()
    except FaultError as error:
        return error.fault
    return None


def status_of(fault: Fault | None) -> int:
    return int(fault.status) if fault is not None else 200


def asked(found: StatusSettings, which: Call) -> Asker | int:
    fault = refused(lambda: asker_of(found, which))
    return asker_of(found, which) if fault is None else status_of(fault)


@pytest.mark.parametrize(
    ("found", "which", "asker"),
    [
        (settings(), call(), Asker(None, frozenset({May.NAMES}))),
        (settings(names=Names.HIDDEN), call(), Asker()),
        (settings(), call(authorization=f"Bearer {TOKEN}"), Asker(TOKEN_HOLDER, ALL)),
        (settings(), call(authorization=f"bearer  {TOKEN} "), Asker(TOKEN_HOLDER, ALL)),
        (settings(), call(authorization="Bearer "), 401),
        (settings(), call(authorization="Bearer token-of-sixteen-or-mor"), 401),
        (settings(), call(authorization="Bearer t\udcff"), 401),
        (settings(token=""), call(authorization="Bearer "), 401),  # no token is no password that is empty
        (settings(), call(authorization=f"Basic {TOKEN}"), Asker(None, frozenset({May.NAMES}))),
        (settings(), call(x_forwarded_email="ann@x"), Asker(None, frozenset({May.NAMES}))),  # off by default
        (
            settings(proxy=BY_SECRET),
            call(x_forwarded_email="ann@x", x_headrace_proxy=SECRET),
            Asker("ann@x", ALL, by_proxy=True),
        ),
        (
            settings(proxy=BY_SECRET),
            call(x_forwarded_email="bob@x", x_headrace_proxy=SECRET),
            Asker("bob@x", frozenset({May.NAMES, May.LOGS}), by_proxy=True),
        ),
        (
            settings(proxy=BY_SECRET),
            call(x_forwarded_email="ann@x", x_headrace_proxy="guessed"),
            Asker(None, frozenset({May.NAMES})),
        ),
        (settings(proxy=BY_SECRET), call(x_headrace_proxy=SECRET), Asker(None, frozenset({May.NAMES}))),
        (
            settings(proxy=BY_ADDRESS),
            call("10.0.0.7", x_forwarded_email="bob@x"),
            Asker("bob@x", ALL, by_proxy=True),
        ),
        (
            settings(proxy=BY_ADDRESS),
            call("10.0.1.7", x_forwarded_email="bob@x"),
            Asker(None, frozenset({May.NAMES})),
        ),
        (settings(proxy=BY_ADDRESS), call("", x_forwarded_email="b"), Asker(None, frozenset({May.NAMES}))),
        (
            settings(proxy=BY_BOTH),
            call("10.0.0.7", x_forwarded_email="bob@x"),
            Asker(None, frozenset({May.NAMES})),
        ),
        (
            settings(proxy=BY_BOTH),
            call("10.0.0.7", x_forwarded_email="bob@x", x_headrace_proxy=SECRET),
            Asker("bob@x", ALL, by_proxy=True),
        ),
        (  # the token goes first, also where a proxy told of somebody
            settings(proxy=BY_ADDRESS),
            call("10.0.0.7", x_forwarded_email="bob@x", authorization=f"Bearer {TOKEN}"),
            Asker(TOKEN_HOLDER, ALL),
        ),
    ],
)
def test_who_asks(found, which, asker):
    assert asked(found, which) == asker


@pytest.mark.parametrize(
    ("found", "which", "what", "status"),
    [
        (settings(), call(), May.PAUSE, 401),
        (settings(), call(), May.LOGS, 401),
        (settings(token=""), call(), May.PAUSE, 401),
        (settings(), call(authorization=f"Bearer {TOKEN}"), May.PAUSE, 200),
        (
            settings(proxy=BY_SECRET),
            call(x_forwarded_email="bob@x", x_headrace_proxy=SECRET),
            May.PAUSE,
            403,
        ),
        (settings(proxy=BY_SECRET), call(x_forwarded_email="bob@x", x_headrace_proxy=SECRET), May.LOGS, 200),
    ],
)
def test_what_is_not_allowed_is_refused_by_status(found, which, what, status):
    fault = refused(lambda: demand(found, which, what))
    assert status_of(fault) == status
    assert ("WWW-Authenticate" in fault.headers if fault else False) is (status == 401)


@pytest.mark.parametrize(
    ("asker", "which", "status"),
    [
        (Asker(TOKEN_HOLDER, ALL), call(content_type="application/json"), 200),
        (Asker(TOKEN_HOLDER, ALL), call(content_type="application/json; charset=utf-8"), 200),
        (Asker(TOKEN_HOLDER, ALL), call(content_type="text/plain"), 415),
        (Asker(TOKEN_HOLDER, ALL), call(), 415),
        (Asker("ann@x", ALL, by_proxy=True), call(content_type="application/json", origin=ORIGIN), 200),
        (Asker("ann@x", ALL, by_proxy=True), call(content_type="application/json"), 403),
        (Asker("ann@x", ALL, by_proxy=True), call(content_type="application/json", origin="null"), 403),
        (
            Asker("ann@x", ALL, by_proxy=True),
            call(content_type="application/json", origin="https://evil.example"),
            403,
        ),
    ],
)
def test_an_action_that_another_page_sent_is_refused(asker, which, status):
    assert status_of(refused(lambda: check_sent(settings(proxy=BY_SECRET), which, asker))) == status


@pytest.mark.parametrize(
    ("found", "host", "taken"),
    [
        (settings(), "127.0.0.1:8082", True),
        (settings(), "localhost:8082", True),
        (settings(), "LOCALHOST", True),
        (settings(), "[::1]:8082", True),
        (settings(), "evil.example:8082", False),
        (settings(), "127.0.0.1.evil.example", False),
        (settings(), "", False),
        (settings(proxy=BY_SECRET), "status.example.org", True),
        (settings(host="0.0.0.0"), "evil.example", True),  # whom the network lets in may call it as he likes
    ],
)
def test_on_this_machine_alone_a_stranger_s_name_leads_nowhere(found, host, taken):
    assert status_of(refused(lambda: check_host(found, call(host=host)))) == (200 if taken else 421)


@pytest.mark.parametrize(
    ("found", "login"),
    [
        (settings(), Login.TOKEN),
        (settings(token=""), Login.NONE),
        (settings(token="", proxy=BY_SECRET), Login.PROXY),
        (settings(proxy=BY_SECRET), Login.BOTH),
    ],
)
def test_the_page_is_told_how_one_may_log_in(found, login):
    assert login_of(found) is login


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token": "short"}, "token has 5 characters"),
        ({"proxy": {"identityHeader": "X-User", "origins": [ORIGIN]}}, "anybody could say who he is"),
        ({"proxy": {"identityHeader": "X-User", "origins": [ORIGIN], "secret": "short"}}, "secret has 5"),
        ({"proxy": {"identityHeader": "X-User", "origins": [], "secret": SECRET}}, "origins"),
        ({"proxy": {"identityHeader": "X User", "origins": [ORIGIN], "secret": SECRET}}, "identityHeader"),
        (
            {"proxy": {"identityHeader": "X-User", "origins": [f"{ORIGIN}/x"], "secret": SECRET}},
            "without a path",
        ),
        (
            {"proxy": {"identityHeader": "X-User", "origins": [ORIGIN], "addresses": ["10.0.0.7/8"]}},
            "a range",
        ),
        ({"refreshSeconds": 0.01}, "refreshSeconds"),
    ],
)
def test_settings_that_would_let_in_anybody_are_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        StatusSettings.from_json(json.dumps({"port": 1, **changes}))


def test_the_token_and_the_proxy_s_secret_are_hidden_from_logs():
    assert settings(proxy=BY_SECRET).passwords == (TOKEN, SECRET)
    assert TOKEN not in repr(settings())
    assert SECRET not in repr(BY_SECRET)
