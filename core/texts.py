"""Titles and descriptions as segments of text."""

from __future__ import annotations

import re

from sightsound.types import Item, Metadata, Segment

PASSAGE = 1000
"""Characters of a description that one vector stands for; about 200 words, what small text encoders read."""

_SENTENCE_END = re.compile(r"(?<=[.!?…。])\s+|\n+")
_CHUNK = re.compile(rf".{{1,{PASSAGE}}}(?:\s|$)|.{{1,{PASSAGE}}}", re.DOTALL)


def passages(text: str) -> list[str]:
    """The text in passages of at most PASSAGE characters, cut at the ends of sentences where there are any."""
    found: list[str] = []
    for sentence in _SENTENCE_END.split(text.strip()):
        for chunk in _CHUNK.findall(sentence):
            chunk = chunk.strip()
            if found and len(found[-1]) + len(chunk) < PASSAGE:
                found[-1] = f"{found[-1]} {chunk}".strip()
            elif chunk:
                found.append(chunk)
    return found


def text_segments(item: Item) -> list[Segment]:
    """The item's title, its tags and its description, as segments."""
    said: Metadata = item.metadata
    short = [Segment(item.id, "title", 0, text=said.title)] if said.title else []
    short += [Segment(item.id, "tag", 0, text=", ".join(said.tags)[:PASSAGE])] if said.tags else []
    return short + [
        Segment(item.id, "description", number, text=passage)
        for number, passage in enumerate(passages(said.description))
    ]
