"""What was found out about one clip, and the JSON document of it. Only what is named here is written."""

from dataclasses import dataclass

from echo.clip import Clip
from echo.doppler import Doppler
from echo.sector import Sector
from echo.views import VIEWS, Vote

NOTICE = "demonstration, not a medical device"
UNSURE = 0.5  # mean probability: from here the winner has more than the other two together


@dataclass(frozen=True, slots=True)
class Finding:
    """All results of one clip; `vote` is None where a picture can't be one of the views."""

    clip: Clip
    sector: Sector
    doppler: Doppler
    vote: Vote | None

    @property
    def is_sure(self) -> bool:
        """Whether there is a view that can be named without a question mark."""
        return self.vote is not None and self.vote.confidence >= UNSURE

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before believing the rest."""
        found = list(self.clip.warnings)
        if self.vote is None:
            found.append("no view: no cardiac sector, but the picture of a linear or convex probe")
        elif not self.is_sure:
            found.append(f"view uncertain: mean probability {self.vote.confidence:.2f}, under {UNSURE}")
        if self.clip.total_frames == 1:
            found.append("a still: the sector was found without motion, the view by a single frame")
        return tuple(found)


def document(finding: Finding, *, digest: str, seconds: dict[str, float]) -> dict[str, object]:
    """The result as plain values; `seconds` by step, `digest` the model's sha256."""
    clip, vote = finding.clip, finding.vote
    return {
        "notice": NOTICE,
        "view": vote.view if vote else None,
        "views": list(VIEWS),
        "mean": list(vote.mean) if vote else None,
        "votes": vote.votes if vote else None,
        "probabilities": [
            {"frame": index, "values": list(row)}
            for index, row in zip(clip.indices, vote.frames, strict=True)
        ]
        if vote
        else [],
        "doppler": {
            "found": finding.doppler.found,
            "fraction": finding.doppler.fraction,
            "threshold": finding.doppler.threshold,
            "tinted": finding.doppler.tinted,
        },
        "frames": {"total": clip.total_frames, "used": len(clip.frames), "seconds": clip.frame_seconds},
        "size": {"width": clip.width, "height": clip.height},
        "pixel_spacing_mm": list(clip.spacing_mm) if clip.spacing_mm else None,
        "sector": {**finding.sector.shape.described(), "share": round(float(finding.sector.mask.mean()), 4)},
        "warnings": list(finding.warnings),
        "model_sha256": digest,
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
    }
