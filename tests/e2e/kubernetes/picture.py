"""A picture of a terminal in which kubectl was asked: what docs/images/kubectl.svg is a copy of."""

import io
import shlex

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.e2e.harness import ROOT
from tests.e2e.kubernetes.site import FUNCTIONS
from tests.toolchain.cluster.box import Box

ASKED = ("get", "functions,nodepools,pods", "-n", FUNCTIONS)
PICTURE = ROOT / "build" / "pictures" / "kubectl.svg"  # ignored by git
WIDTH = 118
# As rich's own, but for a web font that every reader would fetch from somebody's server.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; \
font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def take(box: Box) -> None:
    """Ask, and draw what a person would see."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ kubectl {shlex.join(ASKED)}\n{box.kubectl(*ASKED)}".rstrip()))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(str(PICTURE), title="kubectl", theme=MONOKAI, code_format=SVG, unique_id="kubectl")
