"""The page as one HTML file, and the policy under which a browser runs nothing else."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML file, the Content-Security-Policy that it needs and no more, and its ETag, in quotes."""

    body: bytes
    policy: str
    etag: str


@cache
def joined() -> Page:
    """The page; the same bytes each time, as nothing of a stack is in it."""
    body = (files(__package__) / "page.html").read_text(encoding="utf-8")
    script = body.partition("<script>")[2].partition("</script>")[0]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return Page(body.encode(), policy, f'"{hashlib.sha256(body.encode()).hexdigest()[:16]}"')
