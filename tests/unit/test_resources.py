"""Amounts of resources against plain counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.resources import CPU, GPU, MEMORY, ResourceList, total

amounts = st.dictionaries(st.sampled_from([CPU, MEMORY, GPU, "example.com/fpga"]), st.integers(0, 60))
lists = amounts.map(ResourceList.of)
needs = lists.filter(lambda each: bool(each.amounts))
times = st.integers(0, 5)


@given(amounts)
def test_a_list_gives_back_each_amount_and_none_of_what_it_lacks(found):
    listed = ResourceList.of(found)
    assert dict(listed) == {name: amount for name, amount in found.items() if amount}
    assert all(listed[name] == amount for name, amount in found.items())
    assert listed["example.com/other"] == 0


@given(amounts)
def test_lists_are_equal_whatever_the_order_and_the_zeros(found):
    turned = {"example.com/zero": 0, **dict(reversed(found.items()))}
    assert ResourceList.of(turned) == ResourceList.of(found)
    assert hash(ResourceList.of(turned)) == hash(ResourceList.of(found))


@given(lists, lists, times)
def test_plus_is_repeated_addition(one, other, count):
    expected = one
    for _ in range(count):
        expected = total([expected, other])
    assert one.plus(other, count) == expected


@given(lists, lists, times)
def test_minus_takes_back_what_plus_added(one, other, count):
    assert one.plus(other, count).minus(other, count) == one


@given(lists, lists, times)
def test_minus_never_goes_below_nothing(one, other, count):
    left = one.minus(other, count)
    assert all(left[name] == max(0, one[name] - count * other[name]) for name in (CPU, MEMORY, GPU))
    assert left.fits(one)


@given(needs, lists)
def test_a_request_fits_as_often_as_it_is_counted_and_not_once_more(need, room):
    count = need.count_in(room)
    empty = ResourceList()
    assert empty.plus(need, count).fits(room)
    assert not empty.plus(need, count + 1).fits(room)
    assert need.fits(room) is (count >= 1)


@given(lists)
def test_a_list_fits_into_itself_and_nothing_fits_everywhere(one):
    assert one.fits(one)
    assert ResourceList().fits(one)


@given(st.lists(lists, max_size=6), st.randoms())
def test_a_total_knows_no_order(several, chance):
    turned = chance.sample(several, len(several))
    assert total(turned) == total(several)


def test_a_gpu_counts_like_any_other_resource():
    node = ResourceList.of({CPU: 8000, GPU: 2})
    assert ResourceList.of({CPU: 1000, GPU: 1}).count_in(node) == 2


def test_a_request_for_nothing_can_not_be_counted():
    with pytest.raises(ValueError, match="give it a resource"):
        ResourceList().count_in(ResourceList.of({CPU: 1}))


def test_a_negative_amount_is_refused_by_its_name():
    with pytest.raises(ValueError, match="cpu: found -1, allowed 0 or more"):
        ResourceList.of({CPU: -1})
