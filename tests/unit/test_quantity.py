"""Quantities against Decimal, which shares no code with the parser."""

import contextlib
from decimal import ROUND_CEILING, Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.model.quantity import MAX_QUANTITY, parse_bytes, parse_millicores, parse_quantity

EXACT = Context(prec=200)
POWERS = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
SCALES = {name: Decimal(text) for name, text in {**POWERS, "P": "1e15", "E": "1e18"}.items()} | {
    name: Decimal(2**bits) for name, bits in BINARY.items()
}

numbers = st.from_regex(r"\A([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})\Z")
exponents = st.from_regex(r"\A[eE][+-]?[0-9]\Z").map(lambda text: (text, Decimal(f"1{text}")))
suffixes = st.sampled_from(sorted(SCALES.items())) | exponents


@given(st.sampled_from(["", "+"]), numbers, suffixes)
@example("", "5.", ("Gi", Decimal(2**30)))
@example("", "1", ("E", Decimal(10**18)))
def test_a_quantity_is_exactly_what_decimal_arithmetic_says(sign, number, suffix):
    text, scale = suffix
    value = EXACT.multiply(Decimal(number), scale)
    quantity = f"{sign}{number}{text}"
    if value > 2**63 - 1:
        with pytest.raises(ValueError, match=str(MAX_QUANTITY)):
            parse_quantity(quantity)
        return
    numerator, denominator = value.as_integer_ratio()
    assert parse_quantity(quantity).as_integer_ratio() == (numerator, denominator)
    assert parse_bytes(quantity) == int(value.to_integral_value(ROUND_CEILING, EXACT))
    milli = EXACT.multiply(value, Decimal(1000)).to_integral_value(ROUND_CEILING, EXACT)
    assert parse_millicores(quantity) == int(milli)


@pytest.mark.parametrize(
    "text",
    [" ", "", "1 Gi", "-1", "1gi", "1KI", "1K", "1B", "1GB", "1e", "e3", ".", "+", "0x10", "1_000", "1,5",
     "٣", "nan", "inf", "1e100", "1Gi\n", "9" * 5000, "1e99"],
)  # fmt: skip
def test_what_kubernetes_would_refuse_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="allowed"):
        parse_quantity(text)


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert 0 <= parse_quantity(text) <= MAX_QUANTITY


@pytest.mark.parametrize(
    ("text", "size", "millicores"),
    [
        ("1Gi", 2**30, 2**30 * 1000),
        ("500m", 1, 500),
        ("1.5", 2, 1500),
        ("100u", 1, 1),
        ("0", 0, 0),
        ("1E", 10**18, 10**21),
    ],
)
def test_bytes_and_millicores_are_rounded_up(text, size, millicores):
    assert (parse_bytes(text), parse_millicores(text)) == (size, millicores)
