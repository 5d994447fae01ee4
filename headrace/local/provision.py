"""The settings of an embedded stack: made once, kept, and adapted only where they no longer fit."""

import html
import secrets
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from urllib.parse import quote, urlsplit

from headrace.files.whole import write_private
from headrace.local.process import free_ports, hold_port
from headrace.local.state import StateDirectory
from headrace.model.api import ApiSettings, ApiUser, StoreKey
from headrace.model.settings import QueueSettings, ReceiverSettings, Settings, StorageSettings, WorkerSettings
from headrace.model.status_page import StatusSettings
from headrace.model.trace import TraceSettings

HOST = "127.0.0.1"
ACCESS_KEY = "headrace"
API_USER = "oscar"  # the name that OSCAR gives its administrator
PORT_WAIT_SECONDS = 5.0  # children of a stack that was killed may hold their ports a moment longer


# SeaweedFS gives a notification up that is not taken at once, and tells nothing of an object at the name of
# a folder: a person who looks on should not wait minutes for those.
LISTING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Those that clients and services use."""

    store: int
    queue: int
    receiver: int
    api: int
    status: int


def ports_of(settings: Settings) -> Ports:
    """The ports that settings name."""
    store, queue = urlsplit(settings.storage.endpoint).port, urlsplit(settings.queue.url).port
    return Ports(
        store=store or 80,
        queue=queue or 4222,
        receiver=settings.receiver.port,
        api=settings.api.port if settings.api else 0,
        status=settings.status.port if settings.status else 0,
    )


def fresh_settings(state: StateDirectory, functions: Path, ports: Ports) -> Settings:
    """Settings with new random keys."""
    settings = Settings(
        storage=StorageSettings(endpoint="", access_key=ACCESS_KEY, secret_key=secrets.token_urlsafe(30)),
        queue=QueueSettings(url="", token=secrets.token_urlsafe(30)),
        receiver=ReceiverSettings(
            port=ports.receiver, token=secrets.token_urlsafe(30), listing_seconds=LISTING_SECONDS
        ),
        worker=WorkerSettings(work_directory="", secrets_directory=""),
        functions_directory="",
    )
    return adapted(settings, state, functions, ports)


def adapted(settings: Settings, state: StateDirectory, functions: Path, ports: Ports) -> Settings:
    """The same keys and choices with these ports and folders; all else is kept."""
    storage = settings.storage.model_copy(update={"endpoint": f"http://{HOST}:{ports.store}"})
    queue = settings.queue.model_copy(update={"url": f"nats://{HOST}:{ports.queue}"})
    receiver = settings.receiver.model_copy(update={"port": ports.receiver})
    worker = settings.worker.model_copy(
        update={"work_directory": str(state.work), "secrets_directory": str(state.secrets)}
    )
    api = (settings.api or fresh_api(settings)).model_copy(update={"port": ports.api})
    files = {"plan_file": str(state.plan), "wishes_file": str(state.wishes)}
    status = (settings.status or fresh_status()).model_copy(update={"port": ports.status, **files})
    changes = {"storage": storage, "queue": queue, "receiver": receiver, "worker": worker, "api": api}
    more = {"status": status, "functions_directory": str(functions)}
    return settings.model_copy(update={**changes, **more})


def fresh_api(settings: Settings) -> ApiSettings:
    """The HTTP interface with one user, who has the store's key: it is his machine."""
    storage = settings.storage
    user = ApiUser(
        name=API_USER,
        password=secrets.token_urlsafe(30),
        store=StoreKey(access_key=storage.access_key, secret_key=storage.secret_key),
    )
    return ApiSettings(port=0, users=(user,), token_key=secrets.token_urlsafe(30))


def fresh_status() -> StatusSettings:
    """The status page, on which who has the token may act."""
    return StatusSettings(port=0, token=secrets.token_urlsafe(30))


def page_address(settings: Settings) -> str:
    """Of the status page, without a login; empty: there is none."""
    return f"http://{settings.status.host}:{settings.status.port}/" if settings.status else ""


def client_environment(settings: Settings) -> str:
    """Lines that a shell sources; the AWS command line, boto3 and others read these variables.

    What the settings leave to AWS's own is left to the shell.
    """
    storage = settings.storage
    variables = {
        "AWS_ENDPOINT_URL": storage.endpoint,
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        "AWS_DEFAULT_REGION": storage.region,
    }
    if settings.api is not None:
        variables |= {
            "HEADRACE_API": f"http://{settings.api.host}:{settings.api.port}",
            "HEADRACE_API_USER": settings.api.users[0].name,
            "HEADRACE_API_PASSWORD": settings.api.users[0].password,
        }
    if settings.status is not None:
        variables |= {
            "HEADRACE_STATUS": page_address(settings),
            "HEADRACE_STATUS_TOKEN": settings.status.token,
        }
    return "".join(f"export {name}='{value}'\n" for name, value in variables.items() if value)


def provision(state: StateDirectory, functions: Path, trace: TraceSettings | None = None) -> Settings:
    """The settings to start with, written to the state folder. Call it while holding the folder.

    Keys and ports are those of the last time; a port is chosen anew only when something else holds it. A
    collector of traces is the one that is given, else that of the last time.
    Raises ConfigurationError for settings that can't be read.
    """
    kept = state.read_settings()
    if kept is None:
        settings = fresh_settings(state, functions, Ports(*free_ports(len(fields(Ports)))))
    else:
        settings = adapted(kept, state, functions, _still_free(ports_of(kept)))
    if trace is not None:
        settings = settings.model_copy(update={"trace": trace})
    write_private(state.settings, settings.to_json())
    write_private(state.client, client_environment(settings).encode())
    write_private(state.page, door_of(settings))
    return settings


def door_of(settings: Settings) -> bytes:
    """A file that leads a browser to the status page and logs in: its token stands in no command line.

    What is behind # a browser sends to no server; the page takes it off its address.
    """
    token = settings.status.token if settings.status else ""
    address = html.escape(f"{page_address(settings)}#token={quote(token)}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Headrace</title>'
        f'<meta http-equiv="refresh" content="0; url={address}"><a href="{address}">Headrace</a></html>\n'
    ).encode()


def _still_free(ports: Ports) -> Ports:
    deadline = time.monotonic() + PORT_WAIT_SECONDS
    # All that can be had are held before another is chosen, which might be one of them else.
    looked = [(port, _is_free(port, deadline)) for port in astuple(ports)]
    return Ports(*(port if is_free else free_ports(1)[0] for port, is_free in looked))


def _is_free(port: int, deadline: float) -> bool:
    if not port:  # an older stack had no such server
        return False
    while True:
        try:
            hold_port(port)
        except OSError:
            if time.monotonic() >= deadline:
                return False
        else:
            return True
        time.sleep(0.05)
