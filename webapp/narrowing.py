"""Facets as groups of links: what a search can be narrowed to, and what it is narrowed to already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightsound.colours import COLOURS, ORIENTATIONS
from sightsound.facets import Counts
from sightsound.moments import clock
from sightsound.stores.fields import FACETS
from sightsound.webapp.asking import FIELDS, Asking

LABELS = {
    "kind": "Kind",
    "source": "Source",
    "tag": "Tag",
    "author": "Author",
    "licence": "Licence",
    "colour": "Colour",
    "orientation": "Orientation",
    "date": "Year",
    "duration": "Length",
    "format": "Format",
}
KINDS = {"photo": "Photos", "film": "Films", "sound": "Sounds", "text": "Texts"}
PLACES = ("folder:", "table:", "file:", "s3:")
"""How names of sources begin that go on with a path."""
AT_FIRST = 6
"""Values of a group that are shown before it is opened further."""


@dataclass(frozen=True)
class Choice:
    """One value of a facet. url: the search with it, or without it where it is chosen."""

    value: str
    label: str
    count: int
    chosen: bool
    url: str


@dataclass(frozen=True)
class Group:
    """clear: the search without this facet, "" where nothing of it is chosen."""

    field: str
    label: str
    choices: Sequence[Choice]
    clear: str

    @property
    def shown(self) -> Sequence[Choice]:
        """The first few, and all that are chosen."""
        return [choice for n, choice in enumerate(self.choices) if n < AT_FIRST or choice.chosen]

    @property
    def more(self) -> Sequence[Choice]:
        shown = {choice.value for choice in self.shown}
        return [choice for choice in self.choices if choice.value not in shown]


@dataclass(frozen=True)
class Active:
    """A filter that is on: what it says, and the search without it."""

    label: str
    url: str


def groups_of(counts: Counts, asking: Asking) -> list[Group]:
    """The facets that have something to choose, or that something of is chosen."""
    made = []
    for field in FACETS:
        counted = dict(_in_order(field, counts.get(field, [])))
        folded = {value.casefold(): value for value in counted}
        chosen = {}
        for name, value in asking.filters:
            if name == field:
                chosen[folded.get(value.casefold(), value)] = value
        for value in chosen:
            counted.setdefault(value, 0)
        choices = [_choice(asking, field, value, count, chosen.get(value)) for value, count in counted.items()]
        if len(choices) > 1 or chosen or (choices and field not in ("kind", "source", "orientation")):
            clear = asking.without_filters(field).url() if chosen else ""
            made.append(Group(field, LABELS[field], choices, clear))
    return made


def _choice(asking: Asking, field: str, value: str, count: int, written: str | None) -> Choice:
    """written: the value as the URL has it, None where it is not chosen."""
    url = asking.toggled(field, value if written is None else written).url()
    return Choice(value, label_of(field, value), count, written is not None, url)


def active(asking: Asking) -> list[Active]:
    """Every filter that is on."""
    made = []
    for field, value in asking.filters:
        said = value if field == "where" else label_of(field, value)
        named = "" if field in ("where", "kind", "colour", "orientation", "date") else f"{LABELS[field]}: "
        made.append(Active(f"{named}{said}", asking.toggled(field, value).url()))
    if asking.after:
        made.append(Active(f"from {asking.after}", asking.changed(after="").url()))
    if asking.before:
        made.append(Active(f"until {asking.before}", asking.changed(before="").url()))
    return made


def label_of(field: str, value: str) -> str:
    """How a value reads: `10-60` is `10 s – 1 min`."""
    if field == "kind":
        return KINDS.get(value.casefold(), value)
    if field in ("colour", "orientation"):
        return value.capitalize()
    if field == "source":
        return _source(value)
    if field == "duration":
        low, _, high = value.partition("-")
        if not high:
            return f"Over {_length(low)}"
        return f"Up to {_length(high)}" if not float(low) else f"{_length(low)} – {_length(high)}"
    return value


def _source(name: str) -> str:
    """`media/birds.csv` of `table:/home/ann/media/birds.csv`: what tells sources apart to people."""
    _, _, place = name.rpartition(":")
    parts = [part for part in place.split("/") if part]
    return "/".join(parts[-2:]) if name.startswith(PLACES) and parts else name


def _length(written: str) -> str:
    seconds = float(written)
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s" if seconds < 60 else clock(seconds)


def _in_order(field: str, counted: list[tuple[str, int]]) -> list[tuple[str, int]]:
    order = {"colour": COLOURS, "orientation": ORIENTATIONS}.get(field)
    return sorted(counted, key=lambda pair: order.index(pair[0])) if order else counted


assert set(FACETS) <= set(FIELDS) and set(FACETS) <= set(LABELS)
