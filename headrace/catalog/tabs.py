"""A YAML loader that takes tabs where YAML and the parsers of other languages take them, and PyYAML does not.

Behind a value, within one, before a comment, on a blank line, between brackets; never as indentation, nor
before what may be a key. https://yaml.org/spec/1.2.2/#62-separation-spaces; libyaml and Go's parsers do so.
"""

from typing import Any

import yaml

_ENDS = "\0\r\n\x85\u2028\u2029"  # of a line, or of all


class TabLoader(yaml.SafeLoader):
    """The safe loader, with tabs as white space between tokens."""

    def scan_to_next_token(self) -> None:
        """Skip tabs as well as what the base skips."""
        super().scan_to_next_token()
        while self.peek() == "\t" and self._separates():
            self.forward(self._white())
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> list[Any] | None:  # noqa: ANN401  (the base's)
        """White space in a scalar without quotes; it counts for nothing at a line's end."""
        run = self.prefix(self._white())
        if "\t" not in run:
            return super().scan_plain_spaces(indent, start_mark)
        self.forward(len(run))
        return super().scan_plain_spaces(indent, start_mark) if self.peek() in _ENDS else [run]

    def _white(self) -> int:
        """How many blanks and tabs come next."""
        length = 0
        while self.peek(length) in " \t":
            length += 1
        return length

    def _separates(self) -> bool:
        """Whether a tab can't be meant as indentation."""
        return bool(self.flow_level) or not self.allow_simple_key or self.peek(self._white()) in f"{_ENDS}#"
