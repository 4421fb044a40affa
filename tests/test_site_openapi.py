"""The API's description is valid, and true: of the routes there are, and of what they really answer."""

from __future__ import annotations

import io
import re
from typing import Any

import jsonschema
import pytest
from conftest import PHOTOS
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from sightsound.webapp.openapi import document

LINK = "#/components/schemas/"


def described() -> set[tuple[str, str]]:
    return {
        (method.upper(), re.sub(r"\{(\w+)}", r"<\1>", path))
        for path, methods in document()["paths"].items()
        for method in methods
    }


def test_the_description_is_valid_openapi(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200 and answer.json == document()
    assert answer.json["openapi"].startswith("3.1")
    validate(answer.json)


def test_every_route_is_described_and_every_description_is_a_route(site_app: Flask) -> None:
    routes = {
        (method, rule.rule)
        for rule in site_app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    assert described() == routes


def schema_of(path: str, method: str, status: int) -> dict[str, Any]:
    """The schema of an answer, with what it refers to."""
    operation = document()["paths"][path][method]
    answer = operation["responses"].get(str(status))
    assert answer, f"{method} {path} may not answer {status}"
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return {**schema, "components": document()["components"]}


def check(told: Any, path: str, method: str = "get", status: int = 200) -> None:
    jsonschema.Draft202012Validator(schema_of(path, method, status)).validate(told)


@pytest.mark.parametrize(
    ("url", "path", "status"),
    [
        ("/api/v1/search?q=a+boat", "/api/v1/search", 200),
        ("/api/v1/search?kind=photo", "/api/v1/search", 200),
        ("/api/v1/search?part=item:1:{id}&part=text:-1:x", "/api/v1/search", 200),
        ("/api/v1/search", "/api/v1/search", 400),
        ("/api/v1/search?part=upload:1:" + "0" * 64, "/api/v1/search", 404),
        ("/api/v1/facets?q=a+boat", "/api/v1/facets", 200),
        ("/api/v1/facets", "/api/v1/facets", 200),
        ("/api/v1/items/{id}/neighbours", "/api/v1/items/{id}/neighbours", 200),
        ("/api/v1/items/" + "0" * 32 + "/neighbours", "/api/v1/items/{id}/neighbours", 404),
        ("/api/v1/status", "/api/v1/status", 200),
        ("/api/v1/failed", "/api/v1/failed", 200),
    ],
)
def test_real_answers_are_as_described(url: str, path: str, status: int, client: FlaskClient) -> None:
    id = client.get("/api/v1/search?q=a+boat&limit=1").json["hits"][0]["id"]
    answer = client.get(url.replace("{id}", id))
    assert answer.status_code == status, answer.text
    check(answer.json, path, status=status)


def test_answers_to_files_are_as_described(client: FlaskClient) -> None:
    for path, status in (("/api/v1/search", 200), ("/api/v1/uploads", 201)):
        good = {"file": (io.BytesIO((PHOTOS / "cat.jpg").read_bytes()), "cat.jpg")}
        check(client.post(path, data=good).json, path, "post", status)
        bad = {"file": (io.BytesIO(b"nothing"), "cat.jpg")}
        check(client.post(path, data=bad).json, path, "post", 422)


def test_a_schema_would_notice_a_missing_field(client: FlaskClient) -> None:
    told = client.get("/api/v1/search?q=a+boat").json
    del told["hits"][0]["licence"]
    with pytest.raises(jsonschema.ValidationError):
        check(told, "/api/v1/search")
