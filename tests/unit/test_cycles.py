"""find_cycles against brute force over short keys, and what it tells."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.cycles import find_cycles, reaching_key
from headrace.model.function import Destination, Function, Input

ALPHABET = "ab/"
LONGEST = 7  # prefixes and filters below are so short that the shortest witness fits
KEYS = ["".join(letters) for length in range(1, LONGEST + 1) for letters in product(ALPHABET, repeat=length)]


def function(name: str, reads: list[dict], writes: list[dict]) -> Function:
    return Function.model_validate_json(
        Function(
            api_version="headrace.dev/v1alpha1",
            kind="Function",
            metadata={"name": name},
            spec={
                "run": {"script": "script.sh"},
                "input": tuple(Input(**{"bucket": "data", **each}) for each in reads),
                "output": tuple(Destination(**{"bucket": "data", **each}) for each in writes),
            },
        ).to_json()
    )


def may_write(destination: Destination, key: str) -> bool:
    """By definition: the prefix, any folders where they are kept, a name that the destination takes."""
    if not key.startswith(destination.prefix):
        return False
    rest = key[len(destination.prefix) :]
    starts = [0, *(at + 1 for at, letter in enumerate(rest) if letter == "/" and destination.keep_folders)]
    names = (rest[start:] for start in starts)
    return any("" not in name.split("/") and destination.takes(name) for name in names)


def short(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


def some(texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(texts, max_size=2).map(tuple)


destinations = st.builds(
    Destination,
    bucket=st.just("data"),
    prefix=short(ALPHABET, 0, 2),
    suffix=some(short("ab", 1, 1)),
    name_prefix=some(short("ab", 1, 1) | st.sampled_from(["a/", "b/a"])),
    keep_folders=st.booleans(),
)
inputs = st.builds(
    Input, bucket=st.just("data"), prefix=short(ALPHABET, 0, 2), suffix=some(short(ALPHABET, 1, 2))
)


@given(destinations, inputs)
def test_a_key_is_found_exactly_where_trying_all_short_keys_finds_one(destination, source):
    key = reaching_key(destination, source)
    if key is None:
        assert not any(source.takes(each) and may_write(destination, each) for each in KEYS)
    else:
        assert source.takes(key)
        assert may_write(destination, key)


@pytest.mark.parametrize(
    ("writes", "reads", "loops"),
    [
        pytest.param({"prefix": "a/"}, {"prefix": "a/b/"}, True, id="output above input"),
        pytest.param({"prefix": "a/b/"}, {"prefix": "a/"}, True, id="output below input"),
        pytest.param({"prefix": "a/"}, {"prefix": "b/"}, False, id="prefixes apart"),
        pytest.param({"prefix": "out-"}, {"prefix": "out/"}, False, id="alike is not a prefix"),
        pytest.param({"bucket": "other"}, {}, False, id="buckets apart"),
        pytest.param({"suffix": (".json",)}, {"suffix": (".dcm",)}, False, id="suffixes apart"),
        pytest.param({"suffix": (".gz",)}, {"suffix": (".nii.gz",)}, True, id="input suffix is longer"),
        pytest.param({"suffix": (".nii.gz",)}, {"suffix": (".gz",)}, True, id="output suffix is longer"),
        pytest.param({}, {"suffix": (".dcm",)}, True, id="an output without filter may be anything"),
        pytest.param({"name_prefix": ("x",)}, {"suffix": ("/a.txt",)}, True, id="in a folder of that name"),
        pytest.param({"name_prefix": ("x/",)}, {"prefix": "y/"}, True, id="in any folder of the input's"),
        pytest.param(
            {"name_prefix": ("x/",), "keep_folders": False}, {"prefix": "y/"}, False, id="in no other folder"
        ),
        pytest.param(
            {"name_prefix": ("x/y",), "keep_folders": False}, {"prefix": "x/"}, True, id="named into it"
        ),
        pytest.param({"name_prefix": ("a",)}, {"suffix": ("/a.txt",)}, True, id="named as suffix wants"),
        pytest.param({"prefix": "p/"}, {"suffix": ("/",)}, False, id="no result is a folder"),
    ],
)
def test_a_function_loops_exactly_where_its_output_may_start_it(writes, reads, loops):
    assert bool(find_cycles([function("f", [reads], [writes])])) is loops


def test_a_ring_over_three_functions_is_found_once_with_an_example_of_each_step():
    ring = [
        function("c", [{"prefix": "c/"}], [{"prefix": "a/", "suffix": (".json",)}]),
        function("a", [{"prefix": "a/"}], [{"prefix": "b/"}]),
        function("b", [{"prefix": "b/", "suffix": (".x",)}], [{"prefix": "c/d/"}]),
        function("end", [{"prefix": "a/"}], [{"prefix": "nowhere/"}]),
    ]
    (cycle,) = find_cycles(ring)
    assert cycle.functions == ("a", "b", "c")
    assert [step.key for step in cycle.steps] == ["b/.x", "c/d/file", "a/.json"]
    assert "a -> b -> c -> a" in str(cycle)


def test_two_rings_through_one_function_are_both_told():
    functions = [
        function("hub", [{"prefix": "h/"}], [{"prefix": "l/"}, {"prefix": "r/"}]),
        function("left", [{"prefix": "l/"}], [{"prefix": "h/"}]),
        function("right", [{"prefix": "r/"}], [{"prefix": "h/"}]),
    ]
    assert {frozenset(cycle.functions) for cycle in find_cycles(functions)} == {
        frozenset({"hub", "left"}),
        frozenset({"hub", "right"}),
    }
