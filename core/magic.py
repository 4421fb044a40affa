"""What a file says it is by its first bytes, told against what was asked for, before all of it is fetched."""

from __future__ import annotations

from sightsound.types import ItemKind

HEAD = 1024
TYPES: dict[ItemKind, tuple[str, ...]] = {
    "photo": ("image/",),
    "film": ("video/", "image/gif"),
    "sound": ("audio/", "video/"),  # servers call .ogg, .webm and .m4a videos
}
"""Content types by kind."""
UNTOLD = (
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/ogg",
    "application/mp4",
    "application/mxf",
)
"""Content types that say nothing against any kind."""
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"moof", b"styp", b"sidx")
_MXF, _DV = b"\x06\x0e\x2b\x34", b"\x1f\x07\x00"
_STARTS: dict[ItemKind, tuple[bytes, ...]] = {
    "photo": (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"),
    "film": (
        b"\x1a\x45\xdf\xa3",
        b"OggS",
        b"FLV",
        b"\x30\x26\xb2\x75",
        b"\0\0\x01\xba",
        b"\0\0\x01\xb3",
        b"\x47",
        _MXF,
        _DV,
    ),
    "sound": (b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3"),
}
_RIFF: dict[ItemKind, tuple[bytes, ...]] = {"photo": (b"WEBP",), "film": (b"AVI ",), "sound": (b"WAVE",)}


def mistaken_type(content_type: str, kind: ItemKind) -> str:
    """Why this content type can't be a photo, a film or a sound; "" where it can."""
    said = content_type.partition(";")[0].strip().lower()
    if said in UNTOLD or kind not in TYPES or said.startswith(TYPES[kind]):
        return ""
    return f"the host sent {'a web page' if said == 'text/html' else said}, not a {kind}"


def mistaken_bytes(head: bytes, kind: ItemKind) -> str:
    """Why a file that begins so can't be a photo, a film or a sound; "" where it can, or for any other kind."""
    fits = kind not in _STARTS or _begins_as(head, kind)
    return "" if fits else f"what the host sent is no {kind} of a format that is read"


def _begins_as(head: bytes, kind: ItemKind) -> bool:
    if head[:4] in (b"RIFF", b"RF64"):
        return head[8:12] in _RIFF[kind]
    if head[:4] == b"FORM":
        return kind == "sound" and head[8:12] in (b"AIFF", b"AIFC")
    if head[4:8] in _BOXES:
        return True  # MP4, MOV, M4A, HEIC and AVIF begin alike
    if kind == "film" and len(head) > 4 and head[4] == 0x47:
        return True  # MPEG-TS with time stamps
    if kind == "sound" and len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return True  # a frame of MP3 or AAC
    return head.startswith(_STARTS[kind])


_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ")
_PHOTO_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")


def kind_of(head: bytes) -> ItemKind | None:
    """What a file that begins so most probably is: a photo, a sound or a film; None where it is neither.

    head: its first HEAD bytes, or all of them where it is shorter.
    """
    if head[4:8] == b"ftyp":
        return "sound" if head[8:12] in _SOUND_BRANDS else "photo" if head[8:12] in _PHOTO_BRANDS else "film"
    if head.startswith(b"OggS"):
        return "film" if b"theora" in head else "sound"
    return next((kind for kind in ("photo", "film", "sound") if _begins_as(head, kind)), None)
