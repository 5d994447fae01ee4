"""The options of function.yaml."""

import pytest
from echo.options import Options, read_options


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({}, Options(frames=8, animation=False, doppler_fraction=0.005)),
        ({"ECHO_FRAMES": "all", "ECHO_ANIMATION": "1"}, Options(frames=None, animation=True)),
        ({"ECHO_FRAMES": "3", "ECHO_DOPPLER_FRACTION": "0.02"}, Options(frames=3, doppler_fraction=0.02)),
    ],
)
def test_options_are_read(environment: dict[str, str], options: Options) -> None:
    assert read_options(environment) == options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ECHO_FRAMES", "0"),
        ("ECHO_FRAMES", "-1"),
        ("ECHO_FRAMES", "many"),
        ("ECHO_FRAMES", ""),
        ("ECHO_ANIMATION", "yes"),
        ("ECHO_DOPPLER_FRACTION", "0"),
        ("ECHO_DOPPLER_FRACTION", "1.5"),
        ("ECHO_DOPPLER_FRACTION", "nan"),
        ("ECHO_DOPPLER_FRACTION", "much"),
    ],
)
def test_what_is_not_allowed_is_named_with_what_is(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}; allowed"):
        read_options({name: value})
