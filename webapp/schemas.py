"""What the API answers with, as JSON Schema (2020-12, that of OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def text(said: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": said} if said else {}), **more}


def integer(said: str = "", least: int | None = None, most: int | None = None) -> Schema:
    bounds = {name: value for name, value in (("minimum", least), ("maximum", most)) if value is not None}
    return {"type": "integer", **({"description": said} if said else {}), **bounds}


def number(said: str = "", **more: Any) -> Schema:
    return {"type": "number", **({"description": said} if said else {}), **more}


def array(items: Schema, said: str = "") -> Schema:
    return {"type": "array", "items": items, **({"description": said} if said else {})}


def or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object of which every field is there but the optional ones. Fields may be added within a version."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


KIND = text(enum=["photo", "film", "sound", "text"])
VERSION = {"type": "integer", "const": 1}
NEXT = or_null(integer("The offset of the next page, or null.", 0))
CONFIDENCE = or_null(number("One minus the chance that an unrelated query does as well.", minimum=0, maximum=1))
SECONDS = or_null(number("Seconds."))

ITEM: dict[str, Schema] = {
    "id": text(pattern="^[0-9a-f]{32}$"),
    "uri": text(),
    "path": or_null(text("A local file's path on the site's machine.")),
    "title": text(),
    "description": or_null(text()),
    "kind": KIND,
    "credit": or_null(text("The line to show with the item.")),
    "credit_links": array(record({"text": text(), "url": or_null(text())})),
    "provider": {"oneOf": [record({"text": text(), "url": text()}), {"type": "null"}]},
    "author": or_null(text()),
    "licence": or_null(text()),
    "page_url": or_null(text()),
    "hotlink": {"type": "boolean", "description": "Whether it is shown by view_url alone, and no copy is kept."},
    "content": or_null(text("The SHA-256 of its content, or null where it has no file that was read.")),
    "view_url": or_null(text("Where a page shows it from, or null where the site serves it.")),
    "date": or_null(text("ISO 8601, as much as is known.")),
    "tags": array(text()),
    "facts": {"type": "object"},
    "extra": {"type": "object", "additionalProperties": {"type": "string"}},
    "state": text(enum=["ok", "partial", "stale", "failed"]),
    "reason": or_null(text()),
    "sources": array(text()),
}
MATCH = record({"score": number(), "standardised": number(), "confidence": CONFIDENCE, "space": text()})
HIT: dict[str, Schema] = {
    **ITEM,
    "score": or_null(number("Orders the hits of this answer only.")),
    "confidence": CONFIDENCE,
    "probable": or_null({"type": "boolean"}),
    "segments": array(
        record(
            {
                "kind": text(),
                "start": SECONDS,
                "end": SECONDS,
                "text": or_null(text()),
                "space": text(),
                "score": number(),
            }
        )
    ),
    "moments": array(record({"start": number(), "end": number(), "confidence": CONFIDENCE})),
    "matched": array(
        record(
            {
                "part": text(enum=["text", "image", "sound", "clip", "file", "item"]),
                "text": text(),
                "path": text("An upload's id."),
                "id": text(),
                "weight": number(),
                "match": {"oneOf": [MATCH, {"type": "null"}]},
            },
            optional=("text", "path", "id"),
        ),
        "The best match of each part of the query, in its order.",
    ),
}
AXES: Schema = {"type": "object", "additionalProperties": number("Of look, sound or meaning.")}
ALIKE: dict[str, Schema] = {
    **ITEM,
    "score": number("Orders the films of this answer only."),
    "axes": AXES,
    "pairs": array(
        record(
            {
                "axis": text(enum=["look", "sound", "meaning"]),
                "start": SECONDS,
                "end": SECONDS,
                "their_start": SECONDS,
                "their_end": SECONDS,
                "score": number("A cosine."),
            }
        ),
        "The stretches that agree most.",
    ),
}

SCHEMAS: dict[str, Schema] = {
    "Error": record({"error": record({"code": text("In words of a program."), "message": text("For people.")})}),
    "Item": record(ITEM),
    "ShownItem": record(
        {
            **ITEM,
            "metadata_from": {"type": "object", "additionalProperties": {"type": "object"}},
            "segments": array(record({"id": text(), "kind": text(), "start": SECONDS, "end": SECONDS, "text": text()})),
        }
    ),
    "Items": record({"version": VERSION, "items": array(ref("Item")), "missing": array(text("An id that is gone."))}),
    "Alike": record({"version": VERSION, "weights": AXES, "hits": array(record(ALIKE))}),
    "Pick": record(
        {"id": text(pattern="^[0-9a-f]{32}$"), "start": SECONDS, "end": SECONDS, "title": text()},
        optional=("start", "end", "title"),
    ),
    "Answer": record(
        {
            "version": VERSION,
            "total": integer("Hits that can be paged.", 0),
            "next": NEXT,
            "hits": array(record(HIT)),
        }
    ),
    "Facets": record(
        {
            "version": VERSION,
            "facets": {
                "type": "object",
                "additionalProperties": array(record({"value": text(), "count": integer("", 0)})),
            },
        }
    ),
    "Upload": record(
        {
            "id": text("SHA-256 of the content.", pattern="^[0-9a-f]{64}$"),
            "kind": text(enum=["photo", "film", "sound"]),
            "expires": number("Seconds since 1970."),
        }
    ),
    "Retry": record(
        {
            "state": text(enum=["idle", "running", "done", "refused", "failed"]),
            "total": integer("How many items had failed when it began.", 0),
            "done": integer("How many of these were looked at again.", 0),
            "failed": integer("How many of them failed again.", 0),
            "message": text("Why it was refused or failed."),
        }
    ),
    "Status": record(
        {
            "version": VERSION,
            "serving": text("The collection that is searched."),
            "store": text("Where collections are kept."),
            "collections": array(
                record(
                    {
                        "collection": text(),
                        "items": {"type": "object", "additionalProperties": integer("", 0)},
                        "failed": integer("", 0),
                        "spaces": array(record({"space": text(), "segments": text(), "vectors": integer("", 0)})),
                        "encoders": array(
                            record({"set": text(), "name": text(), "reads": text(), "fingerprint": text()})
                        ),
                        "sources": array(text()),
                        "calibrated": {"type": "boolean"},
                        "calibrated_items": integer("How many items there were when it was last calibrated.", 0),
                        "bytes": integer("", 0),
                    }
                )
            ),
        }
    ),
    "Failed": record(
        {
            "version": VERSION,
            "total": integer("", 0),
            "next": NEXT,
            "failed": array(
                record(
                    {
                        "uri": text(),
                        "reason": text(),
                        "source": text(),
                        "when": text(),
                        "stale": {"type": "boolean", "description": "Whether it is still found by what was read."},
                    }
                )
            ),
        }
    ),
}
