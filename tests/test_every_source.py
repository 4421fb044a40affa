"""From every source to the hit, in either store: indexed, found by words, credited, and shown where its URL leads."""

from __future__ import annotations

import secrets
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOS, CommandLine
from museum_server import Museum, install_museum, pictures
from PIL import Image
from s3_server import credentials
from s3_server import serve as serve_s3
from stock_server import PexelsApi, UnsplashApi, picture, serving
from web_server import serve

from sightsound.stores.elastic.store import ElasticStore

NAMES = ("africa", "alpaca", "america", "baseball")
WANTED = "alpaca"
"""Second of the demo photographs, so that the stand-ins for the APIs have it too."""


@dataclass(frozen=True)
class Offer:
    """What `index` is told, and what the hit shall say. shows: the bytes at its view URL."""

    argument: str
    credit: str
    shows: bytes
    environment: dict[str, str] = field(default_factory=dict)


def photo(name: str = WANTED) -> bytes:
    return (PHOTOS / f"{name}.jpg").read_bytes()


def rows(url: str = "") -> str:
    lines = [f"{url}{name}.jpg,{name},Ann,CC0" for name in NAMES]
    return "\n".join(["path,title,author,licence", *lines]) + "\n"


@contextmanager
def folder(place: Path) -> Iterator[Offer]:
    """Files that say themselves whose they are."""
    for name in NAMES:
        with Image.open(PHOTOS / f"{name}.jpg") as opened:
            exif = opened.getexif()
            exif[0x9C9B], exif[315], exif[33432] = f"{name}\0".encode("utf-16-le"), "Ann", "CC0"
            opened.save(place / f"{name}.jpg", exif=exif)
    yield Offer(str(place), "alpaca by Ann, CC0", (place / "alpaca.jpg").read_bytes())


@contextmanager
def table(place: Path) -> Iterator[Offer]:
    for name in NAMES:
        (place / f"{name}.jpg").write_bytes(photo(name))
    (place / "media.csv").write_text(rows())
    yield Offer(str(place / "media.csv"), "alpaca by Ann, CC0", photo())


@contextmanager
def urls(place: Path) -> Iterator[Offer]:
    with serve(pictures) as web:
        (place / "links.csv").write_text(rows(f"{web.url}/"))
        allow = {"SIGHTSOUND_ALLOW_HOSTS": web.host}
        yield Offer(str(place / "links.csv"), "alpaca by Ann, CC0", photo(), allow)


@contextmanager
def s3(place: Path) -> Iterator[Offer]:
    with serve_s3() as server:
        server.put(**{f"a/{name}.jpg": photo(name) for name in NAMES}, **{"a/media.csv": rows().encode()})
        yield Offer("s3://media/a/media.csv", "alpaca by Ann, CC0", photo(), credentials(server.url))


@contextmanager
def unsplash(place: Path) -> Iterator[Offer]:
    with serving(UnsplashApi(count=4)) as api:
        yield Offer("unsplash:animals", "Photo by Jane Doe 1 on Unsplash", picture(1), api.environment())


@contextmanager
def pexels(place: Path) -> Iterator[Offer]:
    with serving(PexelsApi(count=4)) as api:
        yield Offer("pexels:animals", "Photo by Joey Farina 1 on Pexels", picture(1), api.environment())


@contextmanager
def museum(place: Path) -> Iterator[Offer]:
    """A stranger's plug-in: the worked example of the guide."""
    made = Museum(NAMES)
    with serve(made) as web:
        made.url = web.url
        environment = {**install_museum(place), "SIGHTSOUND_ALLOW_HOSTS": web.host}
        yield Offer(f"museum:{web.url}/api", "alpaca by Ann, CC BY 4.0", photo(), environment)


SOURCES: tuple[Callable[[Path], AbstractContextManager[Offer]], ...] = (
    folder,
    table,
    urls,
    s3,
    unsplash,
    pexels,
    museum,
)


@pytest.fixture(scope="module", params=SOURCES, ids=lambda source: source.__name__)
def offer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offer]:
    with request.param(tmp_path_factory.mktemp(request.param.__name__)) as made:
        yield made


@pytest.fixture(params=["local", "elasticsearch"])
def where(request: pytest.FixtureRequest, elasticsearch: str) -> Iterator[dict[str, str]]:
    """The environment that names the store."""
    if request.param == "local":
        yield {}
        return
    prefix = f"test{secrets.token_hex(4)}"
    yield {"SIGHTSOUND_STORE": elasticsearch, "SIGHTSOUND_ELASTICSEARCH_PREFIX": prefix}
    store = ElasticStore(elasticsearch, prefix)
    for name in store.collections():
        store.drop(name)


def test_a_picture_is_found_credited_and_shown(offer: Offer, where: dict[str, str], sightsound: CommandLine) -> None:
    environment = {**offer.environment, **where}
    indexed: Any = sightsound("index", offer.argument, "--json", **environment).json
    assert (indexed["added"], indexed["failed"], indexed["failures"]) == (4, 0, [])
    (hit,) = sightsound("search", "an alpaca", "--limit", 1, "--json", **environment).json["hits"]
    assert hit["title"] == WANTED and hit["probable"] is not False
    assert hit["credit"] == offer.credit
    view_url = hit["uri"] if hit["path"] else hit["view_url"]  # a file of this machine is shown by its path
    with urllib.request.urlopen(view_url) as shown:
        assert shown.read() == offer.shows
