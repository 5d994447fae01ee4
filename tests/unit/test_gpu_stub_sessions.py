"""The stub's books: what is promised, what is refused, and that no GPU is ever promised twice."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from headrace.gpu.stub.refusal import Reason, RefusedError
from headrace.gpu.stub.sessions import Books, Gpu, Session, Terms
from headrace.gpu.stub.status import GpuStatus, ServerStatus, SessionStatus

GPUS = (100, 60)


def books(*opened: tuple[str, Terms], max_sessions: int = 3) -> Books:
    found = Books.of(GPUS, max_sessions=max_sessions)
    for name, terms in opened:
        found.open(name, terms)
    return found


def session(quota: int = 100) -> Session:
    return Session("a", Terms(0, quota))


def test_a_session_reserves_its_memory_of_its_gpu():
    found = books(("a", Terms(0, 70)), ("b", Terms(1, 60)))
    assert found.gpus == (Gpu(100, 70, 70), Gpu(60, 60, 60))
    assert found.sessions == {"a": Session("a", Terms(0, 70)), "b": Session("b", Terms(1, 60))}
    assert (found.peak_sessions, found.refused_opens) == (2, 0)


def test_opening_again_on_the_same_terms_changes_nothing():
    found = books(("a", Terms(0, 70)), ("a", Terms(0, 70)))
    assert found == books(("a", Terms(0, 70)))


A = ("a", Terms(0, 70))


@pytest.mark.parametrize(
    ("opened", "asked", "reason", "words"),
    [
        ([A], ("a", Terms(0, 60)), Reason.OTHER_TERMS, ("a", "60 bytes", "70 bytes", "close it")),
        ([A], ("a", Terms(1, 70)), Reason.OTHER_TERMS, ("GPU 1", "GPU 0")),
        ([A], ("b", Terms(0, 31)), Reason.GPU_MEMORY, ("31 bytes of GPU 0", "30 of 100 bytes left")),
        ([], ("b", Terms(1, 61)), Reason.GPU_MEMORY, ("61 bytes of GPU 1", "60 of 60")),
        ([], ("b", Terms(2, 1)), Reason.UNKNOWN_GPU, ("GPU 2", "0 to 1")),
        ([], ("b", Terms(-1, 1)), Reason.UNKNOWN_GPU, ("GPU -1", "0 to 1")),
        ([A, ("b", Terms(0, 1)), ("c", Terms(0, 1))], ("d", Terms(1, 1)), Reason.SESSIONS, ("3", "close")),
    ],
)
def test_what_can_not_be_promised_is_refused_and_counted(opened, asked, reason, words):
    found = books(*opened)
    with pytest.raises(RefusedError) as refused:
        found.open(*asked)
    assert refused.value.reason is reason
    assert all(word in str(refused.value) for word in words), str(refused.value)
    expected = books(*opened)
    expected.refused_opens = 1
    assert found == expected


def test_closing_gives_the_memory_back_and_may_be_repeated():
    found = books(("a", Terms(0, 100)))
    found.close("a")
    found.close("a")
    assert (found.sessions, found.gpus[0]) == ({}, Gpu(100, 0, 100))
    found.open("b", Terms(0, 100))
    assert found.gpus[0] == Gpu(100, 100, 100)


def test_a_session_that_is_being_closed_keeps_its_memory_and_takes_nobody():
    found = books(("a", Terms(0, 100)))
    found.begin_close("a")
    for refused in (
        lambda: found.open("a", Terms(0, 100)),
        lambda: found.joinable("a"),
        lambda: found.open("b", Terms(0, 1)),
    ):
        with pytest.raises(RefusedError):
            refused()
    assert found.gpus[0].reserved_bytes == 100


def test_only_an_open_session_is_joined():
    with pytest.raises(RefusedError, match="session a: it is not open") as refused:
        books().joinable("a")
    assert refused.value.reason is Reason.NOT_OPEN
    found = books(A)
    assert found.joinable("a") is found.sessions["a"]


def test_an_allocation_beyond_the_quota_names_quota_used_and_asked():
    found = session(quota=100)
    found.allocate(60)
    with pytest.raises(RefusedError) as refused:
        found.allocate(41)
    assert refused.value.reason is Reason.OUT_OF_MEMORY
    assert "asked for 41 bytes, 60 of its quota of 100 are used" in str(refused.value)
    assert found == Session("a", Terms(0, 100), used_bytes=60, peak_used_bytes=60, refused_allocations=1)


def test_what_is_released_can_be_allocated_again():
    found = session(quota=100)
    found.allocate(100)
    found.release(70)
    found.allocate(20)
    assert (found.used_bytes, found.peak_used_bytes) == (50, 100)


def test_the_status_tells_all_counts():
    found = books(("a", Terms(1, 50)))
    found.sessions["a"].allocate(20)
    assert found.status() == ServerStatus(
        gpus=(
            GpuStatus(memory_bytes=100, reserved_bytes=0, peak_reserved_bytes=0),
            GpuStatus(memory_bytes=60, reserved_bytes=50, peak_reserved_bytes=50),
        ),
        sessions=1, peak_sessions=1, max_sessions=3, refused_opens=0,
    )  # fmt: skip
    assert found.session_status("a", connections=2) == SessionStatus(
        session="a", gpu=1, memory_bytes=50, used_bytes=20, peak_used_bytes=20, refused_allocations=0,
        calls=0, gpu_seconds=0.0, connections=2,
    )  # fmt: skip


class Tenants(RuleBasedStateMachine):
    """Whatever is opened, closed, allocated and released in whatever order, the limits hold."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.books = Books.of(GPUS, max_sessions=4)

    @rule(target=names, name=st.sampled_from("abcdef"), gpu=st.integers(-1, 2), size=st.integers(1, 110))
    def open(self, name, gpu, size):
        try:
            self.books.open(name, Terms(gpu, size))
        except RefusedError:
            pass
        else:
            assert self.books.sessions[name].terms == Terms(gpu, size)
        return name

    @rule(name=names)
    def begin_close(self, name):
        self.books.begin_close(name)

    @rule(name=names)
    def close(self, name):
        self.books.close(name)

    @rule(name=names, size=st.integers(1, 70))
    def allocate(self, name, size):
        session = self.books.sessions.get(name)
        if session is None:
            return
        before, quota = session.used_bytes, session.terms.memory_bytes
        try:
            session.allocate(size)
        except RefusedError:
            assert before + size > quota
            assert session.used_bytes == before
        else:
            assert session.used_bytes == before + size

    @rule(name=names, share=st.floats(0, 1))
    def release(self, name, share):
        session = self.books.sessions.get(name)
        if session is not None:
            session.release(int(session.used_bytes * share))

    @invariant()
    def no_gpu_is_promised_twice(self):
        for number, gpu in enumerate(self.books.gpus):
            promised = sum(
                each.terms.memory_bytes for each in self.books.sessions.values() if each.terms.gpu == number
            )
            assert gpu.reserved_bytes == promised
            assert promised <= gpu.peak_reserved_bytes <= gpu.memory_bytes

    @invariant()
    def no_session_has_more_than_its_quota(self):
        for each in self.books.sessions.values():
            assert 0 <= each.used_bytes <= each.peak_used_bytes <= each.terms.memory_bytes

    @invariant()
    def no_more_are_open_than_are_served(self):
        assert len(self.books.sessions) <= self.books.peak_sessions <= self.books.max_sessions


TestTenants = Tenants.TestCase
