"""Plug-ins of strangers: found, isolated where they fail, and told apart where their names clash."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandLine, Ran

from sightsound import hookimpl, hookspecs
from sightsound.registry import load

COLOURS = """
    import numpy as np
    from sightsound import EncoderSpec, ImageInput, Space, hookimpl

    def prepare(image):
        return image.reshape(-1, 3).mean(axis=0).astype(np.float32) + 1

    class Mean:
        fingerprint = "mean 1"
        def encode(self, batch, role):
            made = np.stack(batch)
            return made / np.linalg.norm(made, axis=1, keepdims=True)

    @hookimpl
    def register_encoders(register):
        register(NAME, lambda argument: [
            EncoderSpec("mean", "image", Space("mean", 3), ImageInput(16), prepare, lambda device: Mean())])
"""

Install = Callable[[str, str], None]


class Strangers:
    """Installs distributions into a folder of their own, and runs the command line with it."""

    def __init__(self, folder: Path, line: CommandLine) -> None:
        self._folder, self._line = folder, line

    def install(self, distribution: str, code: str) -> None:
        module = distribution.replace("-", "_")
        information = self._folder / f"{module}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[sightsound]\nmine = {module}\n")
        (self._folder / f"{module}.py").write_text(textwrap.dedent(code))

    def __call__(self, *arguments: object, code: int = 0, **more: str) -> Ran:
        return self._line(*arguments, code=code, PYTHONPATH=str(self._folder), **more)


@pytest.fixture
def strangers(tmp_path: Path, sightsound: CommandLine) -> Strangers:
    return Strangers(tmp_path / "site", sightsound)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import numpy.nothing", "ModuleNotFoundError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError"),
        (
            """
            from sightsound import hookimpl
            @hookimpl
            def register_sources(register):
                register("half", print)
                raise RuntimeError("no key was set")
            """,
            "RuntimeError: no key was set",
        ),
        (
            """
            from sightsound import hookimpl
            @hookimpl
            def register_sources(register):
                register("a:b", print)
            """,
            "may not hold",
        ),
        (
            """
            from sightsound import hookimpl
            @hookimpl
            def register_sources(wrong_argument):
                pass
            """,
            "wrong_argument",
        ),
    ],
    ids=["import", "exit", "syntax", "registering", "name", "argument"],
)
def test_a_plug_in_that_fails_is_reported_and_stops_nothing(
    strangers: Strangers, copy_photos: Callable[..., Path], code: str, reason: str
) -> None:
    strangers.install("broken-thing", code)
    listed = strangers("plugins").out
    assert "mine@broken-thing" in listed
    assert reason in listed
    assert "half" not in listed
    assert reason in strangers("doctor", code=1).out
    strangers("index", copy_photos("cat.jpg"))
    assert "cat.jpg" in strangers("search", "a kitten").out


def test_a_switched_off_plug_in_is_not_loaded(strangers: Strangers) -> None:
    strangers.install("broken-thing", "import numpy.nothing")
    assert "broken-thing" not in strangers("plugins", SIGHTSOUND_DISABLE_PLUGINS="other, broken-thing").out


def test_names_that_clash_must_be_written_in_full_and_the_rest_works_on(
    strangers: Strangers, copy_photos: Callable[..., Path]
) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    strangers("index", photos, "--collection", "before")
    strangers.install("other-starter", COLOURS.replace("NAME", '"starter"'))
    refused = strangers("index", photos, code=1)
    assert "write starter@other-starter or starter@sightsound" in refused.err
    assert "starter@other-starter, starter@sightsound" in strangers("plugins").out
    assert "horse.jpg" in strangers("search", "a horse", "--collection", "before", "--limit", "1").out
    strangers("index", photos, "--encoders", "starter@other-starter")
    spaces = strangers("status", "--collection", "default", "--json").json["collections"][0]["spaces"]
    assert [space["space"] for space in spaces] == ["mean"]


def test_a_strangers_set_joins_the_built_in_one_in_a_collection(
    strangers: Strangers, copy_photos: Callable[..., Path]
) -> None:
    strangers.install("mean-colours", COLOURS.replace("NAME", '"mean"'))
    strangers("index", copy_photos("cat.jpg", "horse.jpg"), "--encoders", "starter,mean")
    hit = strangers("search", "--image", copy_photos("cat.jpg", folder="query") / "cat.jpg", "--json").json["hits"][0]
    assert {segment["space"] for segment in hit["segments"]} <= {"mean", "minilm", "efficientnet-lite0"}
    assert hit["path"].endswith("cat.jpg")


def test_an_unknown_set_names_those_there_are(strangers: Strangers, copy_photos: Callable[..., Path]) -> None:
    refused = strangers("index", copy_photos("cat.jpg"), "--encoders", "clop", code=1)
    assert "no encoder set named 'clop'. Known: " in refused.err and "starter" in refused.err


COMMANDS = """
    import typer
    from sightsound import hookimpl

    @hookimpl
    def register_commands(cli):
        @cli.command()
        def hello(name: str = "you"):
            print(f"hello {name}")

        @cli.command()
        def search():
            print("not the real one")

        more = typer.Typer()
        cli.add_typer(more, name="archive")

        @more.command()
        def tidy():
            print("tidied")

        @more.command()
        def burn():
            print("burnt")
"""


def test_a_plug_in_adds_commands_but_replaces_none(strangers: Strangers) -> None:
    strangers.install("more-commands", COMMANDS)
    assert strangers("hello", "--name", "Ada").out == "hello Ada\n"
    assert strangers("archive", "tidy").out == "tidied\n"
    shown = strangers("--help")
    assert "hello" in shown.out
    assert "the command 'search' of mine@more-commands is left out" in shown.err
    assert "Find photographs" in strangers("search", "--help").out


def test_commands_that_can_not_be_made_are_reported(strangers: Strangers) -> None:
    strangers.install(
        "bad-commands",
        """
        from sightsound import hookimpl
        @hookimpl
        def register_commands(cli):
            raise KeyError("secret")
        """,
    )
    assert "KeyError" in strangers("plugins").out
    strangers("status")


READER = """
    import numpy as np
    from sightsound import Learnt, Piece, hookimpl

    class Boxes:
        def reads(self, item):
            return item.uri.endswith("cat.jpg")
        def read(self, file, item, wanted):
            yield Learnt({"width": 1, "height": 2})
            yield Piece("photo", "image", np.full((64, 64, 3), 200, np.uint8))

    @hookimpl
    def register_readers(register):
        register("boxes", Boxes())
"""


def test_a_strangers_reader_is_asked_before_the_built_in_one(
    strangers: Strangers, copy_photos: Callable[..., Path]
) -> None:
    strangers.install("box-reader", READER)
    photos = copy_photos("cat.jpg", "horse.jpg")
    strangers("index", photos)
    assert strangers("show", photos / "cat.jpg", "--json").json["facts"]["height"] == 2
    assert strangers("show", photos / "horse.jpg", "--json").json["facts"]["height"] > 100


STORE = """
    from sightsound import hookimpl
    from sightsound.stores import open_local

    @hookimpl
    def register_stores(register):
        register("shelf", lambda location, create: open_local(location[8:], create)
                 if location.startswith("shelf://") else None)
"""


def test_a_strangers_store_is_used_for_its_locations(
    strangers: Strangers, tmp_path: Path, copy_photos: Callable[..., Path]
) -> None:
    strangers.install("shelf-store", STORE)
    where = f"shelf://{tmp_path}/shelf"
    strangers("index", copy_photos("cat.jpg"), "--store", where)
    assert "cat.jpg" in strangers("search", "kitten", "--store", where).out
    assert (tmp_path / "shelf" / "default").is_dir()
    refused = strangers("search", "kitten", "--store", "elsewhere://x", code=1)
    assert "No installed plug-in keeps collections at 'elsewhere://x'." in refused.err
    assert "There are: elasticsearch, local, shelf" in refused.err


def test_pages_are_registered_with_the_application() -> None:
    class Pages:
        @hookimpl
        def register_pages(self, app: Any) -> None:
            app.append("a page")

    found = load()
    found.add(Pages(), "pages", "stand-in")
    app: list[str] = []
    found.call_each("register_pages", lambda plugin: {"app": app})
    assert app == ["a page"]


def test_registering_imports_nothing_heavy(strangers: Strangers) -> None:
    strangers.install(
        "watcher",
        """
        import atexit, sys
        heavy = ("torch", "transformers", "onnxruntime", "tokenizers", "PIL", "sqlite3", "rich")
        atexit.register(lambda: print([name for name in heavy if name in sys.modules]))
        """,
    )
    for command in (["plugins"], ["--version"]):
        assert strangers(*command).out.splitlines()[-1] == "[]"


def test_every_hook_says_when_it_is_called_and_what_a_plug_in_may_not_do() -> None:
    hooks = [hook for name, hook in vars(hookspecs).items() if name.startswith("register_")]
    assert len(hooks) == 6
    for hook in hooks:
        said = " ".join((hook.__doc__ or "").split())
        arguments = hook.__annotations__.keys() - {"return"}
        assert "Called once" in said, hook
        assert "may not" in said, hook
        assert all(f"{argument}:" in said for argument in arguments), hook
