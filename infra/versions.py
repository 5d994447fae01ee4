"""Which images a stack runs where its configuration names none. The only place with versions of them.

Tags, not digests: a digest is the registry's to tell; `images` in a stack pins them.
"""

from importlib import metadata

NATS = "nats:2.15.1-alpine"
SEAWEEDFS = "chrislusf/seaweedfs:4.48"


def headrace(registry: str) -> str:
    """The services' image as `make images` names it: of this very version of the package."""
    return f"{registry.rstrip('/') or 'localhost'}/headrace:{metadata.version('headrace')}"
