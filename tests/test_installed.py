"""What a stranger gets: the wheel in an empty environment, and a plug-in of their own beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import PHOTOS, ROOT

MEGABYTE = 1e6


class Environment:
    """A virtual environment with nothing but what was installed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)

    def ended(self, *command: object) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, from a folder outside of the project."""
        program, *arguments = map(str, command)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SIGHTSOUND_", "PYTHONPATH", "VIRTUAL_ENV"))}
        return subprocess.run(
            [self.folder / "venv" / "bin" / program, *arguments],
            cwd=self.folder,
            env={**kept, "SIGHTSOUND_HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
        )

    def run(self, *command: object) -> str:
        """What a program prints that ends well."""
        done = self.ended(*command)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    @property
    def packages(self) -> Path:
        return next((self.folder / "venv" / "lib").glob("python*/site-packages"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("installed"))
    made.run("pip", "install", "--quiet", wheel, ROOT / "examples" / "sightsound-colours")
    return made


def test_the_wheel_holds_models_licences_and_types_but_no_demo_media(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "sightsound/py.typed",
        "sightsound/plugins/image/models/efficientnet-lite0.onnx",
        "sightsound/plugins/image/models/adapter.npz",
        "sightsound/plugins/text/models/all-MiniLM-L6-v2.onnx",
        "sightsound/plugins/text/background.txt",
        "sightsound/webapp/templates/base.html",
        "sightsound/webapp/static/site.css",
    ):
        assert wanted in names
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert not [name for name in names if name.startswith(("core", "plugins", "webapp", "tests", "examples"))]


def test_the_adapters_weights_stay_small() -> None:
    assert (ROOT / "plugins/image/models/adapter.npz").stat().st_size < 3 * MEGABYTE


def test_the_light_install_lists_models_and_says_what_they_need(installed: Environment) -> None:
    listed = installed.run("sightsound", "models")
    assert "* starter" in listed and "clip:ViT-B-16/dfn2b" in listed
    said = installed.ended("sightsound", "models", "pull", "clip")
    assert "pip install 'sightsound[clip]'" in said.stderr and "Traceback" not in said.stderr


def test_the_light_install_is_small_and_has_no_torch(installed: Environment) -> None:
    folders = [path for path in installed.packages.iterdir() if not path.name.startswith(("pip", "setuptools"))]
    assert "torch" not in {path.name for path in folders}
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    assert size < 400 * MEGABYTE, f"{size / MEGABYTE:.0f} MB"


def test_the_installed_wheel_indexes_and_searches(installed: Environment) -> None:
    folder = installed.folder / "photos"
    folder.mkdir()
    for name in ("cat.jpg", "horse.jpg", "eiffeltower.jpg"):
        (folder / name).write_bytes((PHOTOS / name).read_bytes())
    installed.run("sightsound", "index", folder)
    assert installed.run("sightsound", "search", "a tall tower", "--paths", "--limit", 1).endswith("eiffeltower.jpg\n")


def test_damaged_models_are_named_with_what_mends_them(installed: Environment) -> None:
    assert "No problems found." in installed.run("sightsound", "doctor")
    (installed.folder / "cat.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes())
    installed.run("sightsound", "index", "cat.jpg", "--collection", "one")
    model = installed.packages / "sightsound" / "plugins" / "text" / "models" / "all-MiniLM-L6-v2.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:100_000])
    try:
        ran = installed.ended("sightsound", "search", "a cat", "--collection", "one")
        assert ran.returncode == 1 and ran.stderr.startswith(
            f"error: The model {model.name} can't be loaded: InvalidProtobuf: "
        )
        assert ran.stderr.count("\n") == 1 and "sightsound doctor" in ran.stderr
        ran = installed.ended("sightsound", "doctor")
        assert ran.returncode == 1
        assert (
            "problem: sightsound: sightsound/plugins/text/models/all-MiniLM-L6-v2.onnx is not as it was installed;"
            " install it again: pip install --force-reinstall --no-deps sightsound\n"
        ) in ran.stdout
    finally:
        model.write_bytes(whole)


def test_the_light_install_says_what_sounds_and_films_need(installed: Environment) -> None:
    folder, media = installed.folder / "mixed", PHOTOS.parent
    folder.mkdir()
    for path in (PHOTOS / "cat.jpg", media / "sounds" / "bark.ogg", media / "films" / "bunny_stretch.mp4"):
        (folder / path.name).write_bytes(path.read_bytes())

    def ran(*command: str | Path) -> tuple[int, str, str]:
        done = installed.ended("sightsound", *command, "--collection", "mixed")
        return done.returncode, done.stdout, done.stderr

    sounds = "sounds need further packages: pip install 'sightsound[audio]'"
    films = "films need further packages: pip install 'sightsound[video]'"
    code, out, said = ran("index", folder)
    assert code == 0 and "1 added, 2 skipped" in out
    assert f"1 skipped: {sounds}" in said and f"1 skipped: {films}" in said
    assert ran("search", "--like", "mixed/bark.ogg") == (
        2,
        "",
        f"error: mixed/bark.ogg can't be searched by: {sounds}\n",
    )
    for command in (("search", "--like"), ("similar",)):
        code, out, said = ran(*command, "mixed/bunny_stretch.mp4")
        assert (code, out) == (2, "") and said.endswith(films + "\n"), said


def test_a_strangers_encoder_and_source_work_without_a_change_to_core(installed: Environment) -> None:
    album = installed.folder / "album.zip"
    with zipfile.ZipFile(album, "w") as archive:
        for name in ("cat.jpg", "polar_bear.jpg", "fish25.jpg", "tajmahal.jpg"):
            archive.write(PHOTOS / name, f"summer 2024/{name}")
    shown = installed.run("sightsound", "plugins")
    assert "archives@sightsound-colours" in shown
    assert "encoders: clap, clip, colours, hf, look, starter" in shown
    installed.run("sightsound", "index", album, "--encoders", "colours,starter", "--collection", "album")
    by_picture = installed.run(
        "sightsound", "search", "--image", PHOTOS / "fish25.jpg", "--collection", "album", "--paths", "--limit", 1
    )
    assert by_picture.endswith("album.zip#summer%202024/fish25.jpg\n")
    by_words = installed.run("sightsound", "search", "a bear", "--collection", "album", "--paths", "--limit", 1)
    assert by_words.endswith("polar_bear.jpg\n")


def test_the_examples_own_plug_ins_pass_the_test_kit(installed: Environment) -> None:
    script = """
        from pathlib import Path
        from sightsound.testing import check_encoder, check_source
        from sightsound_colours.archives import Archive
        from sightsound_colours.colours import colours
        check_encoder(colours("")[0])
        assert len(check_source(Archive(Path("album.zip").absolute()))) == 4
    """
    installed.run("python", "-c", "\n".join(line.strip() for line in script.splitlines()))


def test_the_examples_encoder_is_short() -> None:
    code = ROOT / "examples/sightsound-colours/sightsound_colours/colours.py"
    assert len(code.read_text().splitlines()) <= 35
