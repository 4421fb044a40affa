"""What indices and aliases are called: `sightsound-COLLECTION--SPACE`, and `-v0001` behind the alias.

The name of a collection or space is kept where it can be: lower-case letters, digits, `_`, `.` and single hyphens.
Any other character is written `~` and two hex digits for each of its bytes, so that no two names are written alike
and each can be read back. Two hyphens are only between collection and space.
"""

from __future__ import annotations

import re

from sightsound.errors import UsageError
from sightsound.stores.base import SUFFIX

ITEMS = "items"
SEGMENTS = "segments"
"""The alias of all spaces of a collection together."""
SAID = "said"
_RESERVED = (ITEMS, SEGMENTS, SAID)
_LONGEST = 100
_PLAIN = re.compile(r"[a-z0-9_.-]")
_VERSION = re.compile(r"-v(\d{4,})$")
_ESCAPE = re.compile(r"~([0-9a-f]{2})")


def written(name: str) -> str:
    """The name as part of an index's. Raises UsageError for one that is too long."""
    made = ""
    version = _VERSION.search(name)
    for place, letter in enumerate(name):
        last = place == len(name) - 1
        kept = _PLAIN.fullmatch(letter) is not None
        if letter == "-":
            kept = not last and made != "" and not made.endswith("-")
        elif place == 0:
            kept = kept and name not in _RESERVED
        elif version and place == version.start() + 1:
            kept = False
        made += letter if kept else "".join(f"~{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
    if len(made) > _LONGEST:
        raise UsageError(f"'{name}' is too long for an Elasticsearch index: use a shorter name, or fewer capitals")
    return made


def read(made: str) -> str:
    """The name that was written so."""
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), made).encode("latin-1", "replace")
    return raw.decode("utf-8", "replace")


def alias(prefix: str, collection: str, of: str) -> str:
    """The alias of a space, or of what is _RESERVED, of a collection."""
    return f"{prefix}-{written(collection)}--{of if of in _RESERVED else written(of)}"


def space_alias(prefix: str, collection: str, space: str) -> str:
    return f"{prefix}-{written(collection)}--{written(space)}"


def physical(alias: str, version: int) -> str:
    return f"{alias}-v{version:04}"


def version_of(physical: str) -> int:
    """The version of an index, 0 for what is none."""
    found = _VERSION.search(physical)
    return int(found[1]) if found else 0


def generation(physical: str) -> str:
    """What the indices of one collection have in common, and no two collections at one time."""
    return f"{physical.partition('--')[0]}-v{version_of(physical)}"


def collection_of(prefix: str, items_alias: str) -> str:
    """The collection whose items have this alias."""
    return read(items_alias.removeprefix(f"{prefix}-").removesuffix(f"--{ITEMS}"))


def base(prefix: str, collection: str) -> str:
    """What the names of a collection's indices begin with; one that is built to take a name is that name's next."""
    return f"{prefix}-{written(collection.removesuffix(SUFFIX) or collection)}"
