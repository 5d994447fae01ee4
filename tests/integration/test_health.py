"""Health over HTTP, on loopback."""

import asyncio
import json
import signal
from http.client import HTTPConnection

import pytest

from headrace.health.serving import serving
from headrace.model.errors import ConfigurationError


async def _asked(port: int, path: str) -> tuple[int, dict[str, str]]:
    def ask() -> tuple[int, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def test_each_check_is_asked_at_each_request() -> None:
    faults = {"alive": "", "ready": "no list yet"}
    async with serving(
        0, ready=lambda: faults["ready"], alive=lambda: faults["alive"], host="127.0.0.1"
    ) as port:
        assert await _asked(port, "/healthz") == (200, {"status": "ok"})
        assert await _asked(port, "/readyz") == (503, {"error": "no list yet"})
        faults |= {"alive": "no step for 300 s", "ready": ""}
        assert await _asked(port, "/healthz") == (503, {"error": "no step for 300 s"})
        assert await _asked(port, "/readyz") == (200, {"status": "ok"})


async def test_what_a_ready_service_can_not_do_is_told_along() -> None:
    faults = {"ready": "", "remark": "namespace lab is left out"}
    checks = {"ready": lambda: faults["ready"], "remark": lambda: faults["remark"]}
    async with serving(0, **checks, host="127.0.0.1") as port:
        assert await _asked(port, "/readyz") == (200, {"status": "ok", "remark": "namespace lab is left out"})
        assert await _asked(port, "/healthz") == (200, {"status": "ok"})
        faults["ready"] = "no list yet"
        assert await _asked(port, "/readyz") == (503, {"error": "no list yet"})


async def test_a_port_that_is_taken_is_named() -> None:
    async with serving(0, ready=lambda: "", host="127.0.0.1") as port:
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}"):
            async with serving(port, ready=lambda: "", host="127.0.0.1"):
                pass


async def test_the_service_keeps_its_own_signal_handlers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with serving(0, ready=lambda: "", host="127.0.0.1") as port:
        await _asked(port, "/healthz")
        assert signal.getsignal(signal.SIGTERM) is before


async def test_the_port_is_free_again_afterwards() -> None:
    async with serving(0, ready=lambda: "", host="127.0.0.1") as port:
        pass
    async with serving(port, ready=lambda: "", host="127.0.0.1") as again:
        assert again == port
