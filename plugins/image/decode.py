"""Pictures as encoders want them: upright sRGB, decoded no finer than asked. Files are hostile."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sightsound import Metadata
from sightsound.errors import MediaError, one_line
from sightsound.plugins.image.metadata import embedded_metadata

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
PIXELS = 200_000_000
"""The largest picture that is decoded; a 16,000 x 12,000 scan passes."""
SIDE_LIMIT = 65_000
Image.MAX_IMAGE_PIXELS = PIXELS
_ORIENTATION = 0x0112
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Decoded:
    """image: uint8 (h, w, 3), upright sRGB. width, height: upright, of the file. frames: of an animation."""

    image: npt.NDArray[np.uint8]
    width: int
    height: int
    format: str
    frames: int
    metadata: Metadata


def decode(file: BinaryIO, min_side: int) -> Decoded:
    """Decode a picture, its shorter side not reduced below `min_side`. Raises MediaError with a human reason."""
    head = file.read(16)
    file.seek(0)
    formats = (*FORMATS, *_heif())
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS and "HEIF" not in formats:
        raise MediaError("HEIC pictures need: pip install 'sightsound[heic]'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as picture:
                return _decode(picture, min_side)
    except MediaError:
        raise
    except UnidentifiedImageError:
        raise MediaError(
            f"it is not a picture of a kind that is read ({', '.join(formats)}), or it is damaged"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MediaError(f"the picture is over the limit of {PIXELS // 1_000_000} megapixels") from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise far more than OSError on damaged files
        raise MediaError(f"the file is cut short or damaged: {one_line(error)}") from error


def _decode(picture: Image.Image, min_side: int) -> Decoded:
    width, height = picture.size
    if width * height > PIXELS or max(width, height) > SIDE_LIMIT:
        raise MediaError(
            f"a picture of {width:,} x {height:,} pixels is over the limit of {PIXELS // 1_000_000} megapixels"
        )
    format_, frames = picture.format or "", int(getattr(picture, "n_frames", 1))
    metadata = embedded_metadata(picture)
    profile = picture.info.get("icc_profile")
    drafted = None
    if format_ in ("JPEG", "MPO"):
        scale = max(1.0, min(width, height) / min_side)
        drafted = picture.draft(None, (int(width / scale), int(height / scale)))
    picture.load()
    turned = picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)  # after load, which turns TIFF by itself
    flat = _reduced(picture, drafted[1][2:] if drafted else picture.size, min_side)
    flat = ImageOps.exif_transpose(_to_srgb(flat, profile))
    if turned:
        width, height = height, width
    return Decoded(np.asarray(flat), width, height, format_, frames, metadata)


def _reduced(picture: Image.Image, true: tuple[float, float], min_side: int) -> Image.Image:
    """The picture made smaller, its shorter side not below `min_side`, by averaging whole blocks of pixels.

    true: the size in the picture's own pixels, of which the last row and column may lie partly outside: so they do
    where a factor did not divide the sides. What lies outside is cut off, or all else would be shifted by up to half
    a pixel, which image models notice.
    """
    factor = min(picture.size) // (2 * min_side)
    flat = picture
    if factor > 1 and picture.mode in ("L", "RGB", "RGBA", "CMYK"):
        flat = picture.reduce(factor)
        true = (true[0] / factor, true[1] / factor)
    if flat.width == true[0] and flat.height == true[1]:
        return flat
    return flat.resize((max(1, round(true[0])), max(1, round(true[1]))), Image.Resampling.BICUBIC, (0, 0, *true))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    exif = picture.getexif()
    flat = _eight_bits(picture)
    if flat.mode == "P":
        flat = flat.convert("RGBA" if "transparency" in flat.info else "RGB")
    if flat.mode in ("LA", "PA", "La", "RGBa"):
        flat = flat.convert("RGBA")
    if flat.mode == "L" and "transparency" in flat.info:
        flat = flat.convert("RGBA")
    alpha = flat.getchannel("A") if flat.mode == "RGBA" else None
    if alpha is not None:
        flat = flat.convert("RGB")
    flat = _by_profile(flat, profile)
    if flat.mode != "RGB":
        flat = flat.convert("RGB")
    if alpha is not None:
        ground = Image.new("RGB", flat.size, _WHITE)
        ground.paste(flat, mask=alpha)
        flat = ground
    flat.info["exif"] = exif.tobytes() if exif else b""
    return flat


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit and floating greys to 8 bits; other modes as they are."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        top = float(values.max(initial=0.0))
        full = 1.0 if picture.mode == "F" and top <= 1.0 else 255.0 if top <= 255 else 65535.0
        return Image.fromarray((values / full * 255).clip(0, 255).astype(np.uint8))
    return picture


def _by_profile(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile or picture.mode not in ("RGB", "L", "CMYK"):
        return picture
    try:
        transform = _transform(profile, picture.mode)
    except Exception:  # a broken profile is as good as none
        return picture
    return picture if transform is None else ImageCms.applyTransform(picture, transform) or picture


@cache
def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")


_transforms: dict[tuple[bytes, str], Any] = {}


def _transform(profile: bytes, mode: str) -> Any:
    """The transform to sRGB, kept for the next picture; None for sRGB itself."""
    key = (profile, mode)
    if key not in _transforms:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        plain = mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source)
        if len(_transforms) > 16:
            _transforms.clear()
        _transforms[key] = None if plain else ImageCms.buildTransform(source, _srgb(), mode, "RGB")
    return _transforms[key]


@cache
def _heif() -> tuple[str, ...]:
    try:
        import pillow_heif
    except ImportError:
        return ()
    pillow_heif.register_heif_opener()
    return ("HEIF",)
