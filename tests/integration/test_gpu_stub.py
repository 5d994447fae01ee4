"""The stub GPU server and its client as real processes: answers, quotas, and whatever dies."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from echo.views import MODEL

from headrace.gpu.stub import control
from headrace.gpu.stub.client.headrace_stub import (
    OutOfMemoryError,
    RefusedError,
    ServerLostError,
    StubError,
)
from headrace.model.errors import ConfigurationError, RejectedError, TransientError
from tests.fixtures.stub_gpu import HOST, StubServer, stub_server

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "functions" / "echo"
MIB = 2**20
WAIT_SECONDS = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StubServer]:
    with stub_server(tmp_path / "stub.log", gpus=2, memory="64Mi", sessions=4) as found:
        yield found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def run(code: str, *arguments: str, environment: dict[str, str]) -> str:
    """What a Python program prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# What it computes


async def test_a_product_is_numpys(server: StubServer):
    await server.open("a")
    rng = np.random.default_rng(1)
    a, b = rng.random((70, 30), np.float32), rng.random((30, 50), np.float32)
    with server.device("a") as device:
        np.testing.assert_allclose(device.matmul(a, b), a @ b, rtol=1e-5)
    told = (await server.sessions())["a"]
    assert told.peak_used_bytes == 4 * (70 * 30 + 30 * 50 + 70 * 50)
    assert told.gpu_seconds > 0


async def test_memory_keeps_what_is_written_and_begins_empty(server: StubServer):
    await server.open("a")
    with server.device("a") as device:
        handle = device.malloc(10)
        device.write(handle, b"abc", 4)
        assert device.read(handle, 10) == b"\0\0\0\0abc\0\0\0"
        assert device.read(handle, 2, 5) == b"bc"


async def test_a_model_answers_as_on_the_cpu(server: StubServer):
    ort = pytest.importorskip("onnxruntime")
    await server.open("a")
    frames = np.random.default_rng(2).random((2, 1, 240, 320), np.float32)
    (expected,) = ort.InferenceSession(MODEL.read_bytes()).run(None, {"frame": frames})
    with server.device("a") as device:
        model = device.load_model(MODEL.read_bytes())
        assert (model.inputs[0].name, model.outputs[0].name) == ("frame", "logits")
        np.testing.assert_array_equal(device.run(model, {"frame": frames})["logits"], expected)
        device.free(model.handle)
        device.synchronize()
        assert (await server.sessions())["a"].used_bytes == 0


WORK = """
import json, sys
from pathlib import Path
import onnxruntime
from echo.classifier import Classifier

clip, folder = Path(sys.argv[1]), Path(sys.argv[2])
folder.mkdir()
Classifier().work(clip, folder)
result = json.loads((folder / f"{clip.name}.json").read_text())
print(json.dumps({"module": onnxruntime.InferenceSession.__module__, "result": result}))
"""


async def test_functions_echo_works_unchanged_with_the_same_answer(server: StubServer, tmp_path: Path):
    await server.open("a")
    derive = [sys.executable, ECHO / "derive.py", "--count", "1", tmp_path / "clips"]
    subprocess.run(derive, check=True, capture_output=True)
    clip = tmp_path / "clips" / "real-four-chamber.dcm"
    found = {}
    for place, environment in (
        ("local", server.environment("a", behind=str(ECHO)) | {"HEADRACE_STUB_DEVICES": ""}),
        ("remote", server.environment("a", behind=str(ECHO))),
    ):
        output = run(WORK, str(clip), str(tmp_path / place), environment=environment)
        found[place] = json.loads(output.splitlines()[-1])
        found[place]["result"].pop("seconds")
    assert found["remote"]["module"] == "headrace_stub.onnx"
    assert found["local"]["module"].startswith("onnxruntime.")
    assert found["remote"]["result"] == found["local"]["result"]
    told = (await server.sessions())["a"]
    assert told.calls > 8  # attached, the model, and a call a frame
    assert (told.used_bytes, told.connections) == (0, 0), "it has ended, and its memory is given back"


SESSION = """
import sys
assert "numpy" not in sys.modules
import onnxruntime as ort
import numpy as np

options = ort.SessionOptions()
first = ort.InferenceSession(sys.argv[1], sess_options=options)
second = ort.InferenceSession(
    open(sys.argv[1], "rb").read(), options, providers=[("CUDAExecutionProvider", {"device_id": 1})]
)
print(first.get_providers(), second.get_providers())
print([each.name for each in second.get_inputs()], second.get_outputs()[0].type)
(logits,) = second.run(["logits"], {"frame": np.zeros((1, 1, 240, 320), np.float32)}, ort.RunOptions())
print(logits.shape, logits.flags.writeable)
for wrong in ({"frame": np.zeros(3, np.float32)}, {}, {"frame": np.array(["x"])}):
    try:
        second.run(None, wrong)
    except Exception as error:
        print(type(error).__name__)
try:
    second.io_binding()
except AttributeError as error:
    print(error)
"""


async def test_a_session_has_the_calls_that_programs_use(server: StubServer):
    await server.open("a", gpu=0)
    await server.open("b", gpu=1)
    lines = run(SESSION, str(MODEL), environment=server.environment("a", "b")).splitlines()
    assert lines[:6] == [
        "['CPUExecutionProvider'] ['CUDAExecutionProvider']",
        "['frame'] tensor(float)",
        "(1, 3) True",
        "RefusedError",
        "RefusedError",
        "FrameError",
    ]
    assert "InferenceSession.io_binding: this function's GPU is on another machine" in lines[6]
    counted = await server.sessions()
    assert (counted["a"].calls, counted["b"].calls) == (1, 4)


async def test_a_sitecustomize_further_on_the_path_runs_as_well(server: StubServer, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nWHOSE = 'the image'\nsys.marked = True\n")
    code = "import sys, sitecustomize as s; print(sys.marked, s.WHOSE, 'Interceptor' in str(sys.meta_path))"
    environment = server.environment("a", behind=str(tmp_path))
    assert run(code, environment=environment) == "True the image True\n"
    code = "import sys; print(sys.marked, 'Interceptor' in str(sys.meta_path))"
    assert run(code, environment=environment | {"HEADRACE_STUB_DEVICES": ""}) == "True False\n"


async def test_where_the_container_has_no_onnx_runtime_its_import_fails_as_ever(server: StubServer):
    hidden = "import sys; sys.path = [each for each in sys.path if 'site-packages' not in each]"
    command = [sys.executable, "-c", f"{hidden}; import onnxruntime"]
    done = subprocess.run(command, env=server.environment("a"), capture_output=True, text=True, check=False)
    assert "No module named 'onnxruntime'" in done.stderr


async def test_a_server_without_onnx_runtime_says_so(tmp_path: Path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('not here')\n")
    with stub_server(tmp_path / "log", environment={"PYTHONPATH": str(tmp_path)}) as server:
        await server.open("a")
        with server.device("a") as device, pytest.raises(RefusedError, match="pip install onnxruntime"):
            device.load_model(b"model")
        assert (await server.sessions())["a"].used_bytes == 0


# Quotas


async def test_the_quota_is_enforced_for_all_connections_of_a_session_together(server: StubServer):
    await server.open("a", memory_bytes=10 * MIB)
    with server.device("a") as one, server.device("a") as other:
        one.malloc(6 * MIB)
        words = f"asked for {5 * MIB} bytes, {6 * MIB} of its quota of {10 * MIB} are used"
        with pytest.raises(OutOfMemoryError, match=words):
            other.malloc(5 * MIB)
        other.malloc(4 * MIB)
    told = (await server.sessions())["a"]
    assert (told.peak_used_bytes, told.refused_allocations) == (10 * MIB, 1)


async def test_a_model_and_its_arrays_count_against_the_quota(server: StubServer):
    content = MODEL.read_bytes()
    await server.open("a", memory_bytes=len(content) + 100_000)
    with server.device("a") as device:
        model = device.load_model(content)
        with pytest.raises(OutOfMemoryError):
            device.load_model(content)
        with pytest.raises(OutOfMemoryError):
            device.run(model, {"frame": np.zeros((1, 1, 240, 320), np.float32)})
        assert (await server.sessions())["a"].used_bytes == len(content)


async def test_a_payload_larger_than_the_quota_is_read_over_and_the_connection_goes_on(server: StubServer):
    await server.open("a", memory_bytes=MIB)
    with server.device("a") as device:
        handle = device.malloc(100)
        device.write(handle, bytes(3 * MIB))
        with pytest.raises(OutOfMemoryError):
            device.synchronize()
        assert device.read(handle, 100) == bytes(100)


async def test_no_gpu_is_promised_twice_whatever_is_asked_at_once(server: StubServer):
    asked = [server.open(f"s{number}", gpu=number % 2, memory_bytes=24 * MIB) for number in range(12)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in outcomes if each is not None]
    assert (len(refused), {type(each) for each in refused}) == (8, {RejectedError})
    status = await server.status()
    assert [gpu.peak_reserved_bytes for gpu in status.gpus] == [48 * MIB, 48 * MIB]
    assert (status.sessions, status.peak_sessions, status.refused_opens) == (4, 4, 8)


async def test_no_more_sessions_are_open_than_allowed(server: StubServer):
    for number in range(4):
        await server.open(f"s{number}", memory_bytes=MIB)
    with pytest.raises(RejectedError, match=rf"GPU server {HOST}:\d+: session more: 4 are open, allowed 4"):
        await server.open("more", memory_bytes=MIB)
    await server.close("s0")
    await server.open("more", memory_bytes=MIB)
    assert (await server.status()).peak_sessions == 4


async def test_what_can_never_be_opened_is_a_matter_of_configuration(server: StubServer):
    await server.open("a", memory_bytes=MIB)
    await server.open("a", memory_bytes=MIB)
    with pytest.raises(ConfigurationError, match="it is open with"):
        await server.open("a", memory_bytes=2 * MIB)
    with pytest.raises(ConfigurationError, match="GPU 2, allowed 0 to 1"):
        await server.open("b", gpu=2)
    with pytest.raises(ConfigurationError, match="session: String should match"):
        await server.open("a,b")


async def test_only_who_has_an_open_session_works(server: StubServer):
    with pytest.raises(RefusedError, match="session a: it is not open"):
        server.device("a").connect()
    with pytest.raises(StubError, match="call connect"):
        server.device("a").malloc(1)


async def test_what_does_not_fit_together_is_refused_and_the_connection_goes_on(server: StubServer):
    await server.open("a")
    with server.device("a") as device:
        handle = device.malloc(8)
        device.write(handle, bytes(9))
        device.free(999)
        with pytest.raises(RefusedError, match="asked for bytes 0 to 9, it has 8"):
            device.synchronize()  # the first fault of those told before
        with pytest.raises(RefusedError, match="memory 999: this connection has none such"):
            device.read(999, 1)
        with pytest.raises(ValueError, match="matmul: found shapes"):
            device.matmul(np.zeros((2, 3)), np.zeros((2, 3)))
        with pytest.raises(RefusedError, match="model of 7 bytes"):
            device.load_model(b"rubbish")
        assert device.read(handle, 8) == bytes(8)


# Whatever dies


async def test_a_killed_server_is_named_by_the_client_and_by_control(server: StubServer):
    await server.open("a")
    device = server.device("a").connect()
    handle = device.malloc(10)
    server.kill()
    words = f"GPU server {HOST}:{server.port} stopped answering"
    with pytest.raises(ConnectionError, match=words):
        device.read(handle, 10)
    with pytest.raises(ServerLostError, match=words):
        device.synchronize()
    with pytest.raises(ServerLostError, match=words):
        server.device("a").connect()
    with pytest.raises(TransientError, match=f"GPU server {HOST}:{server.port}: "):
        await server.status()


async def test_a_server_that_dies_while_a_call_waits_is_named_too(server: StubServer):
    await server.open("a")
    device = server.device("a").connect()
    server.process.send_signal(signal.SIGSTOP)  # so that no answer comes before it is killed
    waiting = asyncio.create_task(asyncio.to_thread(device.malloc, 10))

    async def is_sent() -> bool:
        return device.counts.calls == 2

    await until(is_sent)
    server.kill()
    with pytest.raises(ConnectionError, match=f"GPU server {HOST}:{server.port} stopped answering"):
        await waiting


async def test_a_server_that_was_started_anew_knows_no_session(tmp_path: Path):
    with stub_server(tmp_path / "log") as first:
        await first.open("a")
    with stub_server(tmp_path / "log", port=first.port) as second:
        with pytest.raises(RefusedError, match="a server that was started anew knows none"):
            second.device("a").connect()
        assert (await second.status()).peak_sessions == 0


HOLD = """
import time
from headrace_stub import devices

(device,) = devices()
device.connect().malloc(8 * 2**20)
print("ready", flush=True)
time.sleep(60)
"""


async def test_a_killed_clients_memory_is_given_back_while_its_session_stays(server: StubServer):
    await server.open("a", memory_bytes=10 * MIB)
    client = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=server.environment("a"), stdout=subprocess.PIPE
    )
    try:
        assert client.stdout.readline() == b"ready\n"
        told = (await server.sessions())["a"]
        assert (told.used_bytes, told.connections) == (8 * MIB, 1)
    finally:
        client.kill()
        client.wait()
        client.stdout.close()

    async def is_free() -> bool:
        told = (await server.sessions())["a"]
        return (told.used_bytes, told.connections) == (0, 0)

    await until(is_free)
    assert (await server.status()).gpus[0].reserved_bytes == 10 * MIB
    with server.device("a") as device:
        device.malloc(10 * MIB)
    await server.close("a")
    assert (await server.status()).gpus[0].reserved_bytes == 0


async def test_closing_a_session_ends_its_connections_and_no_others(server: StubServer):
    await server.open("a")
    await server.open("b")
    a, b = server.device("a").connect(), server.device("b").connect()
    a.malloc(100)
    await server.close("a")
    with pytest.raises(ServerLostError):
        a.synchronize()
    b.synchronize()
    with pytest.raises(RefusedError, match="it is not open"):
        server.device("a").connect()
    await server.close("a")
    assert list(await server.sessions()) == ["b"]
    b.close()


async def test_it_answers_while_it_computes_and_keeps_the_memory_until_that_ends(tmp_path: Path):
    with stub_server(tmp_path / "log", memory="1Gi") as server:
        await server.open("a", memory_bytes=2**30)
        with server.device("a") as device:
            side = 8000  # takes seconds; the server is killed meanwhile
            device._multiply([device.malloc(side * side * 4) for _ in range(3)], [side] * 3)

            async def computes() -> bool:
                return (await server.sessions())["a"].calls == 4

            await until(computes)
            assert (await server.sessions())["a"].gpu_seconds == 0
            ending = control.close_session(HOST, server.port, session="a", timeout=WAIT_SECONDS)
            closing = asyncio.create_task(ending)

            async def is_closing() -> bool:
                try:
                    await server.open("a", memory_bytes=2**30)
                except RejectedError as error:
                    return "session a: it is being closed" in str(error)
                return False

            await until(is_closing)
            assert (await server.status()).gpus[0].reserved_bytes == 2**30
            assert not closing.done()
            closing.cancel()


@pytest.mark.parametrize(
    "rubbish",
    [b"GET / HTTP/1.1\r\n\r\n" * 9, b"\0" * 4096, b"HRS1\0\0\0\7\0\0\0\0\0\0\0\0rubbish", b"HRS1\0\0", b""],
    ids=["http", "zeros", "no-json", "cut-short", "nothing"],
)
async def test_rubbish_on_its_port_leaves_it_serving(server: StubServer, rubbish: bytes):
    await server.open("a")
    with server.device("a") as device:
        with socket.create_connection((HOST, server.port)) as stranger:
            stranger.sendall(rubbish)
            stranger.shutdown(socket.SHUT_WR)
            stranger.settimeout(WAIT_SECONDS)
            try:
                while stranger.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        device.synchronize()
    assert (await server.status()).sessions == 1


async def test_a_port_that_is_no_stub_gpu_servers_is_told():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(talk, HOST, 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"GPU server {HOST}:{port}: its answer is not a stub"):
            await control.probe(HOST, port)


async def test_a_server_that_says_nothing_in_time_may_answer_later():
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TransientError, match=f"GPU server {HOST}:{port}: no answer within 0.05 s"):
            await control.probe(HOST, port, timeout=0.05)


async def test_it_ends_by_sigterm_with_its_connections(server: StubServer):
    await server.open("a")
    device = server.device("a").connect()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(WAIT_SECONDS) == 0
    with pytest.raises(ServerLostError):
        device.synchronize()


async def test_it_says_why_it_can_not_serve(server: StubServer):
    command = [sys.executable, "-m", "headrace.gpu.stub", "--port", str(server.port)]
    for extra, words in (
        ([], f"can't listen on {HOST}:{server.port}"),
        (["--memory", "much"], "found 'much'"),
    ):
        done = subprocess.run([*command, *extra], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert words in done.stderr
