"""Which container a file is, by its first bytes. FFmpeg is told, and may not guess.

Left to guess, FFmpeg takes a text that is a playlist for one, whatever its name, and opens the files that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from sightsound.errors import MediaError

HEAD = 4 * 192 + 4
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"moof", b"styp", b"sidx")
_SYNC = 0x47
MXF = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"
"""The key of the partition that opens it, SMPTE ST 377."""
DV = b"\x1f\x07\x00"
"""The first DIF block, IEC 61834: a header; the next byte says whether it is of 50 or of 60 Hz."""


@dataclass(frozen=True)
class Container:
    """demuxer: FFmpeg's name for what reads it. name: what people call it."""

    demuxer: str
    name: str


def container_of(file: BinaryIO) -> Container:
    """The container of a file that is at its start. Raises MediaError where it is none that is read."""
    head = file.read(HEAD)
    file.seek(0)
    found = _by_magic(head)
    if found is None:
        kinds = "MP4, MOV, MKV, WebM, AVI, MPEG, TS, OGV, FLV, WMV, MXF, DV"
        raise MediaError(f"it is not a film of a kind that is read ({kinds}), or its start is damaged")
    return found


def _by_magic(head: bytes) -> Container | None:
    if head[4:8] in _BOXES:
        return Container("mov", "MOV" if head[8:12] == b"qt  " or head[4:8] != b"ftyp" else "MP4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Container("matroska", "WebM" if b"webm" in head[:64] else "MKV")
    if head.startswith(b"RIFF") and head[8:11] == b"AVI":
        return Container("avi", "AVI")
    if head.startswith(b"OggS"):
        return Container("ogg", "OGV")
    if head.startswith(b"FLV"):
        return Container("flv", "FLV")
    if head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return Container("asf", "WMV")
    if head.startswith(b"\x00\x00\x01\xba"):
        return Container("mpeg", "MPEG")
    if head.startswith(b"\x00\x00\x01\xb3"):
        return Container("mpegvideo", "MPEG")
    if head.startswith(MXF):
        return Container("mxf", "MXF")
    if head.startswith(DV) and head[3:4] in (b"\x3f", b"\xbf"):
        return Container("dv", "DV")
    for offset, step in ((0, 188), (4, 192)):
        if len(head) > offset + 3 * step and all(head[offset + n * step] == _SYNC for n in range(4)):
            return Container("mpegts", "TS")
    return None
