"""What the stub tells of itself, as it goes over the wire."""

from headrace.model.value import StoredValue


class GpuStatus(StoredValue):
    """One GPU: its memory, what is reserved of it, and the most that ever was."""

    memory_bytes: int
    reserved_bytes: int
    peak_reserved_bytes: int


class ServerStatus(StoredValue):
    """The server: its GPUs in the order of their numbers, and its sessions now, at most ever, allowed."""

    gpus: tuple[GpuStatus, ...]
    sessions: int
    peak_sessions: int
    max_sessions: int
    refused_opens: int


class SessionStatus(StoredValue):
    """One open session. `gpu_seconds`: the time that computing took; `connections`: that work in it."""

    session: str
    gpu: int
    memory_bytes: int
    used_bytes: int
    peak_used_bytes: int
    refused_allocations: int
    calls: int
    gpu_seconds: float
    connections: int
