"""Shared by all tests: the fixtures of real servers, hypothesis' profiles, the list of what was left out."""

import importlib.util
import os

from hypothesis import settings

_FIXTURES = (
    "tests.fixtures.left_out",
    "tests.fixtures.longest_first",
    "tests.fixtures.nats",
    "tests.fixtures.seaweedfs",
    "tests.fixtures.aws",
    "tests.fixtures.cluster",
    "tests.fixtures.moto_groups",
    "tests.fixtures.images",
    "tests.fixtures.browser",
)
pytest_plugins = [name for name in _FIXTURES if importlib.util.find_spec(name)]

# Deadlines measure the machine, not the code; on a server every run draws the same examples.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")
