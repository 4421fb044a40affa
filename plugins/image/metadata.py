"""What a picture file says of itself: XMP, then IPTC, then EXIF, as the Metadata Working Group orders them.

Places on earth are not read. Nothing here raises: damaged metadata gives what could be read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

from PIL import Image, ImageFile, IptcImagePlugin

from sightsound import Metadata

LONGEST = 10_000
MOST_TAGS = 200
_EXIF_IFD = 0x8769
_NAMESPACES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://creativecommons.org/ns#": "cc",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?")


def embedded_metadata(image: Image.Image) -> Metadata:
    """The title, description, tags, author, licence, page, date and credit that the file holds."""
    said = Metadata()
    for read in (_xmp, _iptc, _exif):
        with contextlib.suppress(Exception):  # a stranger's file, and it is only metadata
            said = said.over(read(image))
    return said


def _xmp(image: Image.Image) -> Metadata:
    raw = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not raw:
        return Metadata()
    from defusedxml.ElementTree import fromstring

    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    start, end = text.find("<x:xmpmeta"), text.rfind("</x:xmpmeta>")
    packet = text[start : end + 12] if 0 <= start < end else text.strip("\x00 \ufeff")
    found: dict[str, list[str]] = {}
    for described in fromstring(packet).iter(f"{{{_RDF}}}Description"):
        for name, value in described.attrib.items():
            found.setdefault(_short(name), []).append(value)
        for child in described:
            found.setdefault(_short(child.tag), []).extend(_values(child))

    def first(*names: str) -> str:
        return next((found[name][0] for name in names if found.get(name)), "")

    return _metadata(
        title=first("dc:title"),
        description=first("dc:description"),
        tags=found.get("dc:subject", []),
        author=", ".join(found.get("dc:creator", [])),
        licence=first("xmpRights:UsageTerms", "cc:license", "dc:rights"),
        page_url=first("xmpRights:WebStatement"),
        date=first("photoshop:DateCreated", "xmp:CreateDate"),
        credit=first("photoshop:Credit"),
    )


_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def _short(name: str) -> str:
    uri, _, local = name[1:].partition("}") if name.startswith("{") else ("", "", name)
    return f"{_NAMESPACES.get(uri, '?')}:{local}"


def _values(element: Element) -> list[str]:
    """The texts of a property: of a list's members, of the default language, or its own; or a resource's URI."""
    members = [m for m in element.iter(f"{{{_RDF}}}li") if m.text and m.text.strip()]
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    members.sort(key=lambda member: member.get(language, "x-default") != "x-default")
    if members:
        return [member.text or "" for member in members]
    resource = element.get(f"{{{_RDF}}}resource")
    return [text] if (text := (element.text or "").strip()) else [resource] if resource else []


def _iptc(image: Image.Image) -> Metadata:
    info: dict[tuple[int, int], Any] = (
        IptcImagePlugin.getiptcinfo(image) if isinstance(image, ImageFile.ImageFile) else None
    ) or {}

    def get(number: int) -> list[str]:
        return [_decoded(value) for value in _many(info.get((2, number)))]

    def first(number: int) -> str:
        return next(iter(get(number)), "")

    day, time = first(55), first(60)
    date = f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) >= 8 else ""
    if date and len(time) >= 6:
        date += f"T{time[:2]}:{time[2:4]}:{time[4:6]}"
    return _metadata(
        title=first(5),
        description=first(120),
        tags=get(25),
        author=", ".join(get(80)),
        licence=first(116),
        page_url="",
        date=date,
        credit=first(110),
    )


def _exif(image: Image.Image) -> Metadata:
    exif = image.getexif()
    inner = exif.get_ifd(_EXIF_IFD)

    def wide(tag: int) -> str:
        return _utf16(exif.get(tag))

    return _metadata(
        title=wide(0x9C9B),
        description=_decoded(exif.get(0x010E, "")),
        tags=re.split(r"[;,]", wide(0x9C9E)),
        author=_decoded(exif.get(0x013B, "")) or wide(0x9C9D),
        licence=_decoded(exif.get(0x8298, "")),
        page_url="",
        date=_decoded(inner.get(0x9003, "")) + _decoded(inner.get(0x9011, "")),
        credit="",
    )


def _metadata(
    title: str, description: str, tags: Iterable[str], author: str, licence: str, page_url: str, date: str, credit: str
) -> Metadata:
    kept = dict.fromkeys(tag for tag in map(_clean, tags) if tag)
    return Metadata(
        _clean(title),
        _clean(description),
        tuple(kept)[:MOST_TAGS],
        _clean(author),
        _clean(licence),
        _clean(page_url),
        _iso(date),
        _clean(credit),
    )


def _clean(text: str) -> str:
    return _CONTROL.sub("", text).strip()[:LONGEST]


def _iso(date: str) -> str:
    match = _DATE.match(date.strip())
    if not match or match[1] == "0000":
        return ""
    year, month, day, hour, minute, second = match.groups()
    zone = re.search(r"(Z|[+-]\d\d:\d\d)$", date.strip())
    time = f"T{hour}:{minute}:{second or '00'}{zone[0] if zone else ''}" if hour else ""
    return f"{year}-{month}-{day}{time}"


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _decoded(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    text = str(value)
    with contextlib.suppress(UnicodeError):  # Pillow reads EXIF as latin-1; most writers mean UTF-8
        return text.encode("latin-1").decode("utf-8")
    return text


def _utf16(value: Any) -> str:
    if isinstance(value, tuple):
        value = bytes(value)
    return value.decode("utf-16-le", "ignore").rstrip("\x00") if isinstance(value, bytes) else ""
