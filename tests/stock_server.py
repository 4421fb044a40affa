"""Stand-ins for the APIs of Unsplash and Pexels: answers with all the fields that their documentation describes, limits
that are counted, and faults."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conftest import PHOTOS
from PIL import Image, ImageDraw
from web_server import Answer, Request, Web, serve

NAMES = sorted(path.name for path in PHOTOS.glob("*.jpg"))
KEY = "canary-7f3Q-key_of-the.stock-API"


@cache
def picture(number: int) -> bytes:
    """A JPEG that is like no other: a demo photograph, made small and marked with its number."""
    with Image.open(PHOTOS / NAMES[number % len(NAMES)]) as opened:
        small = opened.convert("RGB")
        small.thumbnail((256, 256))
    ImageDraw.Draw(small).text((2, 2), str(number), fill=(number % 256, number // 256 % 256, 99))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()


@dataclass
class Stock:
    """An API. count: photos it has. limit: requests that it grants in a window of so many seconds. over: requests that
    came above that. fault: what is wrong with the picture of a number, given the request; None for nothing.
    changed: changes what is said of a photo."""

    count: int = 90
    limit: int = 50
    window: float = 3600
    used: int = 0
    since: float = 0
    over: int = 0
    key: str = KEY
    web: Web = field(default_factory=lambda: Web(0, lambda request: Answer()))
    fault: Callable[[int, int], Answer | None] = lambda number, times: None
    changed: Callable[[int, dict[str, Any]], Any] = lambda number, said: said
    refused: Callable[[Request], Answer | None] = lambda request: None
    fetched: dict[str, int] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    def rate(self, request: Request) -> tuple[Answer | None, dict[str, str]]:
        """Count a request: what refuses it, and the headers that tell of the limit."""
        now = time.time()
        if now - self.since > self.window:
            self.used, self.since = 0, now
        self.used += 1
        left = self.limit - self.used
        headers = {"X-Ratelimit-Limit": str(self.limit), "X-Ratelimit-Remaining": str(max(0, left))}
        if left < 0:
            self.over += 1
            return Answer(b"Rate Limit Exceeded", 403, {"Content-Type": "text/plain", **headers}), headers
        return None, headers

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/image/"):
            return self.image(request)
        if self.key not in request.headers.get("authorization", ""):
            return reply({"errors": ["OAuth error: The access token is invalid"]}, 401)
        refusal, headers = self.rate(request)
        refusal = refusal or self.refused(request)
        if refusal:
            return refusal
        return reply(self.said(request), 200, headers)

    def image(self, request: Request) -> Answer:
        number = int(request.path.split("/")[2])
        assert "authorization" not in request.headers
        if request.method == "GET":
            self.fetched[request.path] = self.fetched.get(request.path, 0) + 1
        fault = self.fault(number, self.fetched.get(request.path, 0))
        return fault or Answer(picture(number))

    def said(self, request: Request) -> Any:
        raise NotImplementedError

    def page(self, request: Request, most: int) -> list[int]:
        per_page = min(most, int(request.query.get("per_page", 10)))
        begin = (int(request.query.get("page", 1)) - 1) * per_page
        return list(range(self.count))[begin : begin + per_page]


def reply(said: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Answer(body, status, {"Content-Type": "application/json", **(headers or {})})


class UnsplashApi(Stock):
    def environment(self) -> dict[str, str]:
        return {
            "UNSPLASH_ACCESS_KEY": self.key,
            "SIGHTSOUND_UNSPLASH_API": self.web.url,
            "SIGHTSOUND_ALLOW_HOSTS": self.web.host,
        }

    def said(self, request: Request) -> Any:
        if request.path.endswith("/download"):
            number = request.path.split("/")[2].removeprefix("photo")
            self.taken.append(number)
            return {"url": f"{self.web.url}/image/{number}/original"}
        photos = [self.changed(number, self.photo(number)) for number in self.page(request, 30)]
        if request.path == "/search/photos":
            return {"total": self.count, "total_pages": -(-self.count // 30), "results": photos}
        return photos

    def photo(self, number: int) -> dict[str, Any]:
        file = f"{self.web.url}/image/{number}/file?ixlib=rb-4.0.3&ixid=M3w{time.time_ns()}"
        api, site = self.web.url, "https://unsplash.com"
        return {
            "id": f"photo{number}",
            "slug": f"a-picture-photo{number}",
            "created_at": "2016-07-14T11:00:01-04:00",
            "updated_at": "2023-05-01T06:00:01Z",
            "promoted_at": None,
            "width": 5616,
            "height": 3744,
            "color": "#6E633A",
            "blur_hash": "L~I64nofRjof%MQZWBS$Mxnhx]t6",
            "description": "A man sitting on a rock" if number % 2 else None,
            "alt_description": NAMES[number % len(NAMES)].removesuffix(".jpg"),
            "likes": 24,
            "liked_by_user": False,
            "downloads": 1345,
            "tags": [{"type": "landing_page", "title": "lake"}, {"type": "search", "title": "water"}],
            "current_user_collections": [],
            "urls": {size: f"{file}&size={size}" for size in ("raw", "full", "regular", "small", "thumb", "small_s3")},
            "links": {
                "self": f"{api}/photos/photo{number}",
                "html": f"{site}/photos/a-picture-photo{number}",
                "download": f"{site}/photos/photo{number}/download",
                "download_location": f"{api}/photos/photo{number}/download?ixid=M3w{number}",
            },
            "user": {
                "id": f"user{number}",
                "username": f"jane{number}",
                "name": f"Jane Doe {number}",
                "first_name": "Jane",
                "last_name": None,
                "portfolio_url": None,
                "bio": "<b>bio</b>",
                "location": None,
                "links": {
                    "self": f"{api}/users/jane{number}",
                    "html": f"{site}/@jane{number}",
                    "photos": f"{api}/users/jane{number}/photos",
                    "likes": f"{api}/users/jane{number}/likes",
                },
                "profile_image": {"small": f"{api}/p.jpg", "medium": f"{api}/p.jpg", "large": f"{api}/p.jpg"},
            },
        }


class PexelsApi(Stock):
    reset: float = 0

    def environment(self) -> dict[str, str]:
        return {
            "PEXELS_API_KEY": self.key,
            "SIGHTSOUND_PEXELS_API": self.web.url,
            "SIGHTSOUND_ALLOW_HOSTS": self.web.host,
        }

    def rate(self, request: Request) -> tuple[Answer | None, dict[str, str]]:
        refusal, headers = super().rate(request)
        headers |= {"X-Ratelimit-Reset": str(int(self.since + self.window) + 1)}
        return refusal and Answer(b"", 429, headers), headers

    def said(self, request: Request) -> Any:
        numbers = self.page(request, 80)
        films = request.path.startswith("/videos")
        said = [self.changed(number, self.video(number) if films else self.photo(number)) for number in numbers]
        return {
            "page": int(request.query.get("page", 1)),
            "per_page": len(numbers),
            "total_results": self.count,
            "videos" if films else "photos": said,
            **({"next_page": f"{self.web.url}{request.path}?page=2"} if self.count - 1 not in numbers else {}),
            "url": "https://www.pexels.com/search/x/",
        }

    def photo(self, number: int) -> dict[str, Any]:
        file = f"{self.web.url}/image/{number}/pexels-photo.jpeg"
        sizes = ("original", "large2x", "large", "medium", "small", "portrait", "landscape", "tiny")
        return {
            "id": number + 1,
            "width": 3066,
            "height": 3968,
            "url": f"https://www.pexels.com/photo/a-picture-{number + 1}/",
            "photographer": f"Joey Farina {number}",
            "photographer_url": "https://www.pexels.com/@joey",
            "photographer_id": 680589,
            "avg_color": "#978E82",
            "src": {size: f"{file}?size={size}" for size in sizes},
            "liked": False,
            "alt": NAMES[number % len(NAMES)].removesuffix(".jpg"),
        }

    def video(self, number: int) -> dict[str, Any]:
        file = f"{self.web.url}/image/{number}"
        sizes = ((640, 360, "sd"), (1280, 720, "hd"), (1920, 1080, "hd"))
        return {
            "id": number + 1,
            "width": 1920,
            "height": 1080,
            "url": f"https://www.pexels.com/video/waves-on-a-shore-{number + 1}/",
            "image": f"{file}/poster.jpeg",
            "full_res": None,
            "tags": [],
            "duration": 12,
            "user": {"id": 1, "name": "Ruvim Miksanskiy", "url": "https://www.pexels.com/@digitech"},
            "video_files": [
                *(
                    {
                        "id": wide,
                        "quality": quality,
                        "file_type": "video/mp4",
                        "width": wide,
                        "height": high,
                        "fps": 25.0,
                        "link": f"{file}/{wide}.mp4",
                    }
                    for wide, high, quality in sizes
                ),
                {
                    "id": 9,
                    "quality": "hls",
                    "file_type": "application/x-mpegURL",
                    "width": None,
                    "height": None,
                    "link": f"{file}/list.m3u8",
                },
            ],
            "video_pictures": [{"id": 1, "picture": f"{file}/1.jpeg", "nr": 0}],
        }


@contextmanager
def serving(api: Stock) -> Iterator[Any]:
    with serve(api.answer) as web:
        api.web = web
        yield api
