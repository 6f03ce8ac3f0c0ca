"""Decoding for long replies: every prompt in a place of its own, which others take after it.

Prompts come with keys and values of their tokens. Those that come together are a band: places in
one tensor per layer, with room behind them that grows by blocks, so that a token's keys and values
are written once and no more copied. Replies that end leave their band; bands attend apart, each
over as many columns as its longest has. Everything else of a step (all linear layers) is computed
for the tokens of all bands at once, and only for those that are fed.

On a CUDA device a step is recorded once as a graph and replayed until the bands change: launching
a small model's kernels one by one takes longer than they run. There each place feeds one shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sftstudy.prefix_sharing import mask
from sftstudy.prefix_sharing.attention import decoding, grouped
from sftstudy.prefix_sharing.drafts import Draft
from sftstudy.prefix_sharing.sampling import Sampling, choose, on_device

BLOCK = 128  # columns that a band grows by
LEFT = 0.125  # share of a band's places that may stand empty before they are removed
# Most guessed tokens of a place in a step. On a CPU a wrong one costs a token's time, but few are
# wrong; a GPU computes them whether they are guessed or not.
GUESSES_CPU, GUESSES_CUDA = 7, 3


@dataclass
class Place:
    """A prompt being replied to."""

    index: int  # of the prompt, as the caller knows it
    length: int  # cached columns; the position of the token that is fed next
    draft: Draft  # all tokens of prompt and reply
    reply: list[int]
    fed: list[int] = field(default_factory=list)  # the next tokens: one that is sure, then guesses
    done: bool = False
    draws: np.ndarray | None = None  # numbers that the reply is drawn by, (tokens,)

    def feed(self, guesses: int) -> None:
        """Set the tokens to be fed: the last one, and at most so many guessed behind it."""
        self.fed = [] if self.done else [self.draft.tokens[-1], *self.draft.guess(guesses)]

    def numbers(self, width: int) -> list[float]:
        """Return the numbers of the tokens behind those that are fed, and zeros up to a width."""
        assert self.draws is not None, "the reply is drawn"
        own: list[float] = self.draws[len(self.reply) :][: len(self.fed)].tolist()
        return own + [0.0] * (width - len(own))

    def take(self, said: Sequence[int], eos: set[int], most: int) -> int:
        """Add what the model said behind each fed token, as far as it confirms the guesses; returns
        the number of new tokens."""
        before = len(self.reply)
        for k, token in enumerate(said):
            self.reply.append(token)
            self.draft.add(token)
            self.length += 1
            self.done = token in eos or len(self.reply) == most
            if self.done or k + 1 == len(self.fed) or self.fed[k + 1] != token:
                break
        return len(self.reply) - before


@dataclass(eq=False)
class Band:
    """Places whose keys and values are together: (places, heads, capacity, dim) in each layer."""

    places: list[Place]
    keys: list[Tensor]
    values: list[Tensor]

    @property
    def capacity(self) -> int:
        return self.keys[0].shape[2]

    def grow(self, columns: int) -> None:
        """Make room for a number of columns."""
        if columns <= self.capacity:
            return
        room = -(-columns // BLOCK) * BLOCK
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                new = old.new_zeros(*old.shape[:2], room, old.shape[3])
                new[:, :, : old.shape[2]] = old
                tensors[layer] = new

    def shrink(self) -> bool:
        """Remove the places of replies that are complete, where they are many. Says whether."""
        busy = [k for k, place in enumerate(self.places) if not place.done]
        if len(self.places) - len(busy) <= LEFT * len(self.places):
            return False
        self.places = [self.places[k] for k in busy]
        index = torch.tensor(busy, device=self.keys[0].device)
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                tensors[layer] = old[index]
        return True


@dataclass
class Part:
    """Neighbours in a band that feed equally many tokens in a step.

    places: which of the band; width: tokens that each feeds; lengths: (places,) cached columns;
    columns: how many are attended to.
    """

    band: Band
    places: slice
    width: int
    lengths: Tensor
    columns: int

    @property
    def tokens(self) -> int:
        return len(self.lengths) * self.width

    def numbers(self) -> Tensor:
        """(places,); of the places in their band."""
        return torch.arange(self.places.start, self.places.stop, device=self.lengths.device)

    def positions(self) -> Tensor:
        """(places, width); also the columns where keys and values of the tokens go."""
        return self.lengths[:, None] + torch.arange(self.width, device=self.lengths.device)

    def masks(self, windows: set[int | None], dtype: torch.dtype) -> dict[int | None, Tensor]:
        """Additive masks (places, 1, width, columns) by window."""
        column = torch.arange(self.columns, device=self.lengths.device)
        ahead = self.positions()[:, None, :, None] - column
        masks = {}
        for window in windows:
            hidden = ahead < 0
            if window is not None:
                hidden |= ahead >= window
            mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
            masks[window] = mask.masked_fill_(hidden, -torch.inf)
        return masks


class Step:
    """The attention of a forward pass over the tokens of some parts, (1, heads, tokens, dim).

    Parts of one band are neighbours.
    """

    def __init__(self, parts: list[Part], windows: set[int | None], dtype: torch.dtype) -> None:
        self.parts = parts
        self.masks = [part.masks(windows, dtype) for part in parts]
        self.positions = torch.cat([part.positions().flatten() for part in parts])
        self._bands = [
            (band, list(members)) for band, members in groupby(parts, key=lambda part: part.band)
        ]
        self._places = [
            torch.cat([part.numbers().repeat_interleave(part.width) for part in members])
            for _, members in self._bands
        ]

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        window: int | None,
    ) -> Tensor:
        """Cache keys and values of the tokens fed, and return what attention gives for each."""
        sizes = [len(places) for places in self._places]
        fed = [tensor.split(sizes) for tensor in (self.positions, *_by_token(key, value))]
        for (band, _), places, columns, k, v in zip(self._bands, self._places, *fed, strict=True):
            band.keys[layer][places, :, columns] = k
            band.values[layer][places, :, columns] = v
        (queries,) = _by_token(query)
        outs = []
        for part, masks, q in zip(
            self.parts, self.masks, queries.split([part.tokens for part in self.parts]), strict=True
        ):
            out = grouped(
                q.unflatten(0, (-1, part.width)).transpose(1, 2),
                part.band.keys[layer][part.places, :, : part.columns],
                part.band.values[layer][part.places, :, : part.columns],
                masks[window],
                scale,
            )
            outs.append(out.transpose(1, 2).flatten(0, 1))
        return torch.cat(outs).transpose(0, 1)[None]


def _by_token(*tensors: Tensor) -> list[Tensor]:
    """(1, heads, tokens, dim) as (tokens, heads, dim)."""
    return [tensor[0].transpose(0, 1) for tensor in tensors]


class Places:
    """All bands of a model, and what a step of them is.

    windows: those of the model's layers in tokens (None: all); eos: tokens that end a reply; most:
    tokens of a reply; sampling: how they are drawn (None: the likeliest are taken).
    """

    def __init__(
        self,
        model: Any,
        windows: set[int | None],
        eos: set[int],
        most: int,
        sampling: Sampling | None = None,
    ) -> None:
        self.model, self.windows, self.eos, self.most = model, windows, eos, most
        self.sampling = sampling
        self.cuda = model.device.type == "cuda"
        self.bands: list[Band] = []
        self.recordable = True
        self._recorded: _Recorded | None = None

    def __len__(self) -> int:
        """How many prompts are being replied to."""
        return sum(not place.done for band in self.bands for place in band.places)

    def add(self, band: Band) -> None:
        """Take places whose caches hold all tokens of prompt and reply but the last."""
        self.bands.append(band)
        self._recorded = None

    def step(self) -> tuple[int, list[Place]]:
        """Feed each place its next tokens; returns how many tokens that brought, and the places
        whose replies are complete by them."""
        width = 1 + (GUESSES_CUDA if self.cuda else GUESSES_CPU)
        for band in self.bands:
            for place in band.places:
                place.feed(min(width, self.most - len(place.reply)) - 1)
        chosen = iter(self._replay(width) if self.cuda else self._compute())
        new = 0
        done: list[Place] = []
        for band in self.bands:
            for place in band.places:
                said = [next(chosen) for _ in range(width if self.cuda else len(place.fed))]
                if not place.done:
                    new += place.take(said, self.eos, self.most)
                    done += [place] if place.done else []
        before = len(self.bands)
        self.bands = [band for band in self.bands if not all(place.done for place in band.places)]
        shrunk = [band.shrink() for band in self.bands]
        if any(shrunk) or len(self.bands) < before:
            self._recorded = None
        return new, done

    def _compute(self) -> list[int]:
        """Feed the tokens that there are, and no others."""
        parts, tokens = [], []
        numbers: list[float] = []
        for band in self.bands:
            first = 0
            for width, group in groupby(band.places, key=lambda place: len(place.fed)):
                members = list(group)
                places, first = slice(first, first + len(members)), first + len(members)
                if width:
                    lengths = [place.length for place in members]
                    columns = max(lengths) + width
                    band.grow(columns)
                    parts.append(Part(band, places, width, torch.tensor(lengths), columns))
                    tokens += [token for place in members for token in place.fed]
                    if self.sampling is not None:
                        numbers += [n for place in members for n in place.numbers(width)]
        return self.forward(torch.tensor(tokens), parts, self._on_device(numbers)).tolist()

    def _on_device(self, numbers: list[float]) -> Tensor | None:
        return None if self.sampling is None else on_device(numbers, self.model.device)

    def forward(self, tokens: Tensor, parts: list[Part], numbers: Tensor | None) -> Tensor:
        """Return the token that comes behind each of `tokens`, (tokens,); `numbers` (tokens,)
        where it is drawn."""
        return choose(self.logits(tokens, parts), self.sampling, numbers)

    def logits(self, tokens: Tensor, parts: list[Part]) -> Tensor:
        """(tokens, vocabulary)"""
        step = Step(parts, self.windows, self.model.dtype)
        return self.model(
            input_ids=tokens[None], position_ids=step.positions[None], cached=step, use_cache=False
        ).logits[0]

    def _replay(self, width: int) -> list[int]:
        """All places feed `width` tokens, of which those behind the places' own say nothing."""
        for band in self.bands:
            columns = max(place.length for place in band.places) + width
            if columns > band.capacity:
                band.grow(columns)
                self._recorded = None
        tokens = [
            [*place.fed, *[0] * (width - len(place.fed))]
            for band in self.bands
            for place in band.places
        ]
        # A complete reply's place writes over its first columns, which nobody reads any more.
        lengths = [0 if p.done else p.length for band in self.bands for p in band.places]
        numbers: list[float] = []
        if self.sampling is not None:
            numbers = [n for band in self.bands for p in band.places for n in p.numbers(width)]
        fed = torch.tensor(tokens).flatten(), torch.tensor(lengths), self._on_device(numbers)
        if self._recorded is None:
            self._recorded = _Recorded(self, width, *fed)
        return self._recorded.run(*fed)


class _Recorded:
    """A step in which all places feed equally many tokens, for as long as bands stay as they are.

    On a CUDA device a graph, unless the model's forward cannot be recorded: it may look at a tensor
    on the way, as with rotary embeddings that depend on the length.
    """

    def __init__(
        self,
        places: Places,
        width: int,
        tokens: Tensor,
        lengths: Tensor,
        numbers: Tensor | None,
    ) -> None:
        device = places.model.device
        sizes = [len(band.places) for band in places.bands]
        # What is written to the caches before the recording is what is written by it.
        self.tokens, self.lengths = tokens.to(device), lengths.to(device)
        self.numbers = numbers
        parts = [
            Part(band, slice(0, size), width, own, band.capacity)
            for band, size, own in zip(places.bands, sizes, self.lengths.split(sizes), strict=True)
        ]
        self.forward = lambda: places.forward(self.tokens, parts, self.numbers)
        self.graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda" and places.recordable:
            try:
                self._record()
            except RuntimeError as error:
                places.recordable, self.graph = False, None
                print(f"steps are not recorded: {str(error).splitlines()[0]}", flush=True)

    def _record(self) -> None:
        side = torch.cuda.Stream()  # what libraries set up at first use must not be recorded
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.forward()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.chosen = self.forward()

    def run(self, tokens: Tensor, lengths: Tensor, numbers: Tensor | None) -> list[int]:
        """Return the token that comes behind each of `tokens`, (places * width,)."""
        self.tokens.copy_(tokens)
        self.lengths.copy_(lengths)
        if self.numbers is not None and numbers is not None:
            self.numbers.copy_(numbers)
        if self.graph is None:
            return self.forward().tolist()
        self.graph.replay()
        return self.chosen.tolist()


def refusal(model: Any) -> str | None:
    """Say why the model cannot have places, None if it can: through `attention`, four tokens in two
    steps have the logits that the model gives when it reads them at once."""
    ids = (
        torch.tensor([3, 4, 5, 6], device=model.device) % model.config.get_text_config().vocab_size
    )
    # Whatever a model raises here, its forward cannot be used in this way: the answer sought.
    try:
        plain = model(input_ids=ids[None], use_cache=True)
        layers = plain.past_key_values.layers
        caches = [
            [torch.zeros_like(getattr(layer, name)) for layer in layers]
            for name in ("keys", "values")
        ]
        windows = set(mask.layer_windows(model.config).values())
        places = Places(model, windows, set(), 1)
        band = Band([Place(0, 0, Draft([]), [])], *caches)
        with decoding(model):
            found = [
                places.logits(
                    ids[k : k + 2],
                    [Part(band, slice(0, 1), 2, torch.tensor([k], device=ids.device), k + 2)],
                )
                for k in (0, 2)
            ]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return f"its attention is not plain ({type(error).__name__}: {str(error).splitlines()[0]})"
    expected = plain.logits[0].float()
    apart = (torch.cat(found).float() - expected).norm()
    return None if apart <= 0.01 * expected.norm() else "its logits are others with plain attention"
