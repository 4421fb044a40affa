"""The search answer as one JSON object, the same on the command line and in the API. Documented in docs/search.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sightsound.fusing import Match
from sightsound.opening import Sources
from sightsound.searching import Answer, FilePart, Hit, ItemPart, Part, TextPart
from sightsound.signatures import Axis
from sightsound.similar import Likeness, likeness_object
from sightsound.sources import is_hotlinked
from sightsound.types import FILE_LAYER, Item, Segment

VERSION = 1
"""Fields may be added within a version; none is removed or changes its meaning."""


PARTS = {"photo": "image", "sound": "sound", "film": "clip"}


def answer_object(answer: Answer, sources: Sources) -> dict[str, Any]:
    return {
        "version": VERSION,
        "total": answer.total,
        "next": answer.next,
        "hits": [hit_object(hit, answer.parts, sources) for hit in answer.hits],
    }


def hit_object(hit: Hit, parts: tuple[Part, ...] | list[Part] | Any, sources: Sources) -> dict[str, Any]:
    return {
        **item_object(hit.item, sources),
        "score": _rounded(hit.score),
        "confidence": _rounded(hit.confidence),
        "probable": hit.probable,
        "segments": [
            {
                "kind": segment.kind,
                "start": segment.start,
                "end": segment.end,
                "text": segment.text or None,
                "space": match.field,
                "score": _rounded(match.score),
            }
            for segment, match in hit.segments
        ],
        "moments": [
            {"start": moment.start, "end": moment.end, "confidence": _rounded(moment.match.confidence)}
            for moment in hit.moments
        ],
        "matched": [_matched(part, match) for part, match in zip(parts, hit.matched, strict=False)],
    }


def item_object(item: Item, sources: Sources) -> dict[str, Any]:
    """What is known of an item, as `show --json` and every hit give it."""
    said, source, path = item.metadata, sources.of(item), item.path
    return {
        "id": item.id,
        "uri": item.uri,
        "path": str(path) if path else None,
        "title": item.display_title,
        "description": said.description or None,
        "kind": item.kind,
        "credit": source.credit(item) or None,
        "credit_links": [{"text": words, "url": url or None} for words, url in source.credit_links(item)],
        "provider": dict(zip(("text", "url"), source.provider, strict=True)) if source.provider else None,
        "author": said.author or None,
        "licence": said.licence or None,
        "page_url": said.page_url or None,
        "view_url": source.view_url(item),
        "hotlink": is_hotlinked(item, source),
        "date": said.date or None,
        "tags": list(said.tags),
        "facts": dict(item.facts),
        "extra": dict(said.extra),
        "state": item.state,
        "reason": item.reason or None,
        "sources": item.sources,
        "content": item.content or None,
    }


def shown_object(item: Item, segments: Sequence[Segment], sources: Sources) -> dict[str, Any]:
    """All that is known of an item, as `show --json` gives it: where it comes from, and the item's segments."""
    return item_object(item, sources) | {
        "metadata_from": layers_object(item),
        "segments": [{"id": s.id, "kind": s.kind, "start": s.start, "end": s.end, "text": s.text} for s in segments],
    }


def alike_object(hits: Sequence[Likeness], weights: Mapping[Axis, float], sources: Sources) -> dict[str, Any]:
    """Films that are alike, as `similar --json` gives them."""
    found = [{**item_object(hit.item, sources), **likeness_object(hit)} for hit in hits]
    return {"version": VERSION, "weights": dict(weights), "hits": found}


def layers_object(item: Item) -> dict[str, Any]:
    """Where each piece of metadata comes from."""
    return {
        ("the file itself" if name == FILE_LAYER else name): {k: v for k, v in vars(layer).items() if v}
        for name, layer in item.layers.items()
    }


def _matched(part: Part, match: Match | None) -> dict[str, Any]:
    if isinstance(part, TextPart):
        described: dict[str, Any] = {"part": "text", "text": part.text}
    elif isinstance(part, FilePart):
        described = {"part": PARTS.get(part.kind or "", "file"), "path": str(part.path)}
    else:
        assert isinstance(part, ItemPart)
        described = {"part": "item", "id": part.item_id}
    score = (
        None
        if match is None
        else {
            "score": _rounded(match.score),
            "standardised": _rounded(match.standardised),
            "confidence": _rounded(match.confidence),
            "space": match.field,
        }
    )
    return {**described, "weight": part.weight, "match": score}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
