"""Saved deliveries: SeaweedFS' were taken from a real server, those of S3 follow each sender's form."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "fixtures" / "notifications"


def saved(name: str) -> bytes:
    """A delivery by its path below the folder, without ending."""
    return (FOLDER / f"{name}.json").read_bytes()


def all_saved() -> list[bytes]:
    """Every saved delivery, in order of names."""
    return [path.read_bytes() for path in sorted(FOLDER.rglob("*.json"))]
