"""Schemathesis against `headrace up`: what openapi.json says is what the API does, whatever it is sent."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from headrace.local.process import find_program
from tests.api_site import Site, poll, running_api, service

SECONDS = 240.0
# That a service's document is valid is said by OSCAR's rules, not by the schema: most objects are refused.
CHECKS = ("--checks", "all", "--exclude-checks", "positive_data_acceptance")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_api(tmp_path_factory.mktemp("schema"), run_seconds=20.0) as found:
        yield found


def run(site: Site, folder: Path, *options: str) -> None:
    """Raises AssertionError with all that it printed when it found something."""
    command = [
        find_program("schemathesis"), "--config-file", folder / "schemathesis.toml",
        "run", f"{site.endpoint}/openapi.json", "--auth", f"{site.user}:{site.password}",
        "--seed", "1", "--max-examples", "10", "--suppress-health-check", "all", *CHECKS, *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, cwd=folder, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_found_on_services_that_are_not_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text("")
    run(site, tmp_path)


def test_nothing_is_found_on_a_service_that_is_there(site: Site, tmp_path: Path) -> None:
    login = (site.user, site.password)
    definition = service("schema", "true")
    assert requests.post(f"{site.endpoint}/system/services", json=definition, auth=login, timeout=60).ok
    answer = requests.post(f"{site.endpoint}/job/schema", data=b"!", auth=login, timeout=60)
    (task,) = answer.json()["tasks"]
    place = f"{site.endpoint}/system/tasks/schema/{task}"
    poll("end of the task", lambda: requests.get(place, auth=login, timeout=60).json()["settled"])
    (tmp_path / "schemathesis.toml").write_text(
        f'[parameters]\n"path.service" = "schema"\n"path.task" = "{task}"\n"path.job" = "{task}"\n'
    )
    run(site, tmp_path, "--exclude-method", "DELETE", "--phases", "coverage,fuzzing")
