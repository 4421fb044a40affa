"""Pictures of every form are seen as the upright sRGB picture they show; damaged ones fail with a reason."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pillow_heif
import pytest
from conftest import PHOTOS
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from sightsound import Metadata, Vectors
from sightsound.errors import MediaError
from sightsound.plugins.image.decode import Decoded, decode
from sightsound.plugins.image.facts import perceptual_hash, picture_facts
from sightsound.plugins.image.starter import SIDE, prepare, starter_image

GOLDEN = 0.99
NAMES = ("cat.jpg", "goldentemple.jpg", "fish25.jpg")
ENCODER = starter_image().load("cpu")


def photo(name: str) -> Image.Image:
    with Image.open(PHOTOS / name) as picture:
        return picture.convert("RGB")


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def decoded(data: bytes, min_side: int = SIDE) -> Decoded:
    return decode(io.BytesIO(data), min_side)


def vectors(image: Any) -> tuple[Vectors, ...]:
    made = ENCODER.encode([prepare(np.asarray(image))], "document")
    assert isinstance(made, tuple)
    return made


@cache
def golden(name: str, mode: str = "RGB") -> tuple[Vectors, ...]:
    return vectors(photo(name).convert(mode).convert("RGB"))


def assert_seen_alike(data: bytes, wanted: tuple[Vectors, ...]) -> None:
    image = decoded(data).image
    assert image.dtype == np.uint8
    for made, right in zip(vectors(image), wanted, strict=True):
        assert float(made[0] @ right[0]) >= GOLDEN


FORMS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda p: saved(p, "JPEG", quality=95),
    "progressive": lambda p: saved(p, "JPEG", quality=95, progressive=True),
    "jpeg 4:2:0": lambda p: saved(p, "JPEG", quality=85, subsampling=2),
    "png": lambda p: saved(p, "PNG"),
    "interlaced or not, opaque alpha": lambda p: saved(p.convert("RGBA"), "PNG"),
    "webp": lambda p: saved(p, "WEBP", quality=95),
    "lossless webp": lambda p: saved(p, "WEBP", lossless=True),
    "bmp": lambda p: saved(p, "BMP"),
    "tiff": lambda p: saved(p, "TIFF"),
    "tiff lzw": lambda p: saved(p, "TIFF", compression="tiff_lzw"),
    "avif": lambda p: saved(p, "AVIF", quality=90),
    "animated webp": lambda p: saved(p, "WEBP", save_all=True, append_images=[Image.new("RGB", p.size)], quality=95),
    "animated png": lambda p: saved(p, "PNG", save_all=True, append_images=[Image.new("RGB", p.size)]),
    "mpo": lambda p: saved(p, "MPO", save_all=True, append_images=[Image.new("RGB", p.size)], quality=95),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_photo_is_seen_alike_in_every_form(name: str, form: str) -> None:
    assert_seen_alike(FORMS[form](photo(name)), golden(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_heic_photo_is_seen_alike(name: str) -> None:
    pillow_heif.register_heif_opener()
    data = saved(photo(name), "HEIF", quality=90)
    assert_seen_alike(data, golden(name))
    assert decoded(data).format == "HEIF"


def test_a_heic_photo_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightsound.plugins.image.decode._heif", tuple)
    with pytest.raises(MediaError, match=r"pip install 'sightsound\[heic\]'"):
        decoded(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["png", "gif", "animated gif"])
def test_a_picture_of_few_colours_is_seen_as_it_shows(name: str, form: str) -> None:
    few = photo(name).quantize(256)
    animated = {"save_all": True, "append_images": [Image.new("P", few.size, 3)], "duration": 100}
    data = saved(few, form.split()[-1].upper(), **(animated if "animated" in form else {}))
    assert_seen_alike(data, vectors(few.convert("RGB")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["jpeg", "png", "16 bits", "tiff 16 bits", "alpha", "floats"])
def test_grey_photos_are_seen_alike(name: str, form: str) -> None:
    grey = photo(name).convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    data = {
        "jpeg": lambda: saved(grey, "JPEG", quality=95),
        "png": lambda: saved(grey, "PNG"),
        "16 bits": lambda: saved(deep, "PNG"),
        "tiff 16 bits": lambda: saved(deep, "TIFF"),
        "alpha": lambda: saved(grey.convert("LA"), "PNG"),
        "floats": lambda: saved(Image.fromarray(np.asarray(grey).astype(np.float32) / 255), "TIFF"),
    }[form]()
    assert_seen_alike(data, golden(name, "L"))


def test_a_black_and_white_picture_is_seen() -> None:
    assert_seen_alike(saved(photo("cat.jpg").convert("1"), "PNG"), golden("cat.jpg", "1"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF", "PNG"])
def test_a_turned_photo_is_seen_upright(orientation: int, format: str) -> None:
    upright = photo("goldentemple.jpg")
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for turn in undo.get(orientation, []):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, format, exif=exif, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))
    assert_seen_alike(data, golden("goldentemple.jpg"))
    made = decoded(data)
    assert (made.width, made.height) == upright.size


def test_a_colour_profile_is_applied() -> None:
    """A picture stored in another space shows the same colours; without its profile it would not."""
    srgb = ImageCms.createProfile("sRGB")
    other = ImageCms.ImageCmsProfile(io.BytesIO(swapped(ImageCms.ImageCmsProfile(srgb).tobytes())))
    stored = ImageCms.profileToProfile(photo("fish25.jpg"), srgb, other)
    assert stored is not None
    stored.info.clear()
    without = vectors(decoded(saved(stored, "PNG")).image)
    assert float(without[1][0] @ golden("fish25.jpg")[1][0]) < GOLDEN
    assert_seen_alike(saved(stored, "PNG", icc_profile=other.tobytes()), golden("fish25.jpg"))
    assert_seen_alike(saved(stored, "JPEG", quality=95, icc_profile=other.tobytes()), golden("fish25.jpg"))


def swapped(profile: bytes) -> bytes:
    """The profile under another name, its red and blue exchanged: a space that no viewer may take for sRGB."""
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    data = bytearray(profile)
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))


def test_a_broken_colour_profile_is_left_aside() -> None:
    assert_seen_alike(saved(photo("cat.jpg"), "PNG", icc_profile=b"no profile at all"), golden("cat.jpg"))


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_cmyk_photo_is_seen_in_its_colours(format: str) -> None:
    upright = photo("fish25.jpg")
    assert_seen_alike(saved(upright.convert("CMYK"), format), golden("fish25.jpg"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_seen_on_white(mode: str) -> None:
    picture = photo("cat.jpg").convert("RGBA")
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).ellipse((20, 20, picture.width - 20, picture.height - 20), fill=255)
    picture.putalpha(mask)
    stored = picture.quantize(256, Image.Quantize.FASTOCTREE) if mode == "P" else picture.convert(mode)
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(stored.convert("RGBA"))
    assert_seen_alike(saved(stored, "PNG"), vectors(white.convert("RGB")))


def test_an_animations_frames_are_counted() -> None:
    frames = [photo(name).resize((64, 64)) for name in NAMES]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert picture_facts(decoded(data))["frames"] == 3


def test_a_large_photo_is_decoded_no_finer_than_needed() -> None:
    large = photo("goldentemple.jpg").resize((4000, 3000))
    made = decoded(saved(large, "JPEG", quality=80))
    assert (made.width, made.height) == (4000, 3000)
    assert SIDE <= min(made.image.shape[:2]) < 1000
    assert_seen_alike(saved(large, "JPEG", quality=90), golden("goldentemple.jpg"))


# Damaged and hostile files


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*one) for one in chunks) + chunk(b"IEND", b"")


BOMB = zlib.compress(bytes(200_000_000), 9)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a picture"),
        (b"GIF89a", "damaged"),
        (b"This is not a picture.", "not a picture of a kind that is read (JPEG, PNG"),
        (png(65_535, 65_535, (b"IDAT", zlib.compress(b""))), "over the limit of 200 megapixels"),
        (png(30_000, 30_000, (b"IDAT", zlib.compress(b""))), "over the limit of 200 megapixels"),
        (png(70_000, 1, (b"IDAT", zlib.compress(b""))), "over the limit"),
        (png(8, 8, (b"zTXt", b"Comment\0\0" + BOMB), (b"IDAT", zlib.compress(bytes(72)))), "too large"),
        (png(8, 8, (b"iCCP", b"p\0\0" + BOMB), (b"IDAT", zlib.compress(bytes(72)))), ""),
    ],
    ids=["empty", "head", "text", "header", "30,000", "long", "text bomb", "profile bomb"],
)
def test_a_bad_file_is_refused_with_its_reason(data: bytes, said: str) -> None:
    try:
        made = decoded(data)
    except MediaError as error:
        assert said in str(error)
        assert "\n" not in str(error)
    else:
        assert not said
        assert made.image.shape == (8, 8, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_damage_gives_a_picture_or_a_reason_and_nothing_else(format: str) -> None:
    chance = random.Random(format)
    good = saved(photo("cat.jpg").resize((96, 72)), format)
    refused = 0
    for number in range(120):
        data = bytearray(good)
        if number % 3 == 0:
            del data[chance.randrange(len(data)) :]
        else:
            for _ in range(chance.choice((1, 4, 30))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            image = decoded(bytes(data)).image
        except MediaError as error:
            refused += 1
            assert str(error)
        else:
            assert image.dtype == np.uint8
            assert image.shape[2] == 3
    assert refused > 10


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_photo_cut_short_is_refused_and_not_half_seen(share: float) -> None:
    data = (PHOTOS / "cat.jpg").read_bytes()
    with pytest.raises(MediaError, match="cut short or damaged"):
        decoded(data[: int(len(data) * share)])


# Facts


@pytest.mark.parametrize("path", sorted(PHOTOS.iterdir())[::4], ids=lambda path: path.name)
def test_the_perceptual_hash_is_that_of_imagehash(path: Path) -> None:
    picture = photo(path.name)
    assert perceptual_hash(picture) == str(imagehash.phash(picture))


def bits_apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_pictures_that_look_alike_have_like_hashes() -> None:
    cat = photo("cat.jpg")
    small = decoded(saved(cat.resize((cat.width // 2, cat.height // 2)), "JPEG", quality=60))
    hashed = picture_facts(decoded(saved(cat, "PNG")))["perceptual_hash"]
    assert bits_apart(hashed, picture_facts(small)["perceptual_hash"]) <= 6
    others = [perceptual_hash(photo(name)) for name in NAMES[1:]]
    assert min(bits_apart(hashed, other) for other in others) > 16


def test_the_palette_tells_the_colours_and_their_shares() -> None:
    picture = Image.new("RGB", (400, 300), (200, 30, 30))
    picture.paste((20, 40, 220), (0, 0, 100, 300))
    palette = picture_facts(decoded(saved(picture, "PNG")))["palette"]
    assert [share for _, share in palette] == [0.75, 0.25]
    assert [colour for colour, _ in palette] == ["#c81e1e", "#1428dc"]
    for name in NAMES:
        shares = [share for _, share in picture_facts(decoded(saved(photo(name), "PNG")))["palette"]]
        assert sum(shares) == pytest.approx(1, abs=0.01)
        assert shares == sorted(shares, reverse=True)


# What files say of themselves

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" photoshop:DateCreated="2024-05-01T18:30:00+02:00"
 photoshop:Credit="Ada / Archive" xmpRights:WebStatement="https://example.org/1">
<dc:title><rdf:Alt>
 <rdf:li xml:lang="de">Hafen</rdf:li><rdf:li xml:lang="x-default">Harbour</rdf:li>
</rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Boats at dusk</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>boat</rdf:li><rdf:li>dusk</rdf:li><rdf:li>boat</rdf:li></rdf:Bag></dc:subject>
<dc:creator><rdf:Seq><rdf:li>Ada Löwe</rdf:li></rdf:Seq></dc:creator>
<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">CC BY 4.0</rdf:li></rdf:Alt></xmpRights:UsageTerms>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
FROM_XMP = Metadata(
    "Harbour", "Boats at dusk", ("boat", "dusk"), "Ada Löwe", "CC BY 4.0", "https://example.org/1",
    "2024-05-01T18:30:00+02:00", "Ada / Archive",
)  # fmt: skip


def iptc(**said: bytes) -> bytes:
    """A JPEG segment with these IPTC records (`r5=b"title"`, several keywords separated by a bar)."""
    records = b"".join(
        b"\x1c\x02" + bytes([int(name[1:])]) + struct.pack(">H", len(value)) + value
        for name, values in said.items()
        for value in values.split(b"|")
    )
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records + b"\0" * (len(records) % 2)
    return b"Photoshop 3.0\0" + block


def with_iptc(data: bytes, segment: bytes) -> bytes:
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def exif(**said: Any) -> Image.Exif:
    tags = {"description": 0x010E, "artist": 0x013B, "copyright": 0x8298, "title": 0x9C9B, "keywords": 0x9C9E}
    made = Image.Exif()
    for name, value in said.items():
        if name == "taken":
            made.get_ifd(0x8769)[0x9003] = value
        else:
            made[tags[name]] = value
    return made


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_is_read(format: str) -> None:
    picture = photo("cat.jpg").resize((64, 48))
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP)
        data = saved(picture, "PNG", pnginfo=text)
    elif format == "TIFF":
        data = saved(picture, "TIFF", tiffinfo={700: XMP.encode()})
    else:
        data = saved(picture, format, xmp=XMP.encode())
    assert decoded(data).metadata == FROM_XMP


def test_iptc_is_read() -> None:
    segment = iptc(
        r5=b"Harbour", r120="Böote".encode(), r25=b"boat|dusk", r80=b"Ada", r116=b"(c) Ada", r55=b"20240501",
        r60=b"183000+0200", r110=b"Ada / Archive",
    )  # fmt: skip
    said = decoded(with_iptc(saved(photo("cat.jpg"), "JPEG"), segment)).metadata
    assert said == Metadata(
        "Harbour", "Böote", ("boat", "dusk"), "Ada", "(c) Ada", "", "2024-05-01T18:30:00", "Ada / Archive"
    )


def test_exif_is_read() -> None:
    said = exif(
        description="Boats", artist="Ada", copyright="(c) Ada", taken="2024:05:01 18:30:00",
        title="Harbour".encode("utf-16-le") + b"\0\0", keywords="boat;dusk".encode("utf-16-le"),
    )  # fmt: skip
    made = decoded(saved(photo("cat.jpg"), "JPEG", exif=said)).metadata
    assert made == Metadata("Harbour", "Boats", ("boat", "dusk"), "Ada", "(c) Ada", "", "2024-05-01T18:30:00")


def test_xmp_goes_before_iptc_before_exif() -> None:
    own = exif(description="of exif", artist="of exif", copyright="of exif")
    packet = XMP[: XMP.index("<dc:description>")] + "</rdf:Description></rdf:RDF></x:xmpmeta>"
    data = with_iptc(
        saved(photo("cat.jpg"), "JPEG", exif=own, xmp=packet.encode()), iptc(r5=b"of iptc", r80=b"of iptc")
    )
    said = decoded(data).metadata
    assert (said.title, said.author, said.licence) == ("Harbour", "of iptc", "of exif")


def test_utf_8_in_exif_is_understood() -> None:
    said = exif(artist="Ada Löwe".encode())
    assert decoded(saved(photo("cat.jpg"), "JPEG", exif=said)).metadata.author == "Ada Löwe"


@pytest.mark.parametrize(
    "packet",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>',
        XMP[:300],
        "\0\0\0",
        "<" * 5000,
    ],
    ids=["entities", "cut", "zeros", "deep"],
)
def test_damaged_metadata_leaves_the_rest(packet: str) -> None:
    data = saved(photo("cat.jpg"), "JPEG", xmp=packet.encode(), exif=exif(artist="Ada"))
    assert decoded(data).metadata == Metadata(author="Ada")


def test_huge_and_strange_fields_are_cut_and_cleaned() -> None:
    said = decoded(saved(photo("cat.jpg"), "JPEG", exif=exif(description="x" * 30_000, artist="A\x1b[31mda"))).metadata
    assert len(said.description) == 10_000
    assert said.author == "A[31mda"


def test_places_are_not_read() -> None:
    made = exif(artist="Ada")
    made.get_ifd(0x8825)[1] = "N"
    made.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)
    picture = decoded(saved(photo("cat.jpg"), "JPEG", exif=made))
    assert "48" not in repr((picture.metadata, picture_facts(picture).keys()))
