"""AVI and MP4 through the real ffmpeg."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from echo.classifier import read_clip
from echo.errors import InputError
from echo.frame import grey
from echo.geometry import Fan
from echo.sector import find_sector
from imageio_ffmpeg import get_ffmpeg_exe

from tests.fixtures.echo_screens import grey_frames, inked, with_text

CODECS = {
    ".avi": ["-c:v", "mjpeg", "-qscale:v", "2", "-pix_fmt", "yuvj420p"],
    ".mp4": ["-c:v", "libx264", "-crf", "15", "-pix_fmt", "yuv420p"],
}


def video(path: Path, frames: np.ndarray, *tags: str) -> Path:
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25", "-i", "-"]
    command = [get_ffmpeg_exe(), "-v", "error", "-y", *source, *CODECS[path.suffix], *tags, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


@pytest.fixture(scope="module")
def screens() -> np.ndarray:
    frames, fan = grey_frames(seed=4, frames=12)
    return with_text(frames, fan, 4)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_videos_frames_are_read_in_order(tmp_path: Path, screens: np.ndarray, suffix: str) -> None:
    clip = read_clip(video(tmp_path / f"x{suffix}", screens), 4)
    assert (clip.indices, clip.total_frames) == ((1, 4, 7, 10), 12)
    assert clip.frame_seconds == pytest.approx(0.04, rel=0.05)
    distances = [[np.abs(read.astype(int) - screen).mean() for screen in screens] for read in clip.frames]
    assert [int(np.argmin(row)) for row in distances] == list(clip.indices)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_text_around_the_fan_of_a_video_does_not_get_through(
    tmp_path: Path, screens: np.ndarray, suffix: str
) -> None:
    clip = read_clip(video(tmp_path / f"x{suffix}", screens), 8)
    sector = find_sector(grey(clip.frames))
    assert sector is not None
    assert isinstance(sector.shape, Fan)
    assert inked(clip.frames).sum() > 500
    assert not inked(clip.frames * sector.mask[..., None]).any()


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_video_cut_short_says_so_and_quotes_no_title(
    tmp_path: Path, screens: np.ndarray, suffix: str
) -> None:
    path = video(tmp_path / f"x{suffix}", screens, "-metadata", "title=ROENTGEN")
    content = path.read_bytes()
    assert b"ROENTGEN" in content
    path.write_bytes(content[:40])
    with pytest.raises(InputError, match=r"^x\.\w+: no video that ffmpeg can read \(40 bytes\)$") as caught:
        read_clip(path, 8)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"^x\.mp4: no pixel data \(0 bytes\)$"),
        (
            b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
            r"^x\.mp4: neither an AVI nor an MP4 file \(\d+ bytes\)$",
        ),
    ],
)
def test_what_is_no_video_is_refused_before_ffmpeg_sees_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_clip(path, 8)
