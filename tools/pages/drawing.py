"""Boxes, arrows and words as SVG that needs nothing else: no font, script or style from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

# On a light ground of their own, so that a picture reads the same on a dark page.
GROUND, INK, FAINT, LINE = "#fbfcfc", "#1d2b2b", "#5b6b6b", "#4f7f7a"
FILLS = {
    "plain": ("#ffffff", "#9db4b1"),
    "ours": ("#d9efec", "#2f8077"),
    "yours": ("#fde8c8", "#c07a12"),
    "store": ("#e3eafb", "#4f6cb5"),
    "off": ("#eceeee", "#b7c0bf"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
SIZE, SMALL = 14.5, 12.5


@dataclass
class Drawing:
    """A picture of `width` by `height` pixels; `about` is what it says to whoever can't see it."""

    width: int
    height: int
    about: str
    parts: list[str] = field(default_factory=list)

    def box(
        self, x: float, y: float, w: float, h: float, *words: str, fill: str = "plain", dashed: bool = False
    ) -> None:
        """A box with a heading and smaller lines below it, both in the middle."""
        ground, edge = FILLS[fill]
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="7" fill="{ground}" stroke="{edge}"'
            f' stroke-width="1.5"{dash}/>'
        )
        lines = [(each, SIZE if at == 0 else SMALL, at == 0) for at, each in enumerate(words)]
        tall = sum(size + 4 for _, size, _ in lines) - 4
        top = y + (h - tall) / 2
        for text, size, first in lines:
            self.words(x + w / 2, top + size * 0.82, text, size=size, bold=first, faint=not first)
            top += size + 4

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SMALL,
        bold: bool = False,
        faint: bool = False,
        anchor: str = "middle",
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        colour = FAINT if faint else INK
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"{weight}>'
            f"{escape(text)}</text>"
        )

    def frame(self, x: float, y: float, w: float, h: float, title: str) -> None:
        """What holds others."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="9" fill="none" stroke="{LINE}"'
            ' stroke-width="1.2" stroke-dasharray="2 4"/>'
        )
        self.words(x + 12, y + 21, title, bold=True, anchor="start", size=13.5)

    def arrow(self, *points: tuple[float, float], dashed: bool = False, both: bool = False) -> None:
        """Through all points, with its head at the last one."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        start = ' marker-start="url(#tail)"' if both else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.8"{dash}{start}'
            ' marker-end="url(#head)"/>'
        )

    def dots(self, x: float, y: float, count: int, *, across: int = 8, fill: str = "yours") -> None:
        """Small squares: files."""
        ground, edge = FILLS[fill]
        for at in range(count):
            column, row = at % across, at // across
            self.parts.append(
                f'<rect x="{x + column * 15:g}" y="{y + row * 15:g}" width="10" height="11" rx="2"'
                f' fill="{ground}" stroke="{edge}"/>'
            )

    def bar(self, x: float, y: float, w: float, h: float, parts: Sequence[str]) -> None:
        """Something that is shared out, in equal parts."""
        each = w / len(parts)
        for at, fill in enumerate(parts):
            ground, edge = FILLS[fill]
            self.parts.append(
                f'<rect x="{x + at * each:g}" y="{y:g}" width="{each:g}" height="{h:g}" fill="{ground}"'
                f' stroke="{edge}"/>'
            )

    def svg(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img" font-family="{escape(FONT)}">'
        )
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="{at}" refY="5" markerWidth="7" markerHeight="7"'
            f' orient="auto"><path d="{path}" fill="{LINE}"/></marker>'
            for name, at, path in (("head", 9, "M0 0L10 5L0 10z"), ("tail", 1, "M10 0L0 5L10 10z"))
        )
        return "\n".join(
            [
                head,
                f"<title>{escape(self.about)}</title>",
                f"<defs>{markers}</defs>",
                f'<rect width="{self.width}" height="{self.height}" rx="10" fill="{GROUND}"/>',
                *self.parts,
                "</svg>\n",
            ]
        )
