"""Claims on the GPUs of servers: how many fit, and never more than there is."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.model.function import Isolation
from headrace.placement.packing import RemoteRoom, RemoteRooms
from headrace.placement.ways import GpuClaim

GIB = 2**30
ALL = ("a", "b")


def claim(gibibytes: int | None, count: int = 1) -> GpuClaim:
    return GpuClaim(count, None if gibibytes is None else gibibytes * GIB, Isolation.NONE)


def room(server: str, number: int, free: int = 16, sessions: int = 8, memory: int = 16) -> RemoteRoom:
    return RemoteRoom(server, number, memory * GIB, free * GIB, sessions)


FOUR = [room("a", 0), room("a", 1), room("b", 0), room("b", 1)]


def test_so_many_fit_as_memory_allows_on_each_gpu():
    rooms = RemoteRooms(FOUR)
    assert rooms.fitting(claim(6), ALL, 100) == 8
    assert rooms.fitting(claim(9), ALL, 100) == 4
    assert rooms.fitting(claim(6), ("b",), 100) == 4
    assert rooms.fitting(claim(6), ALL, 3) == 3
    assert rooms.fitting(claim(17), ALL, 100) == 0


def test_so_many_fit_as_sessions_allow():
    assert RemoteRooms([room("a", 0, sessions=2), room("a", 1, sessions=0)]).fitting(claim(1), ALL, 100) == 2


def test_a_claim_of_several_takes_each_another():
    assert RemoteRooms(FOUR).fitting(claim(6, 2), ALL, 100) == 4
    assert RemoteRooms(FOUR[:1]).fitting(claim(6, 2), ALL, 100) == 0


def test_who_says_no_memory_takes_a_gpu_that_nobody_has():
    rooms = RemoteRooms([room("a", 0, free=15), room("a", 1)])
    assert rooms.fitting(claim(None), ALL, 100) == 1


def test_what_is_asked_is_not_taken_and_what_is_taken_is_gone():
    rooms = RemoteRooms(FOUR)
    assert [rooms.fitting(claim(16), ALL, 9) for _ in range(2)] == [4, 4]
    rooms.take(claim(16), ALL, 3)
    assert rooms.fitting(claim(16), ALL, 9) == 1
    rooms.take(claim(16), ALL, 3)
    assert rooms.fitting(claim(1), ALL, 9) == 0


def test_what_is_held_is_where_it_was_allocated():
    rooms = RemoteRooms(FOUR)
    rooms.hold([("b", 1), ("gone", 0)], claim(10))
    assert rooms.fitting(claim(7), ("b",), 9) == 2
    assert rooms.fitting(claim(6), ("b",), 9) == 3


@given(
    st.lists(st.builds(room, st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 16), st.integers(0, 4)),
             max_size=6, unique_by=lambda each: (each.server, each.number)),
    st.lists(st.tuples(st.none() | st.integers(1, 18), st.integers(1, 3)), max_size=6),
)  # fmt: skip
def test_never_more_is_given_than_there_is(rooms: list[RemoteRoom], asked: list[tuple[int | None, int]]):
    packing = RemoteRooms(rooms)
    given_bytes = given_sessions = 0
    for memory, count in asked:
        number = packing.fitting(claim(memory, count), ALL, 5)
        packing.take(claim(memory, count), ALL, number)
        given_bytes += number * count * (memory or 16) * GIB
        given_sessions += number * count
    assert given_bytes <= sum(each.free_bytes for each in rooms)
    assert given_sessions <= sum(each.free_sessions for each in rooms)
