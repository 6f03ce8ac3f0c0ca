"""Seeded drawing, shared by the generators of the smoke sources."""

import random
from collections.abc import Callable, Hashable
from typing import TypeVar

from sftstudy.errors import StudyError

Item = TypeVar("Item")


def generator(seed: int, purpose: str) -> random.Random:
    """Return the random generator of one seed and purpose; the same on every machine."""
    return random.Random(f"{purpose}/{seed}")


def distinct(
    count: int, draw: Callable[[int], Item], key: Callable[[Item], Hashable], what: str
) -> list[Item]:
    """Return `count` items whose keys differ, from ``draw(position)`` called until one is new.

    Raises `StudyError` when the generator's variety is exhausted.
    """
    items: list[Item] = []
    seen: set[Hashable] = set()
    attempts = 0
    while len(items) < count:
        item = draw(len(items))
        if key(item) not in seen:
            seen.add(key(item))
            items.append(item)
            attempts = 0
        elif (attempts := attempts + 1) > 2000:
            raise StudyError(
                f"smoke source {what}: asked for {count} distinct rows, but only about "
                f"{len(items)} exist; ask for fewer"
            )
    return items
