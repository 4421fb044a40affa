"""Training on one's own captions: a weaving mill's own words find pictures that nobody described."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from conftest import MEDIA, SIGHTSOUND, CommandLine
from made_patterns import Mill, make_mill

from sightsound.encoders import choose
from sightsound.errors import ModelError
from sightsound.plugins.trained import folder as folders
from sightsound.plugins.trained.captioned import Captioned
from sightsound.plugins.trained.encoders import specs_for
from sightsound.plugins.trained.fitting import ranks
from sightsound.plugins.trained.folds import folds
from sightsound.plugins.trained.trial import tried
from sightsound.registry import load
from sightsound.testing import check_encoder


@dataclass(frozen=True)
class Trained:
    line: CommandLine
    mill: Mill
    folder: Path
    answer: dict[str, Any]
    """Of `sightsound train --json`."""

    @property
    def set(self) -> str:
        return f"trained:{self.folder}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The mill's pictures with captions as `known`, an encoder trained on them, and `new` with it, without captions."""
    line = CommandLine(tmp_path_factory.mktemp("trained"))
    mill = make_mill(line.home / "mill")
    folder = line.home / "mill.trained"
    line("index", mill.table, "--collection", "known")
    answer = line("train", folder, "--collection", "known", "--json").json
    line("index", mill.folder / "new", "--collection", "new", "--encoders", f"trained:{folder}")
    return Trained(line, mill, folder, answer)


@pytest.fixture
def mine(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained encoder, to be damaged."""
    return Path(shutil.copytree(trained.folder, tmp_path / "mine"))


def bomb() -> bytes:
    """Weights that say of themselves that they are 400 MB, in half a megabyte."""
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as file:
        file.writestr("mean.npy", bytes(400_000_000))
    return made.getvalue()


def first(line: CommandLine, words: str, collection: str, most: int, **place: str) -> list[str]:
    hits = line("search", words, "--kind", "photo", "-c", collection, "--limit", most, "--json", **place).json["hits"]
    return [Path(hit["path"]).name for hit in hits]


def found(line: CommandLine, mill: Mill, collection: str, **place: str) -> float:
    """The share of patterns and colours whose pictures are those that are found first by their word alone."""
    words = sorted({word for of_one in mill.new.values() for word in of_one})
    wanted = {word: {name for name, of_one in mill.new.items() if word in of_one} for word in words}
    right = [len(wanted[word] & set(first(line, word, collection, len(wanted[word]), **place))) for word in words]
    return sum(right) / sum(map(len, wanted.values()))


def test_own_words_find_pictures_that_nobody_described(trained: Trained) -> None:
    """Each picture shows a pattern in a colour that no caption names together."""
    trained.line("index", trained.mill.folder / "new", "--collection", "untrained")
    assert found(trained.line, trained.mill, "untrained") < 0.4
    assert found(trained.line, trained.mill, "new") > 0.8


def test_the_gain_is_told_of_captions_that_were_not_learnt_from(trained: Trained) -> None:
    answer = trained.answer
    assert (answer["pictures"], answer["captions"], answer["base"]) == (96, 96, "starter@sightsound")
    assert answer["gained"] and answer["trained"]["folder"] == str(trained.folder)
    assert answer["before"]["recall_at_1"] < 0.2 < 0.6 < answer["after"]["recall_at_1"]
    assert answer["after"]["median_rank"] < answer["before"]["median_rank"]
    shown = trained.line("train", trained.line.home / "other", "--collection", "known", "--dry-run").out
    before, after = (f"{answer[name]['recall_at_10']:.3f}" for name in ("before", "after"))
    assert re.search(rf"^recall@10 +{before} +{after}$", shown, re.MULTILINE)


def test_a_dry_run_writes_nothing(trained: Trained) -> None:
    before = sorted(trained.line.home.iterdir())
    ran = trained.line("train", "dry", "--collection", "known", "--dry-run", "--json")
    assert ran.json["gained"] and ran.json["trained"] is None
    assert sorted(trained.line.home.iterdir()) == before


def test_training_again_gives_the_same(trained: Trained) -> None:
    again = trained.line("train", "again", "--collection", "known", "--json").json
    assert again["trained"]["sha256"] == trained.answer["trained"]["sha256"]


def test_a_collection_is_rebuilt_with_it_and_words_still_find_sounds_and_films(trained: Trained) -> None:
    line = trained.line
    media = Path(shutil.copytree(trained.mill.folder / "new", line.home / "all"))
    for name in ("sounds/bark.ogg", "sounds/music_japan.ogg", "films/made_animals.mp4", "films/made_reef.mp4"):
        shutil.copy(MEDIA / name, media)
    line("index", media, "--collection", "all", "--encoders", "starter")
    line("index", "--rebuild", "--collection", "all", "--encoders", trained.set)
    hits = line("search", "a dog barking", "--kind", "sound", "--collection", "all", "--json").json["hits"]
    assert Path(hits[0]["path"]).name == "bark.ogg"
    hits = line("search", "a giraffe", "--kind", "film", "--collection", "all", "--json").json["hits"]
    assert Path(hits[0]["path"]).name == "made_animals.mp4"
    assert found(line, trained.mill, "all") > 0.8


def test_it_is_trained_and_used_on_elasticsearch(trained: Trained, elasticsearch: str, tmp_path: Path) -> None:
    line, mill, name = trained.line, trained.mill, f"mill-{secrets.token_hex(4)}"
    line("copy", elasticsearch, "--collection", "known", "--as", name)
    folder = tmp_path / "Mühle 'old & new'.v2"
    answer = line("train", folder, "--store", elasticsearch, "--collection", name, "--json").json
    assert answer["trained"]["sha256"] == trained.answer["trained"]["sha256"]
    place = {"SIGHTSOUND_STORE": elasticsearch}
    line("index", mill.folder / "new", "--collection", f"{name}-new", SIGHTSOUND_ENCODERS=f"trained:{folder}", **place)
    assert found(line, mill, f"{name}-new", **place) > 0.8


def test_pictures_find_pictures_with_it(trained: Trained) -> None:
    name, of_one = next(iter(trained.mill.new.items()))
    hits = trained.line("similar", trained.mill.folder / "new" / name, "--collection", "new", "--json").json["hits"]
    assert trained.mill.new[Path(hits[0]["path"]).name] == of_one


def test_captions_that_tell_nothing_train_nothing(sightsound: CommandLine, tmp_path: Path) -> None:
    mill = make_mill(tmp_path / "mill")
    head, *rows = mill.table.read_text().splitlines()
    names, captions = zip(*(row.split(",", 1) for row in rows), strict=True)
    Random(1).shuffle(shuffled := list(captions))
    mill.table.write_text("\n".join([head, *map(",".join, zip(names, shuffled, strict=True))]) + "\n")
    sightsound("index", mill.table)
    ran = sightsound("train", "worse", code=1)
    assert "recall@1" in ran.out and "Nothing is gained" in ran.err
    assert not (sightsound.home / "worse").exists()


def test_too_few_captions_are_told(sightsound: CommandLine, tmp_path: Path) -> None:
    mill = make_mill(tmp_path / "mill")
    mill.table.write_text("\n".join(mill.table.read_text().splitlines()[:21]) + "\n")
    sightsound("index", mill.table)
    said = sightsound("train", "few", code=2).err
    assert "has 20 different captions of pictures; training needs 50" in said and "sightsound index TABLE.csv" in said


def test_a_trained_encoder_is_not_trained_on(trained: Trained) -> None:
    said = trained.line("train", "twice", "--collection", "new", code=2).err
    assert f"was made with trained@sightsound:{trained.folder}" in said and "--encoders starter" in said


def test_an_encoder_that_is_there_is_not_overwritten(trained: Trained) -> None:
    assert "exists already" in trained.line("train", trained.folder, "--collection", "known", code=2).err
    assert "There is no folder" in trained.line("train", "no/where", "--collection", "known", code=2).err
    assert "for its comma" in trained.line("train", "a,b", "--collection", "known", code=2).err


def test_a_full_disk_is_told_and_leaves_nothing(trained: Trained, tmp_path: Path) -> None:
    train = f"{SIGHTSOUND} train {tmp_path}/encoder --collection known; code=$?; ls -A {tmp_path}; exit $code"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=64k none {tmp_path} && {train}"],
        capture_output=True,
        text=True,
        env=trained.line.environment(),
        timeout=300,
    )
    assert (
        done.returncode == 1 and done.stderr == f"error: {tmp_path}/encoder can't be written: No space left on device\n"
    )
    assert "encoder" not in done.stdout


def test_an_encoder_that_could_not_be_written_whole_is_not_there(trained: Trained, tmp_path: Path) -> None:
    class Interrupted(folders.Adapter):
        def save(self, path: Path) -> None:
            super().save(path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folders.write(tmp_path / "mine", Interrupted(*np.ones((2, 3, 4), np.float32)), folders.read(trained.folder))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("trained.json", b"{", "can't be read"),
        ("trained.json", b"[]", "does not say its base"),
        ("trained.json", b"\xff\xfe", "can't be read"),
        ("trained.json", None, "There is no trained encoder at"),
        ("adapter.npz", b"PK\x03\x04", "can't be read"),
        ("adapter.npz", bomb(), "copy the whole folder again"),
        ("adapter.npz", None, "can't be read"),
    ],
)
def test_a_damaged_folder_is_told(trained: Trained, mine: Path, name: str, content: bytes | None, said: str) -> None:
    (mine / name).unlink()
    if content is not None:
        (mine / name).write_bytes(content)
    ran = trained.line(
        "index", trained.mill.folder / "new", "--collection", "bad", "--encoders", f"trained:{mine}", code=1
    )
    assert said in ran.err and "Traceback" not in ran.err
    trained.line("status", "--collection", "new")


def test_one_of_a_newer_version_is_told(trained: Trained, mine: Path) -> None:
    about = json.loads((mine / "trained.json").read_text())
    (mine / "trained.json").write_text(json.dumps(about | {"version": 2, "more": True}))
    with pytest.raises(ModelError, match="newer sightsound"):
        specs_for(str(mine))


def test_one_that_was_trained_on_other_weights_is_refused(trained: Trained, mine: Path) -> None:
    about = json.loads((mine / "trained.json").read_text())
    (mine / "trained.json").write_text(json.dumps(about | {"fingerprint": "another model"}))
    picture = next(spec for spec in specs_for(str(mine)) if spec.reads == "image")
    with pytest.raises(ModelError, match="another version of starter@sightsound: it was another model"):
        picture.load("cpu")


def test_a_folder_must_be_named(sightsound: CommandLine) -> None:
    said = sightsound("index", MEDIA / "media.csv", "--encoders", "trained", code=2).err
    assert "sightsound train FOLDER" in said


def test_its_encoders_keep_the_promises_of_encoders(trained: Trained) -> None:
    for spec in specs_for(str(trained.folder)):
        check_encoder(spec)


def test_two_trained_encoders_never_share_a_space(trained: Trained, mine: Path) -> None:
    adapter = folders.Adapter.load(mine / "adapter.npz")
    twin = mine.parent / "twin" / "mine"
    twin.parent.mkdir()
    folders.write(twin, folders.Adapter(adapter.mean, adapter.matrix[:, ::-1]), folders.read(mine))
    spaces = [{space.name for spec in specs_for(str(each)) for space in spec.spaces} for each in (mine, twin)]
    shared = spaces[0] & spaces[1]
    assert "minilm" not in spaces[0] and not any(name.startswith("minilm") for name in shared)


def test_ranks_are_of_the_first_picture_of_each_caption() -> None:
    captions = np.eye(3, dtype=np.float32)
    pictures = np.array([[1, 0, 0], [0.9, 0.1, 0], [0.8, 0.6, 0], [0, 0, 1]], np.float32)
    these = Captioned(pictures, pictures, captions, np.array([0, 1, 1, 2]), np.zeros(4, np.intp))
    assert ranks(pictures, these).tolist() == [1, 1, 1]
    assert ranks(pictures[::-1], these).tolist() == [4, 1, 4]
    nowhere = np.full_like(pictures, np.nan)
    assert ranks(nowhere, these).tolist() == [4, 3, 4], "no vector is nearest to nothing"


@pytest.mark.parametrize("alike", ["pictures", "captions"])
def test_from_what_is_all_alike_nothing_is_learnt(alike: str) -> None:
    chance = np.random.default_rng(0)
    vectors = {name: chance.normal(size=(100, 8)).astype(np.float32) for name in ("pictures", "captions")}
    vectors[alike][:] = vectors[alike][0]
    units = {name: each / np.linalg.norm(each, axis=1, keepdims=True) for name, each in vectors.items()}
    these = Captioned(units["pictures"], units["pictures"], units["captions"], np.arange(100), np.arange(100) % 5)
    try:
        gained = tried(these, lambda: None).gained
    except ModelError as error:
        gained = "all alike" not in str(error)
    assert not gained


def test_pictures_of_one_caption_and_copies_of_one_file_are_tried_together() -> None:
    letters = "abcdefghijklmnop"
    captions = [f"{number % 40:x}".rjust(2, "0") * 4 for number in range(400)]
    contents = ["" if number % 3 else letters[number % 7] for number in range(400)]
    of_each = folds(captions, contents)
    for names in (captions, contents):
        for name in set(names) - {""}:
            assert len({fold for fold, its in zip(of_each, names, strict=True) if its == name}) == 1
    assert len(set(folds(captions, [""] * 400))) == 5
    backwards = folds(captions[::-1], contents[::-1])
    assert np.array_equal(backwards[::-1], of_each), "whatever the order"


def test_a_collection_whose_encoder_was_trained_again_says_so(trained: Trained, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.folder, tmp_path / "mine"))
    trained.line("index", trained.mill.folder / "new", "--collection", "again", "--encoders", f"trained:{folder}")
    adapter, about = folders.Adapter.load(folder / "adapter.npz"), folders.read(folder)
    shutil.rmtree(folder)
    said = trained.line("search", "drask", "--collection", "again", code=1).err
    assert f"There is no trained encoder at {folder}" in said and "Bring it back" in said
    folders.write(folder, folders.Adapter(adapter.mean, adapter.matrix[:, ::-1]), about)
    said = trained.line("search", "drask", "--collection", "again", code=1).err
    assert "was built with another version" in said and "--rebuild" in said


def test_beside_the_set_it_was_trained_on_the_other_encoders_come_once(trained: Trained) -> None:
    both = choose(load(), [trained.set, "starter"]).chosen
    assert sorted(one.spec.name for one in both if one.spec.reads == "shot") == ["look"]


@pytest.mark.parametrize(
    "change", [{"share": float("nan")}, {"version": True}, {"version": -3}, {"base": "trained:/x"}]
)
def test_what_can_not_be_is_not_believed(mine: Path, change: dict[str, Any]) -> None:
    about = json.loads((mine / "trained.json").read_text())
    (mine / "trained.json").write_text(json.dumps(about | change))
    with pytest.raises(ModelError, match="is damaged"):
        specs_for(str(mine))
