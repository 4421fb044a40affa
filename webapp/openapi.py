"""The API's description, OpenAPI 3.1, kept by hand; tests hold it to the routes and to real answers."""

from __future__ import annotations

from functools import cache
from typing import Any

from sightsound import __version__
from sightsound.picks import FORMATS
from sightsound.similar import WEIGHTS
from sightsound.webapp.asking import FIELDS, LIMIT, MOST_LIMIT, MOST_OFFSET
from sightsound.webapp.schemas import SCHEMAS, array, integer, number, record, ref, text

Object = dict[str, Any]
STATUSES = {
    400: "The request is wrong; the message says what is right.",
    401: "An API key is needed.",
    403: "Refused: asked for by another site's page, or from another machine.",
    404: "There is no such item, upload or collection.",
    409: "The collection is in use, or was built with another model.",
    410: "The file is gone, or is not what was indexed.",
    413: "It is too large.",
    415: "It must be JSON.",
    421: "The site does not go by that name.",
    422: "The file can't be read.",
    429: "Too many requests; come again after Retry-After seconds.",
    502: "Its source can't be reached.",
    503: "Too much is under way, or the store is away; come again after Retry-After seconds.",
}
ALWAYS = (400, 401, 403, 404, 421, 429, 503)
"""What any path under /api/v1 may answer."""


@cache
def document() -> Object:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sightsound",
            "version": __version__,
            "summary": "Search photographs, films and sounds by what is seen and heard in them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "responses": {f"Error{status}": _error(status, said) for status, said in STATUSES.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "The setting api_key."}},
        },
    }


def _error(status: int, said: str) -> Object:
    made: Object = {"description": said, "content": _json("Error")}
    if status in (429, 503):
        made["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    return made


def _paths() -> Object:
    item = _parameter("id", text("An item's id.", pattern="^[0-9a-f]{32}$"), place="path")
    page = [
        _parameter("limit", integer("How many.", 1, MOST_LIMIT)),
        _parameter("offset", integer("How many to pass over: `next` of the page before.", 0, MOST_OFFSET)),
    ]
    return {
        "/api/v1/search": {
            "get": _operation("search", "Search by words, items and uploads.", "Answer", _asking()),
            "post": _operation(
                "searchWithFiles",
                "The same with files, which are kept as uploads.",
                "Answer",
                body=_form(
                    {
                        **{one["name"]: one["schema"] for one in _asking()},
                        "file": array({"type": "string", "contentMediaType": "application/octet-stream"}),
                        "weight": array({"type": "string"}, "Weights of the files, in their order; 1 where none is."),
                        "url": array({"type": "string"}, "URLs to fetch, where the site is set up for that."),
                    }
                ),
                more=(413, 422),
            ),
        },
        "/api/v1/facets": {
            "get": _operation("facets", "What a search can be narrowed to, with counts.", "Facets", _asking())
        },
        "/api/v1/uploads": {
            "post": _operation(
                "upload",
                "Keep a file to search by; `part=upload:1:ID` names it.",
                "Upload",
                body=_form(
                    {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "url": text("A URL to fetch instead, where the site is set up for that."),
                    }
                ),
                success=201,
                more=(413, 422),
            )
        },
        "/api/v1/items/{id}/neighbours": {
            "get": _operation("neighbours", "What is most like an item.", "Answer", [item, *page])
        },
        "/api/v1/items/{id}": {"get": _operation("item", "All that is known of an item.", "ShownItem", [item])},
        "/api/v1/items": {
            "post": _operation("items", "Items by their ids.", "Items", body=_posted(record({"ids": array(text())})))
        },
        "/api/v1/items/{id}/alike": {
            "get": _operation(
                "filmsAlike",
                "Films like a film, with the reasons.",
                "Alike",
                [item, *_axes(), _parameter("limit", integer("How many.", 1, 100))],
                more=(409,),
            )
        },
        "/api/v1/items/{id}/take": {
            "post": _operation(
                "take",
                "The original file. Its source is told of the download where its terms ask for that.",
                "",
                [item],
                more=(410, 422, 502),
                content={"application/octet-stream": {}},
            )
        },
        "/api/v1/export": {
            "post": _operation(
                "export",
                "Picked items and moments as credits, a table, a contact sheet or a cut list.",
                "",
                [
                    {**_parameter("format", {"type": "string", "enum": list(FORMATS)}), "required": True},
                    _parameter("title", text("The title; the file is named by it.")),
                ],
                body=_posted(record({"picks": array(ref("Pick"))})),
                content={"text/plain": {}, "text/csv": {}, "text/html": {}},
            )
        },
        "/api/v1/status": {"get": _operation("status", "The collections of the store.", "Status")},
        "/api/v1/failed": {"get": _operation("failed", "Items that could not be read, with reasons.", "Failed", page)},
        "/api/v1/retry": {
            "get": _operation("retrying", "How far the retry of what failed is, or how the last one ended.", "Retry"),
            "post": _operation("retry", "Try again what failed, in the background.", "Retry", success=202, more=(409,)),
        },
    }


def _axes() -> list[Object]:
    weight = number("What it counts.", minimum=0, maximum=100)
    return [_parameter(axis, {**weight, "default": usual}) for axis, usual in WEIGHTS.items()]


def _posted(schema: Object) -> Object:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _asking() -> list[Object]:
    """The arguments of a search: see asking.py."""
    words = {name: f"Only items with any of these; {name}." for name in FIELDS}
    return [
        _parameter("q", text("Words to look for.")),
        _parameter(
            "part",
            array(
                {"type": "string", "pattern": "^(text|item|upload):[^:]+:.+$"},
                "KIND:WEIGHT:VALUE, such as text:0.5:sunset, item:-1:ID, upload:1:ID. Below 0 pushes away.",
            ),
        ),
        *(_parameter(name, array({"type": "string"}, said)) for name, said in words.items()),
        _parameter("where", array({"type": "string"}, "Conditions: width>=2000, date<=2024-05.")),
        _parameter("after", text("Only items of this date or later: 2024, 2024-05-31.")),
        _parameter("before", text("Only items of this date or earlier.")),
        _parameter("then", text("What must follow in the same film or sound, in words.")),
        _parameter("within", text("How soon: 30s, 2m, 1:30.")),
        _parameter("sort", {"type": "string", "enum": ["score", "date"], "default": "score"}),
        _parameter("offset", integer("How many hits to pass over: `next` of the page before.", 0, MOST_OFFSET)),
        _parameter("limit", {**integer("How many hits.", 1, MOST_LIMIT), "default": LIMIT}),
    ]


def _parameter(name: str, schema: Object, place: str = "query") -> Object:
    made: Object = {"name": name, "in": place, "schema": schema, "required": place == "path"}
    if schema.get("type") == "array":
        made |= {"style": "form", "explode": True}
    return made


def _operation(
    id: str,
    said: str,
    schema: str,
    parameters: list[Object] | None = None,
    body: Object | None = None,
    success: int = 200,
    more: tuple[int, ...] = (),
    content: Object | None = None,
) -> Object:
    """more: statuses that this one may answer besides ALWAYS. content: what succeeds, where it is not JSON."""
    told = sorted({*ALWAYS, *more, *((413,) if body else ())})
    responses: Object = {str(success): {"description": "Well.", "content": content or _json(schema)}}
    responses |= {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in told}
    responses["default"] = {"description": "Any other error.", "content": _json("Error")}
    made: Object = {"operationId": id, "summary": said, "parameters": parameters or [], "responses": responses}
    return {**made, "requestBody": body} if body else made


def _json(schema: str) -> Object:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _form(properties: Object) -> Object:
    schema = {"type": "object", "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
