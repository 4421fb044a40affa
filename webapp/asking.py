"""The one grammar of what is asked, for `/` and `/api/v1/search`: URL arguments to a query, and back. docs/site.md.

q=words  part=KIND:WEIGHT:VALUE…  kind= tag= author= …  after= before= where=  then= within=  sort= offset= limit=
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args
from urllib.parse import urlencode

from flask import Flask
from werkzeug.datastructures import MultiDict

from sightsound.colours import COLOURS, ORIENTATIONS
from sightsound.errors import UsageError
from sightsound.filters import Condition, Filters, any_of, parse_condition, parse_date, parse_time
from sightsound.searching import FilePart, ItemPart, Part, Query, Sort, TextPart
from sightsound.webapp.uploads import Uploads

PartKind = Literal["text", "item", "upload"]
FIELDS = ("kind", "tag", "author", "licence", "source", "colour", "orientation", "format", "date", "duration")
"""Filters that hold for any of their values: words, years or longer dates, and lengths in seconds such as 10-60."""
SINGLE = ("q", "after", "before", "then", "within", "sort", "offset", "limit")
NAMES = (*SINGLE, "part", "where", *FIELDS)
NAMED = {"kind": ("photo", "film", "sound", "text"), "colour": COLOURS, "orientation": ORIENTATIONS}
"""Fields that have these values only."""
LIMIT, MOST_LIMIT, MOST_OFFSET = 40, 200, 10_000
MOST_PARTS, MOST_FILTERS, MOST_LETTERS, MOST_WEIGHT = 20, 50, 1000, 1000.0


@dataclass(frozen=True)
class AskedPart:
    """A part beside the words of the box. value: words, an item's id, or an upload's."""

    kind: PartKind
    weight: float
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.weight:g}:{self.value}"


@dataclass(frozen=True)
class Asking:
    """What a URL asks for. Every change makes another; `url` writes it. filters: (field, value), in their order."""

    q: str = ""
    parts: tuple[AskedPart, ...] = ()
    filters: tuple[tuple[str, str], ...] = ()
    after: str = ""
    before: str = ""
    then: str = ""
    within: str = ""
    sort: Sort = "score"
    offset: int = 0
    limit: int = LIMIT

    @property
    def asks(self) -> bool:
        """Whether there is something to look for, or to filter by."""
        return bool(self.q.strip() or self.parts or self.filters or self.after or self.before)

    def query(self, uploads: Uploads) -> Query:
        """The query. Raises UsageError in one line, ItemMissing for an upload that is not kept any more."""
        parts: list[Part] = [TextPart(self.q.strip())] if self.q.strip() else []
        parts += [_part(part, uploads) for part in self.parts]
        within = parse_time(self.within) if self.within else Query.within
        then = TextPart(self.then.strip()) if self.then.strip() else None
        return Query(tuple(parts), self._conditions(), self.sort, self.offset, self.limit, then, within)

    def _conditions(self) -> Filters:
        words: Filters = ()
        for name in FIELDS:
            values = [value for field, value in self.filters if field == name]
            words += _spans(values) if name == "duration" else any_of(name, values)
        written = [value for field, value in self.filters if field == "where"]
        written += [f"date>={parse_date(self.after)}"] if self.after else []
        written += [f"date<={parse_date(self.before)}"] if self.before else []
        return (*words, *(parse_condition(one) for one in written))

    # For templates: each link is this, changed

    def arguments(self) -> list[tuple[str, str]]:
        """What the URL says, in its order: for links, and for the hidden fields of a form."""
        arguments: list[tuple[str, str]] = [("q", self.q)] if self.q else []
        arguments += [("part", str(part)) for part in self.parts]
        arguments += self.filters
        arguments += [(name, value) for name in ("after", "before", "then", "within") if (value := getattr(self, name))]
        arguments += [("sort", self.sort)] if self.sort != "score" else []
        arguments += [("offset", str(self.offset))] if self.offset else []
        arguments += [("limit", str(self.limit))] if self.limit != LIMIT else []
        return arguments

    def url(self, path: str = "/") -> str:
        """Where this is asked: `/?q=boat&tag=sea`."""
        arguments = self.arguments()
        return f"{path}?{urlencode(arguments)}" if arguments else path

    def with_part(self, kind: PartKind, value: str, weight: float = 1.0) -> Asking:
        """With this part; one of the same value takes the new weight. From the first page on."""
        part = AskedPart(kind, weight, value)
        others = tuple(one for one in self.parts if (one.kind, one.value) != (kind, value))
        return replace(self, parts=(*others, part), offset=0)

    def without_part(self, number: int) -> Asking:
        return replace(self, parts=self.parts[:number] + self.parts[number + 1 :], offset=0)

    def weighed(self, number: int, weight: float) -> Asking:
        """With another weight for the part of this number."""
        part = replace(self.parts[number], weight=weight)
        return replace(self, parts=(*self.parts[:number], part, *self.parts[number + 1 :]), offset=0)

    def has(self, field: str, value: str) -> bool:
        return (field, value) in self.filters

    def toggled(self, field: str, value: str) -> Asking:
        """With this filter, or without it where it is there."""
        kept = tuple(one for one in self.filters if one != (field, value))
        return replace(self, filters=kept if self.has(field, value) else (*kept, (field, value)), offset=0)

    def without_filters(self, field: str = "") -> Asking:
        """Without the filters of a field; without any, where none is named."""
        if field:
            return replace(self, filters=tuple(one for one in self.filters if one[0] != field), offset=0)
        return replace(self, filters=(), after="", before="", offset=0)

    def page(self, offset: int) -> Asking:
        return replace(self, offset=offset)

    def changed(self, **values: Any) -> Asking:
        """With other `q`, `after`, `before`, `then`, `within`, `sort`; from the first page on."""
        return replace(self, **{"offset": 0, **values})


def item_url(id: str, asking: Asking | None = None, at: float | None = None) -> str:
    """An item's page; with the query, so that what matches lights up; at a second of it, from where it plays."""
    url = asking.url(f"/item/{id}") if asking else f"/item/{id}"
    if at is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'t': f'{at:.2f}'.rstrip('0').rstrip('.')})}#player"


def asking_of(args: MultiDict[str, str], strict: bool = False) -> Asking:
    """What URL arguments ask for. Raises UsageError.

    strict: also for arguments that are unknown, or come twice though they mean one thing.
    """
    if strict:
        unknown = [name for name in args if name not in NAMES]
        if unknown:
            raise UsageError(f"There is no argument '{unknown[0][:80]}'; there are: {', '.join(NAMES)}")
        twice = [name for name in SINGLE if len(args.getlist(name)) > 1]
        if twice:
            raise UsageError(f"'{twice[0]}' comes once")
    for name, value in args.items(multi=True):
        if name in NAMES and (len(value) > MOST_LETTERS or "\0" in value):
            raise UsageError(f"'{name}' may have {MOST_LETTERS:,} letters at most, and no NUL")
    filters = tuple((name, value) for name, value in args.items(multi=True) if name in (*FIELDS, "where") and value)
    if len(filters) > MOST_FILTERS:
        raise UsageError(f"There may be {MOST_FILTERS} filters at most")
    _check(filters)
    sort = args.get("sort") or "score"
    if sort not in get_args(Sort):
        raise UsageError(f"'sort' is score or date, not '{sort}'")
    return Asking(
        q=args.get("q", ""),
        parts=parts_of(args.getlist("part")),
        filters=filters,
        after=args.get("after", ""),
        before=args.get("before", ""),
        then=args.get("then", ""),
        within=args.get("within", ""),
        sort=cast(Sort, sort),
        offset=whole(args, "offset", 0, 0, MOST_OFFSET),
        limit=whole(args, "limit", LIMIT, 1, MOST_LIMIT),
    )


def query_of(args: MultiDict[str, str], uploads: Uploads, strict: bool = False) -> Query:
    """The query that URL arguments ask for. Raises UsageError in one line, ItemMissing."""
    return asking_of(args, strict).query(uploads)


def parts_of(written: Iterable[str]) -> tuple[AskedPart, ...]:
    """Read `KIND:WEIGHT:VALUE`s. Raises UsageError."""
    parts: list[AskedPart] = []
    for one in written:
        kind, colon, rest = one.partition(":")
        weight, second, value = rest.partition(":")
        if kind not in get_args(PartKind) or not colon or not second or not value.strip():
            raise UsageError(f"'{one[:80]}' is no part: write text:0.5:sunset, item:-1:ID or upload:1:ID")
        parts.append(AskedPart(cast(PartKind, kind), weight_of(weight), value.strip()))
    if len(parts) > MOST_PARTS:
        raise UsageError(f"A query may have {MOST_PARTS} parts at most")
    return tuple(parts)


def weight_of(written: str) -> float:
    """A weight. Raises UsageError for what is no number from -1000 to 1000, or is 0."""
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not 0 < abs(weight) <= MOST_WEIGHT:
        raise UsageError(f"'{written[:80]}' is no weight: a number up to {MOST_WEIGHT:g}, below 0 to push away")
    return weight


def whole(args: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """An argument that is a whole number. Raises UsageError."""
    written = args.get(name, "")
    if not written:
        return default
    if not (written.isascii() and written.isdigit() and len(written) < 10 and least <= int(written) <= most):
        raise UsageError(f"'{name}' is a whole number from {least} to {most:,}, not '{written[:80]}'")
    return int(written)


def _check(filters: tuple[tuple[str, str], ...]) -> None:
    for field_, value in filters:
        known = NAMED.get(field_)
        if known and value not in known:
            raise UsageError(f"There is no {field_} '{value[:80]}'; there are: {', '.join(known)}")
        if field_ == "date":
            parse_date(value)


def _spans(written: Iterable[str]) -> Filters:
    """Lengths from one number of seconds to another, any of them: `10-60`, `3600-`. Raises UsageError."""
    spans = [parse_condition(f"duration={one}") for one in written]
    for one in spans:
        if one.operator != "between":
            raise UsageError(
                f"'duration' is from one number of seconds to another, such as 10-60, not '{one.values[0]:g}'"
            )
    return (Condition("duration", "between", tuple(bound for one in spans for bound in one.values)),) if spans else ()


def _part(part: AskedPart, uploads: Uploads) -> Part:
    if part.kind == "text":
        return TextPart(part.value, part.weight)
    if part.kind == "item":
        return ItemPart(part.value, part.weight)
    found = uploads.find(part.value)
    return FilePart(found.path, part.weight, found.kind, uploads.limits.seconds)


def register(app: Flask) -> None:
    """Give templates `Asking`, for links that begin from nothing."""
    app.jinja_env.globals["Asking"] = Asking
