"""Fetching models: from a hub on this machine, spoken to by the real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PHOTOS, CommandLine
from hub_server import Hub, serve
from tiny_models import clip_folder, open_clip_folder

from sightsound.plugins.towers.catalogue import DEFAULT, catalogue

FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as hub:
        yield hub


def test_a_pulled_model_indexes_and_searches_by_its_commit(sightsound: CommandLine, hub: Hub, tmp_path: Path) -> None:
    hub.repositories["acme/tiny"] = (FIRST, clip_folder(tmp_path / "one"))
    online = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret"}
    said = sightsound("models", "pull", "hf:acme/tiny", **online)
    assert f"hf:acme/tiny@{FIRST} is here" in said.out
    assert "Bearer hf_secret" in {token for _, token in hub.asked}
    asked = len(hub.asked)
    sightsound("index", PHOTOS / "cat.jpg", "--encoders", "hf:acme/tiny", **online)
    sets = {one["set"] for one in sightsound("status", "--json").json["collections"][0]["encoders"]}
    assert sets == {f"hf@sightsound:acme/tiny@{FIRST}"}
    hub.repositories["acme/tiny"] = (SECOND, clip_folder(tmp_path / "two", seed=1))
    sightsound("search", "a cat", **online)
    assert len(hub.asked) == asked, "only pull speaks to the hub"
    assert f"@{SECOND}" in sightsound("models", "pull", "hf:acme/tiny", **online).out
    assert sightsound("search", "a cat", "--json").json["hits"], "it goes on with the model it was made with"
    refused = sightsound("index", PHOTOS, "--encoders", "hf:acme/tiny", code=2)
    assert f"acme/tiny@{FIRST}" in refused.err, "and takes no other"


def test_the_default_is_taken_once_it_is_pulled(sightsound: CommandLine, hub: Hub, tmp_path: Path) -> None:
    hub.repositories[catalogue()[DEFAULT].repository] = (FIRST, open_clip_folder(tmp_path / "tiny"))
    ran = sightsound("models", "pull", "clip", HF_ENDPOINT=hub.url)
    assert "about 605 MB" in ran.err
    assert f"* clip:{DEFAULT}" in sightsound("models").out
    assert f"clip:{DEFAULT}: ok" in sightsound("models", "verify").out
    ran = sightsound("index", PHOTOS, code=1)
    assert "does not fit the model ViT-B-32" in ran.err, "these weights are another model's"


def test_an_interrupted_download_goes_on(sightsound: CommandLine, hub: Hub, tmp_path: Path) -> None:
    hub.repositories["acme/tiny"] = (FIRST, clip_folder(tmp_path / "one"))
    hub.cut = 1
    sightsound("models", "pull", "hf:acme/tiny", HF_ENDPOINT=hub.url)
    assert "hf:acme/tiny: ok" in sightsound("models", "verify", "hf:acme/tiny").out
    assert hub.cut == 0


def test_what_the_hub_refuses_is_said(sightsound: CommandLine, hub: Hub, tmp_path: Path) -> None:
    def refused(model: str) -> str:
        return sightsound("models", "pull", model, code=1, HF_ENDPOINT=hub.url, HF_TOKEN="").err

    assert "no model acme/none, or it is private" in refused("hf:acme/none")
    hub.repositories["acme/gated"] = (FIRST, clip_folder(tmp_path / "one"))
    hub.gated.add("acme/gated")
    assert "terms to be accepted" in refused("hf:acme/gated") and "HF_TOKEN" in refused("hf:acme/gated")
    (tmp_path / "empty").mkdir()
    hub.repositories["acme/empty"] = (FIRST, tmp_path / "empty")
    assert "has none of model.safetensors" in refused("hf:acme/empty")
    hub.url = "http://127.0.0.1:9"
    unreachable = refused("hf:acme/none")
    assert "can't be fetched" in unreachable and "models--acme--none" in unreachable
