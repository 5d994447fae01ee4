"""Secrets as a stream of YAML documents, in plain text: for `kubectl apply`, or a tool that seals them."""

from pathlib import Path

import yaml

from headrace.model.errors import ConfigurationError
from infra.gitops import keeping
from infra.gitops.files import as_yaml
from infra.gitops.making import Wanted
from infra.objects import Manifest


def printed(wanted: Wanted) -> str:
    """All of them, what is kept for the next run among them."""
    own = [*wanted.secrets, *([wanted.credentials] if wanted.credentials else ())]
    return "".join(f"---\n{as_yaml(each)}" for each in own)


def secret_in(path: Path) -> Manifest:
    """What was kept, in what was printed last. Raises ConfigurationError, without any of the text."""
    try:
        found = [
            each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(each, dict)
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--previous: {path} can't be read: {error}; name another") from error
    except yaml.YAMLError:
        found = []  # the reason may quote the text, which is secret
    kept = [each for each in found if each.get("metadata", {}).get("name") == keeping.NAME]
    if len(kept) != 1:
        raise ConfigurationError(
            f"--previous: found {len(kept)} Secrets {keeping.NAME} in {path}, allowed one; name what --print "
            "printed"
        )
    return kept[0]
