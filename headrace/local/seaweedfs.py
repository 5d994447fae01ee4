"""A SeaweedFS server on this machine: master, volumes, filer and S3 in one process."""

import errno
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from headrace.files.whole import write_private
from headrace.local.process import Process, answers, find_program, free_ports, hold_port
from headrace.model.errors import ConfigurationError, HeadraceError
from headrace.model.settings import StorageSettings
from headrace.model.troubles import Trouble
from headrace.storage.client import Client

PROGRAM = "weed"
START_SECONDS = 60.0
# Each bucket is a collection with volumes of its own, so many small ones are wanted, not few large ones.
VOLUMES = 100_000
VOLUMES_AT_ONCE = 2  # added to a bucket that runs out of room
VOLUME_MEBIBYTES = 512  # files, not space, are set aside: a volume begins empty
FREE_SPACE = "256MiB"  # below this no more is written
# Go collects earlier near this, which is no bound: 2 GiB passed at a peak of 1.2 GiB instead of 3.6.
MEMORY_LIMIT = "512MiB"
LOG_MEBIBYTES = 8  # of each of its three logs, before the next one replaces it
_INTERNAL = ("master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc", "s3_grpc")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the filer reports each change: a POST with a bearer token.

    `path_prefixes` are paths of the filer, such as /buckets/uploads/; none: all. The filer keeps up to
    `buffer` reports in memory while the endpoint is slow, and gives one up after `retries` that begin
    `backoff_seconds` apart, and twice as long each time.
    """

    endpoint: str
    token: str = field(repr=False)
    path_prefixes: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ("create", "update", "rename")
    workers: int = 16
    buffer: int = 100_000
    retries: int = 3
    backoff_seconds: int = 1
    timeout_seconds: int = 10


@dataclass(frozen=True, slots=True)
class SeaweedOptions:
    """A server that keeps everything below `directory` and serves S3 on 127.0.0.1:s3_port."""

    directory: Path
    s3_port: int
    access_key: str
    secret_key: str = field(repr=False)
    webhook: Webhook | None = None

    @property
    def storage(self) -> StorageSettings:
        """How clients reach it."""
        return StorageSettings(
            endpoint=f"http://127.0.0.1:{self.s3_port}",
            access_key=self.access_key,
            secret_key=self.secret_key,
        )


def start_seaweedfs(options: SeaweedOptions) -> Process:
    """Start the server; what an earlier one stored in the directory is there again, after kill -9 too.

    Returns when a signed S3 call succeeds, about 2.5 s later. Raises ConfigurationError when the
    program is missing or the S3 port is taken, FatalError when it does not come up. Call it from a thread
    that outlives the server.
    """
    program = find_program(PROGRAM)
    if not _can_hold(options.s3_port):
        raise ConfigurationError(
            f"port {options.s3_port} of 127.0.0.1, where S3 is to be served, is taken; "
            "stop what listens there",
            trouble=Trouble.PORT_TAKEN,
        )
    _configure(options)
    ports = _ports(options.directory)
    server = Process.start(
        "seaweedfs",
        _command(program, options, ports),
        log=options.directory / "seaweedfs.log",
        directory=options.directory,
        environment={"GOMEMLIMIT": MEMORY_LIMIT},
    )
    try:
        server.wait_until(lambda: _ready(options), seconds=START_SECONDS)
    except BaseException:
        stop_seaweedfs(server, options)
        raise
    return server


def stop_seaweedfs(server: Process, options: SeaweedOptions) -> None:
    """End the server at once and take its sockets away.

    SIGKILL, since SIGTERM was seen to leave a half-closed server for minutes; whatever it has
    acknowledged is with the kernel by then.
    """
    server.kill()
    ports = json.loads(_ports_file(options.directory).read_bytes())
    for path in _sockets(ports, options.s3_port):
        path.unlink(missing_ok=True)


def _command(program: str, options: SeaweedOptions, ports: dict[str, int]) -> list[str]:
    home = options.directory.resolve()
    flags: dict[str, object] = {
        "dir": home / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "disableHttp": "true",  # of master and filer: those pages ask for no key
        "master.port": ports["master"],
        "master.port.grpc": ports["master_grpc"],
        "master.peers": "none",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": VOLUME_MEBIBYTES,
        "volume.port": ports["volume"],
        "volume.port.grpc": ports["volume_grpc"],
        "volume.max": VOLUMES,
        "volume.minFreeSpace": FREE_SPACE,
        "filer.port": ports["filer"],
        "filer.port.grpc": ports["filer_grpc"],
        "s3": "true",
        "s3.port": options.s3_port,
        "s3.port.grpc": ports["s3_grpc"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": home / "s3.json",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",  # S3 refuses that too
    }
    logging = [f"-logdir={home / 'logs'}", "-alsologtostderr=false", "-stderrthreshold=ERROR"]
    logging += [f"-log_max_size_mb={LOG_MEBIBYTES}", "-log_max_files=1"]
    return [
        program, *logging, f"-config_dir={home}", "server",
        *(f"-{name}={value}" for name, value in flags.items()),
    ]  # fmt: skip


def _configure(options: SeaweedOptions) -> None:
    """Write its configuration; each file, so that those in the home folder or /etc are not read."""
    for name in ("data", "logs"):
        (options.directory / name).mkdir(parents=True, exist_ok=True)
    files = {
        "s3.json": _identities(options),
        "notification.toml": _notification(options.webhook) if options.webhook else "",
        "master.toml": f"[master.volume_growth]\ncopy_1 = {VOLUMES_AT_ONCE}\n",
        "filer.toml": f"[leveldb2]\nenabled = true\ndir = {json.dumps(str(_store(options.directory)))}\n",
        "security.toml": "",
        "volume.toml": "",
    }
    for name, text in files.items():
        write_private(options.directory / name, text.encode())


def _store(directory: Path) -> Path:
    return directory.resolve() / "data" / "filer"


def _identities(options: SeaweedOptions) -> str:
    credentials = [{"accessKey": options.access_key, "secretKey": options.secret_key}]
    return json.dumps(
        {"identities": [{"name": "headrace", "credentials": credentials, "actions": ["Admin"]}]}
    )


def _notification(webhook: Webhook) -> str:
    """https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook"""
    settings: dict[str, object] = {
        "enabled": True,
        "endpoint": webhook.endpoint,
        "bearer_token": webhook.token,
        "timeout_seconds": webhook.timeout_seconds,
        "max_retries": webhook.retries,
        "backoff_seconds": webhook.backoff_seconds,
        "workers": webhook.workers,
        "buffer_size": webhook.buffer,
        "event_types": webhook.event_types,
        "path_prefixes": webhook.path_prefixes,
    }
    # JSON's numbers, strings and arrays are also TOML's.
    return "[notification.webhook]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items())


def _ports_file(directory: Path) -> Path:
    return directory / "ports.json"


def _ports(directory: Path) -> dict[str, int]:
    """Its inner ports: the same as last time, but for those that another program has taken since."""
    file = _ports_file(directory)
    saved: dict[str, int] = json.loads(file.read_bytes()) if file.exists() else {}
    kept = {name: saved[name] for name in _INTERNAL if name in saved and _can_hold(saved[name])}
    lacking = [name for name in _INTERNAL if name not in kept]
    ports = kept | dict(zip(lacking, free_ports(len(lacking)), strict=True))
    write_private(file, json.dumps(ports).encode())
    return ports


def _sockets(ports: dict[str, int], s3_port: int) -> Sequence[Path]:
    """What it makes beside its ports; the places are not for us to choose."""
    names = [f"{kind}-grpc-{ports[f'{kind}_grpc']}" for kind in ("master", "volume", "filer", "s3")]
    names += [f"filer-{ports['filer']}", f"s3-{s3_port}"]
    return [Path("/tmp") / f"seaweedfs-{name}.sock" for name in names]  # noqa: S108  (SeaweedFS says so)


def _can_hold(port: int) -> bool:
    try:
        hold_port(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def _ready(options: SeaweedOptions) -> bool:
    if not answers(options.s3_port):
        return False
    with suppress(HeadraceError):
        Client(options.storage).call_now("the list of buckets", lambda s3: s3.list_buckets())
        return True
    return False
