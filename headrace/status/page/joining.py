"""The page's sources made into one HTML file, and the policy under which a browser runs nothing else.

The scripts share one scope, in the order of SCRIPTS: each uses what those before it declare.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

STYLES = ("base.css", "panels.css")
SCRIPTS = (
    "words.js",
    "dom.js",
    "sorting.js",
    "feed.js",
    "freshness.js",
    "session.js",
    "actions.js",
    "charts.js",
    "course.js",
    "summary.js",
    "functions.js",
    "nodegrid.js",
    "nodes.js",
    "nodelist.js",
    "gpus.js",
    "decisions.js",
    "failed.js",
    "cost.js",
    "workers.js",
    "main.js",
)


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML file, the Content-Security-Policy that it needs and no more, and its ETag, in quotes."""

    body: bytes
    policy: str
    etag: str


@cache
def joined() -> Page:
    """The page; the same bytes each time, as nothing of a stack is in it."""
    sources = files(__package__)

    def together(names: Sequence[str]) -> str:
        return "\n".join((sources / name).read_text(encoding="utf-8") for name in names)

    style, script = together(STYLES), together(SCRIPTS)
    page = (sources / "page.html").read_text(encoding="utf-8")
    body = page.replace("{{ style }}", style, 1).replace("{{ script }}", script, 1).encode()
    return Page(body, _policy(style, script), f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _policy(style: str, script: str) -> str:
    """The page's own script and style by their hashes, its own service, no more: https://www.w3.org/TR/CSP3/."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",  # its icon
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
