"""Writes each role's README: what it does, and every option, from its argument specification."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[1] / "ansible" / "roles"
README = "README.md"


def readme(name: str, spec: Mapping[str, Any], story: str) -> str:
    """The page of one role; `story` stands between what it does and its options."""
    main = spec["argument_specs"]["main"]
    said = " ".join(main["description"])
    return "\n".join(
        [
            f"# {name}",
            "",
            said,
            "",
            story.strip(),
            "",
            "## Options",
            "",
            "This page is generated: `make docs` writes it from `story.md` and `meta/argument_specs.yml`.",
            "",
            "| option | type | default | meaning |",
            "|---|---|---|---|",
            *rows(main["options"]),
            "",
        ]
    )


def rows(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A line an option, and below it those that it is made of."""
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        default = "required" if option.get("required") else f"`{json.dumps(option.get('default'))}`"
        meaning = option["description"]
        if "choices" in option:
            meaning += f" One of {', '.join(json.dumps(each) for each in option['choices'])}."
        yield f"| `{prefix}{name}` | {kind} | {default} | {meaning.replace('|', '/')} |"
        yield from rows(option.get("options", {}), f"{prefix}{name}{'[]' if 'elements' in option else ''}.")


def pages() -> dict[Path, str]:
    """Path -> content, of every role."""
    return {
        role / README: readme(
            role.name,
            yaml.safe_load((role / "meta" / "argument_specs.yml").read_text()),
            (role / "story.md").read_text(),
        )
        for role in sorted(ROLES.iterdir())
    }


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
