"""Kubernetes quantities, exactly: no float ever touches them."""

import re
from fractions import Fraction
from math import ceil

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
    "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30), "Ti": Fraction(2**40),
    "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip
_NUMBER = r"\+?([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})"
QUANTITY_PATTERN = f"^{_NUMBER}(?:[eE]([+-]?[0-9]{{1,2}})|(n|u|m|k|[MGTPE]i?|Ki)?)$"
_FORM = re.compile(QUANTITY_PATTERN.removeprefix("^").removesuffix("$"))
MAX_QUANTITY = 2**63 - 1  # Kubernetes takes no greater number


def parse_quantity(text: str) -> Fraction:
    """The exact value of a quantity that is not negative. Raises ValueError with what is allowed."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            f"found {text[:60]!r}, allowed a Kubernetes quantity; write a number with a suffix, "
            "like 500m, 1.5, 512Mi or 2G"
        )
    number, exponent, suffix = match.groups()
    scale = Fraction(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""]
    value = Fraction(number.removesuffix(".")) * scale
    if value > MAX_QUANTITY:
        raise ValueError(f"found {text!r}, allowed at most {MAX_QUANTITY} (2^63 - 1); write less")
    return value


def parse_bytes(text: str) -> int:
    """Whole bytes, rounded up as Kubernetes does."""
    return ceil(parse_quantity(text))


def parse_millicores(text: str) -> int:
    """Whole thousandths of a core, rounded up as Kubernetes does."""
    return ceil(parse_quantity(text) * 1000)


def parse_nanos(text: str) -> int:
    """Whole billionths, rounded up: Kubernetes tells nothing smaller apart."""
    return ceil(parse_quantity(text) * 10**9)
