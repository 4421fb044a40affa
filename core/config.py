"""Settings: by flag, then `SIGHTSOUND_*`, then `sightsound.toml`, then the default.

`sightsound.toml` is looked for in the working folder, then in SIGHTSOUND_HOME or the platform's config folder.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from sightsound.errors import ConfigError

PREFIX = "SIGHTSOUND_"
FILE = "sightsound.toml"


@dataclass(frozen=True)
class Setting:
    name: str
    default: str
    help: str
    choices: tuple[str, ...] = ()


SETTINGS = (
    Setting(
        "store",
        "",
        "Where collections are kept: a folder, or the URL of an Elasticsearch. Default: what ELASTICSEARCH_URL or "
        "ELASTIC_CLOUD_ID name, else the data folder.",
    ),
    Setting("collection", "default", "The collection that commands work on."),
    Setting(
        "encoders",
        "",
        "Encoder sets for new collections, separated by commas. Default: clip where it is fetched, else starter.",
    ),
    Setting("device", "auto", "Where models run: cpu, cuda, mps, or auto for the best there is."),
    Setting("precision", "auto", "Of models: fp32, fp16, bf16, int8; auto is fp32 on a CPU, else the GPU's own."),
    Setting("allow_pickle", "no", "yes: read model weights that lie in pickle files. See docs/models.md."),
    Setting("workers", "", "Decoding processes. Default: one for each core."),
    Setting(
        "deadline",
        "60",
        "Seconds that reading a file may take without getting on, before it is given up; those in which it waits for a "
        "processor do not count.",
    ),
    Setting(
        "video_reader",
        "pyav",
        "What decodes films: pyav, decord or torchcodec.",
        choices=("pyav", "decord", "torchcodec"),
    ),
    Setting("memory", "2048", "Megabytes that one decoding process may take."),
    Setting(
        "elasticsearch_index",
        "int8_hnsw",
        "How Elasticsearch indexes the vectors of new collections: int8_hnsw, bbq_hnsw, hnsw, flat.",
    ),
    Setting("elasticsearch_m", "16", "Neighbours of a vector in its graph, for new collections."),
    Setting("elasticsearch_ef_construction", "100", "Candidates for these neighbours, for new collections."),
    Setting(
        "elasticsearch_oversample",
        "3",
        "With bbq_hnsw, how many times as many candidates are ranked by the full vectors, for new collections.",
    ),
    Setting("elasticsearch_shards", "1", "Shards of each index of new collections."),
    Setting(
        "elasticsearch_replicas",
        "0-1",
        "Copies of each shard of new collections: a number, or a range to be kept to as nodes allow.",
    ),
    Setting("elasticsearch_timeout", "60", "Seconds that one request to Elasticsearch may take."),
    Setting(
        "elasticsearch_patience",
        "300",
        "Seconds in which a write that Elasticsearch can't take now is tried again, before indexing is given up.",
    ),
    Setting("elasticsearch_prefix", "sightsound", "Begins the name of every index, so that a cluster can be shared."),
    Setting("unsplash_access_key", "", "The key to Unsplash's API; UNSPLASH_ACCESS_KEY goes first."),
    Setting("pexels_api_key", "", "The key to Pexels' API; PEXELS_API_KEY goes first."),
    Setting("unsplash_api", "https://api.unsplash.com", "Where Unsplash's API is."),
    Setting("pexels_api", "https://api.pexels.com", "Where Pexels' API is."),
    Setting(
        "allow_hosts",
        "",
        "HOST:PORT, separated by commas: hosts that URLs may name though they are not public. See docs/sources.md.",
    ),
    Setting("previews_megabytes", "2048", "The site: what all that is made to be shown may take; the oldest goes."),
    Setting("preview_minutes", "30", "The site: how long making a film that browsers play may take."),
    Setting("api_key", "", "The site: the key that browsers and clients must show. See docs/site.md."),
    Setting("site_hosts", "", "The site: names it is reached by, separated by commas; those of this machine always."),
    Setting("site_queue", "64", "The site: searches under way or waiting; the next is told to come again (503)."),
    Setting("site_rate", "20", "The site: requests a second by one client, past which it gets 429; 0: any number."),
    Setting("site_burst", "60", "The site: how many of these may come at once."),
    Setting("site_logs", "text", "The site: text, or json: a JSON object a line, with the request's id."),
    Setting("site_fetch", "no", "The site: yes lets visitors have a URL fetched to search by."),
    Setting("upload_megabytes", "50", "The site: the largest file that can be searched by."),
    Setting("upload_seconds", "60", "The site: how long reading such a file may take."),
    Setting("uploads_megabytes", "1024", "The site: what all such files may take; the oldest go first."),
    Setting("uploads_count", "1000", "The site: how many such files are kept; the oldest go first."),
    Setting("uploads_days", "7", "The site: how long such a file, and a link that names it, is good for."),
)
_NAMES = {setting.name: setting for setting in SETTINGS}
_flags: dict[str, str] = {}


def home() -> Path:
    """The data folder: SIGHTSOUND_HOME, else the platform's."""
    named = os.environ.get(PREFIX + "HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("sightsound", appauthor=False))


def cache_folder() -> Path:
    """The folder for what can be made again: within SIGHTSOUND_HOME, else the platform's."""
    named = os.environ.get(PREFIX + "HOME")
    return (
        Path(named).expanduser() / "cache"
        if named
        else Path(platformdirs.user_cache_dir("sightsound", appauthor=False))
    )


def use(name: str, flag: str | None) -> None:
    """Let a flag of the command line hold for the whole process; None changes nothing."""
    if flag is not None:
        _flags[name] = flag


def as_environment() -> dict[str, str]:
    """What flags say, as variables for a process that this one starts."""
    return {PREFIX + name.upper(): value for name, value in _flags.items()}


def config_files() -> list[Path]:
    """Where settings are looked for, the first winning."""
    named = os.environ.get(PREFIX + "HOME")
    folder = Path(named).expanduser() if named else Path(platformdirs.user_config_dir("sightsound", appauthor=False))
    return [Path.cwd() / FILE, folder / FILE]


def setting(name: str, flag: str | None = None) -> str:
    """The value of a setting. Raises ConfigError for a file that can't be read or names an unknown setting, and for a
    value that is none of the setting's choices."""
    value = _value(name, flag)
    choices = _NAMES[name].choices
    if choices and value not in choices:
        raise ConfigError(f"The setting {name} is '{value}'; it can be {', '.join(choices[:-1])} or {choices[-1]}")
    return value


def _value(name: str, flag: str | None) -> str:
    if flag or name in _flags:
        return flag or _flags[name]
    from_environment = os.environ.get(PREFIX + name.upper())
    if from_environment:
        return from_environment
    for path in config_files():
        value = _read(path).get(name)
        if value is not None:
            return str(value)
    return _default_store() if name == "store" else _NAMES[name].default


def _default_store() -> str:
    url, cloud = os.environ.get("ELASTICSEARCH_URL"), os.environ.get("ELASTIC_CLOUD_ID")
    return url or (f"cloud://{cloud}" if cloud else str(home() / "collections"))


def public(location: str) -> str:
    """Where a store is, as it may be shown: user and password are left out of URLs."""
    return re.sub(r"(\w://)[^/?#,]*@", r"\1", location)


def number(name: str) -> float:
    """A setting that is a positive number. Raises ConfigError."""
    value = setting(name)
    try:
        result = float(value)
    except ValueError:
        result = 0
    if result <= 0:
        raise ConfigError(f"The setting {name} is '{value}'; it must be a number above 0")
    return result


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from error
    unknown = sorted(set(found) - set(_NAMES))
    if unknown:
        raise ConfigError(f"{path} sets {', '.join(unknown)}; there are: {', '.join(_NAMES)}")
    return found
