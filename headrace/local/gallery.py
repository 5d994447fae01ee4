"""Makes pictures small enough for the report, and draws the demo's stills."""

from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from headrace.local.report import Picture

QUALITY = 72  # WebP; speckle still looks like speckle
MOST_PIXELS = 25_000_000  # what an untrusted result may cost to open


def thumbnail(data: bytes, *, most_pixels: int) -> Picture | None:
    """A small WebP of an image; None where it is no image that can be shown."""
    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            small = image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    small.thumbnail((most_pixels, most_pixels))
    stream = BytesIO()
    small.save(stream, format="WEBP", quality=QUALITY, method=4)
    return Picture("image/webp", stream.getvalue(), small.width, small.height)


def png(data: bytes) -> Picture:
    """A PNG as it is."""
    with Image.open(BytesIO(data)) as image:
        return Picture("image/png", data, image.width, image.height)


def drawn_still(number: int, *, width: int = 960, height: int = 640) -> bytes:
    """A PNG of blended gradients, another for each number: something for the thumbnail function to shrink."""
    hue = Image.linear_gradient("L").rotate(37 * number, Image.Resampling.BICUBIC, fillcolor=128)
    light = ImageOps.invert(Image.radial_gradient("L")).transform(
        (256, 256), Image.Transform.AFFINE, (1, 0, 17 * (number % 7) - 51, 0, 1, 23 * (number % 5) - 46)
    )
    blend = Image.merge("HSV", (hue, Image.new("L", hue.size, 140), light)).convert("RGB")
    stream = BytesIO()
    blend.resize((width, height), Image.Resampling.BICUBIC).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()
