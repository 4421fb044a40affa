"""A line in which clients take turns: one who asks for much holds up no one who asks for little."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Turns(Generic[Thing]):
    """What waits, by client. Methods may be called from any thread.

    most: how much may wait in all. share: how much of that may be one client's.
    """

    def __init__(self, most: int, share: int) -> None:
        self._most, self._share = most, share
        self._waiting: OrderedDict[str, deque[Thing]] = OrderedDict()
        self._changed = threading.Condition()
        self._ended = False

    def put(self, client: str, thing: Thing) -> bool:
        """Whether there was room for it."""
        with self._changed:
            held = len(self._waiting.get(client, ()))
            if self._ended or held >= self._share or sum(map(len, self._waiting.values())) >= self._most:
                return False
            self._waiting.setdefault(client, deque()).append(thing)
            self._changed.notify()
            return True

    def get(self) -> Thing | None:
        """The next, waited for: of the client whose turn it is, what waited longest. None once it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            client, things = self._waiting.popitem(last=False)
            thing = things.popleft()
            if things:
                self._waiting[client] = things
            return thing

    def end(self) -> list[Thing]:
        """Take no more, and give back what still waits."""
        with self._changed:
            self._ended = True
            left = [thing for things in self._waiting.values() for thing in things]
            self._waiting.clear()
            self._changed.notify_all()
            return left


class Places:
    """So many may be inside at once, and so many of one client."""

    def __init__(self, most: int, share: int) -> None:
        self._most, self._share = most, share
        self._inside: Counter[str] = Counter()
        self._guard = threading.Lock()

    def take(self, client: str) -> bool:
        """Whether there was a place for the client; it is given back by `leave`."""
        with self._guard:
            if self._inside[client] >= self._share or self._inside.total() >= self._most:
                return False
            self._inside[client] += 1
            return True

    def leave(self, client: str) -> None:
        with self._guard:
            self._inside[client] -= 1
            self._inside += Counter()  # forgets who has left
