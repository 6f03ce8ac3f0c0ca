"""Guesses how a reply goes on, so that several of its tokens can be computed at once.

A reply that repeats what its prompt or it itself has said before (a quotation, a table, a small
model's loop) can be continued by reading on there. A guess costs nothing but the computing of the
tokens that turn out wrong: of a draft is taken what would have been said without it, and no more
(Leviathan, Kalman & Matias, "Fast Inference from Transformers via Speculative Decoding", 2023, with
a lookup in the text in place of a draft model). That is exact where replies are drawn, too: each of
their tokens has a random number of its own, and a guess is right if that number draws it.
"""

from collections.abc import Iterable

REMEMBERED = 3  # tokens that must have stood together before


class Draft:
    """What one prompt and its reply have said so far, and where it was said before.

    Only guesses that would have been right lately are made: a draft has at most as many tokens as
    were guessed rightly in a row before it.
    """

    def __init__(self, prompt: Iterable[int]) -> None:
        self.tokens: list[int] = []
        self._behind: dict[tuple[int, ...], int] = {}  # of the last tokens: what stands behind them
        self._next: int | None = None  # index of the token that is guessed to come next
        self._right = 0  # guesses in a row that were right
        for token in prompt:
            self.add(token)
        self._right = 0  # that a prompt repeats itself says nothing about its reply

    def add(self, token: int) -> None:
        """Note the token that came next."""
        if self._next is not None and self.tokens[self._next] == token:
            self._next, self._right = self._next + 1, self._right + 1
        else:
            self._next, self._right = None, 0
        self.tokens.append(token)
        if len(self.tokens) < REMEMBERED:
            return
        last = tuple(self.tokens[-REMEMBERED:])
        if self._next is None:
            self._next = self._behind.get(last)
        self._behind[last] = len(self.tokens)

    def guess(self, most: int) -> list[int]:
        """Return the tokens that may come next, at most `most`, possibly none."""
        if self._next is None:
            return []
        period = len(self.tokens) - self._next  # read on in what is guessed itself
        return [self.tokens[self._next + k % period] for k in range(min(most, self._right))]
