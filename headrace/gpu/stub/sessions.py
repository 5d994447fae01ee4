"""The stub's books: which sessions are open on which GPU, with how much memory, and how much of it is used.

Sessions reserve their memory of a GPU when they are opened, and allocate within it. The books count what
they refused and the greatest that was ever reserved, so that a test can show that no GPU was promised twice.
No I/O, no clock; the caller calls from one thread.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from headrace.gpu.stub.refusal import Reason, RefusedError
from headrace.gpu.stub.status import GpuStatus, ServerStatus, SessionStatus


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session is promised: so many bytes of the GPU of this number."""

    gpu: int
    memory_bytes: int


@dataclass(slots=True)
class Session:
    """One that is open, and what was counted of it."""

    name: str
    terms: Terms
    used_bytes: int = 0
    peak_used_bytes: int = 0
    refused_allocations: int = 0
    calls: int = 0
    gpu_seconds: float = 0.0  # the time that computing took
    is_closing: bool = False

    def allocate(self, size_bytes: int) -> None:
        """Take memory of its quota. Raises RefusedError."""
        quota = self.terms.memory_bytes
        if self.used_bytes + size_bytes > quota:
            self.refused_allocations += 1
            raise RefusedError(
                Reason.OUT_OF_MEMORY,
                f"session {self.name}: out of memory: asked for {size_bytes} bytes, {self.used_bytes} of its "
                f"quota of {quota} are used; free some, or raise the memory of the function's gpu",
            )
        self.used_bytes += size_bytes
        self.peak_used_bytes = max(self.peak_used_bytes, self.used_bytes)

    def release(self, size_bytes: int) -> None:
        """Give it back."""
        self.used_bytes -= size_bytes


@dataclass(slots=True)
class Gpu:
    """One GPU, and what is and was reserved of it."""

    memory_bytes: int
    reserved_bytes: int = 0
    peak_reserved_bytes: int = 0


@dataclass(slots=True)
class Books:
    """All that the server knows of its GPUs and sessions. Every refusal is a RefusedError."""

    gpus: Sequence[Gpu]
    max_sessions: int
    sessions: dict[str, Session] = field(default_factory=dict)
    peak_sessions: int = 0
    refused_opens: int = 0

    @classmethod
    def of(cls, gpus_bytes: Sequence[int], *, max_sessions: int) -> "Books":
        """Of GPUs with so much memory each, none of it reserved."""
        return cls(tuple(Gpu(each) for each in gpus_bytes), max_sessions)

    def open(self, name: str, terms: Terms) -> None:
        """Reserve the memory; once more on the same terms changes nothing."""
        known = self.sessions.get(name)
        if known is not None and not known.is_closing and known.terms == terms:
            return
        fault = self._fault(name, known, terms)
        if fault is not None:
            self.refused_opens += 1
            raise fault
        gpu = self.gpus[terms.gpu]
        gpu.reserved_bytes += terms.memory_bytes
        gpu.peak_reserved_bytes = max(gpu.peak_reserved_bytes, gpu.reserved_bytes)
        self.sessions[name] = Session(name, terms)
        self.peak_sessions = max(self.peak_sessions, len(self.sessions))

    def _fault(self, name: str, known: Session | None, terms: Terms) -> RefusedError | None:
        """Why a session can't be opened; None: it can."""
        if known is not None and known.is_closing:
            return RefusedError(Reason.CLOSING, f"session {name}: it is being closed; open it again later")
        if known is not None:
            return RefusedError(
                Reason.OTHER_TERMS,
                f"session {name}: asked for {_told(terms)}, but it is open with {_told(known.terms)}; "
                "close it first",
            )
        if not 0 <= terms.gpu < len(self.gpus):
            return RefusedError(
                Reason.UNKNOWN_GPU,
                f"session {name}: asked for GPU {terms.gpu}, allowed 0 to {len(self.gpus) - 1}",
            )
        return self._lack(name, terms)

    def _lack(self, name: str, terms: Terms) -> RefusedError | None:
        gpu = self.gpus[terms.gpu]
        left = gpu.memory_bytes - gpu.reserved_bytes
        if terms.memory_bytes > left:
            return RefusedError(
                Reason.GPU_MEMORY,
                f"session {name}: asked for {_told(terms)}, which has {left} of {gpu.memory_bytes} bytes "
                "left; close a session or ask for less",
            )
        if len(self.sessions) >= self.max_sessions:
            return RefusedError(
                Reason.SESSIONS,
                f"session {name}: {len(self.sessions)} are open, allowed {self.max_sessions}; close one",
            )
        return None

    def begin_close(self, name: str) -> Session | None:
        """Nobody joins it from now on; its memory stays reserved while its calls may still be under way."""
        session = self.sessions.get(name)
        if session is not None:
            session.is_closing = True
        return session

    def close(self, name: str) -> None:
        """Give its memory back to the GPU. Idempotent."""
        session = self.sessions.pop(name, None)
        if session is not None:
            self.gpus[session.terms.gpu].reserved_bytes -= session.terms.memory_bytes

    def joinable(self, name: str) -> Session:
        """The session that a connection wants to work in."""
        session = self.sessions.get(name)
        if session is None:
            raise RefusedError(
                Reason.NOT_OPEN,
                f"session {name}: it is not open; who gives a pod its GPU opens it before the pod starts, "
                "and a server that was started anew knows none",
            )
        if session.is_closing:
            raise RefusedError(Reason.CLOSING, f"session {name}: it is being closed")
        return session

    def status(self) -> ServerStatus:
        """The GPUs and the counts."""
        return ServerStatus(
            gpus=tuple(GpuStatus(**asdict(gpu)) for gpu in self.gpus),
            sessions=len(self.sessions),
            peak_sessions=self.peak_sessions,
            max_sessions=self.max_sessions,
            refused_opens=self.refused_opens,
        )

    def session_status(self, name: str, *, connections: int) -> SessionStatus:
        """One open session."""
        session = self.sessions[name]
        return SessionStatus(
            session=name,
            gpu=session.terms.gpu,
            memory_bytes=session.terms.memory_bytes,
            used_bytes=session.used_bytes,
            peak_used_bytes=session.peak_used_bytes,
            refused_allocations=session.refused_allocations,
            calls=session.calls,
            gpu_seconds=session.gpu_seconds,
            connections=connections,
        )


def _told(terms: Terms) -> str:
    return f"{terms.memory_bytes} bytes of GPU {terms.gpu}"
