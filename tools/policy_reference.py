"""Writes the table of rules in docs/policy.md, from the rules themselves."""

from pathlib import Path

from infra.policy.headrace_policy.rules import RULES
from infra.policy.headrace_policy.settings import OTHERS

PAGE = Path(__file__).parents[1] / "docs" / "policy.md"
BEGIN = "<!-- Generated: `make docs` writes this table from infra/policy/headrace_policy. -->\n"
END = "<!-- The end of what is generated. -->\n"


def page(text: str) -> str:
    """The page with the table anew; all else stays as it is."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def table() -> str:
    """A row a rule; and by which parts of its name a stack is not production."""
    rows = [f"| `{rule.name}` | {rule.title} | {rule.looks_at} | {rule.refuses} |" for rule in RULES]
    head = ["| rule | what it wants | looks at | refuses |", "|---|---|---|---|"]
    others = ", ".join(f"`{each}`" for each in OTHERS)
    return "\n".join(
        [*head, *rows, "", f"Parts of a stack's name that say it is no production: {others}.", ""]
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
