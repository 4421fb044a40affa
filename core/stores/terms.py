"""What a query in words asks for: its words and phrases, the same in every store."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sightsound.stores.base import Scored
from sightsound.types import SegmentKind

FIELDS: tuple[SegmentKind, ...] = ("title", "description", "tag", "title", "title")
"""Which kind of segment a match in each of `fields.passages` is, in their order."""
MOST_TERMS = 64
_LONGEST_QUERY = 10_000
_LONGEST_WORD = 100
_PART = re.compile(r'"([^"]*)"|([^"\s]+)')
WORD = re.compile(r"[^\W_]+")
STOPWORDS = frozenset(
    WORD.findall(
        "a an and are as at be but by for from has have in into is it its of on or s t that the their them "
        "there these they this to was were will with"
    )
)


def terms_of(words: str) -> list[str]:
    """The words and "quoted phrases" of a query, once each; small words only where there is nothing else."""
    terms: dict[str, None] = {}
    for phrase, word in _PART.findall(words[:_LONGEST_QUERY]):
        tokens = [token[:_LONGEST_WORD] for token in WORD.findall((phrase or word).casefold())]
        if phrase and tokens:
            terms[" ".join(tokens)] = None
        else:
            terms.update(dict.fromkeys(tokens))
    telling = [term for term in terms if term not in STOPWORDS]
    return (telling or list(terms))[:MOST_TERMS]


def searchable(text: str) -> str:
    """The words of a text, without case and accents, for stores whose text index would split them otherwise."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(WORD.findall("".join(letter for letter in apart if not unicodedata.combining(letter))))


def best_items(found: Iterable[Scored], k: int) -> list[Scored]:
    """What belongs to the first k items by score; what an item says of itself comes before what is said in it."""
    ordered = sorted(found, key=lambda scored: -scored.score)
    kept = set(list(dict.fromkeys(scored.item_id for scored in ordered))[:k])
    return [scored for scored in ordered if scored.item_id in kept]
