"""What a task says about itself: the contract of the files in its folder.

``data.py``     `Data`     reads the raw source and makes the rows
``score.py``    `Score`    reads replies and says what each is worth
``smoke.py``    `Smoke`    writes a small source in the same raw format; for demo and tests
``options.py``  `Options`  keys that the study file may hold for this task alone
``published.py``  `Published`  how large the test split is, for plans before the data are there

A control that can be judged has a folder ``judges`` as well: in it a module, a `Judge`, for each
format that judge models speak. ``judged.py`` beside it names the metrics that others may judge.

The first two are needed, the others may be left out. ``judges`` and ``options.py`` are read with
the workflow, by every one of its jobs: they import nothing that is slow to import.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sftstudy.statistics.metric import Metric

DETERMINES_NO_RESULT = True

Row = Mapping[str, Any]  # id, group, prompt, completion, reference
Outcomes = dict[str, Any]  # what is known about one reply: names and numbers, texts, None
Conversation = tuple[str, str]  # the user's turn, the assistant's turn


@dataclass(frozen=True)
class Option:
    """A key of a task's block in the study file; its value is an argument of the scorer.

    Attributes:
        name: The key, and the argument's name.
        schema: What the value may be, in JSON Schema; ``default`` is what it is where the study
            file does not say. Null, and no value at all, are not given to the scorer.
        meaning: A sentence or two for the reference in config/README.md.
        is_path: Whether the value is a path, relative to the repository. The scorer gets a `Path`.
    """

    name: str
    schema: Mapping[str, Any]
    meaning: str
    is_path: bool = False


class Lesson(NamedTuple):
    """A kind of conversation that the smoke student is taught, and how often among all kinds."""

    draw: Callable[[random.Random], Conversation]
    weight: int


@runtime_checkable
class Data(Protocol):
    """From the raw source to rows. `VERSION` is raised when rows are not comparable any more."""

    VERSION: int

    def read(self, raw: Path) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of each published split: of a task train, and test if any; else test."""


@runtime_checkable
class Score(Protocol):
    """From replies to outcomes and metrics. `PRIMARY` names the metric that chooses."""

    VERSION: int
    PRIMARY: str

    def outcomes(self, row: Row, reply: str, **options: Any) -> Outcomes:
        """Return everything known about one reply; a task without options takes none."""

    def metrics(self, items: list[dict[str, Any]]) -> "dict[str, Metric]":
        """Return the metrics over the outcomes of all replies, in the order to be shown."""


@runtime_checkable
class ReadsFiles(Protocol):
    """A `Score` that reads files beside the rows. They become inputs of the metrics file."""

    def inputs(self, rows: Iterable[Row], **options: Any) -> Iterable[Path]:
        """Return the files that scoring these rows will read."""


@runtime_checkable
class Versioned(Protocol):
    """A `Score` that rests on libraries which are no Python packages, so that no lock pins them.

    Their versions stand in the metrics file.
    """

    def versions(self) -> Mapping[str, str]:
        """Return the version of each library that decides outcomes, by its name."""


@runtime_checkable
class Together(Protocol):
    """A `Score` to which several replies to a row say more than the means of their outcomes."""

    def together(self, replies: list[Outcomes]) -> Outcomes:
        """Return outcomes of a row, from those of its replies (two or more)."""


@runtime_checkable
class Smoke(Protocol):
    """A small source for studies with ``source: {smoke: ...}``."""

    def write(self, raw: Path, seed: int, train: int, test: int) -> None:
        """Write about so many rows in the raw format; equal seeds write equal bytes."""


@runtime_checkable
class Teaches(Protocol):
    """A `Smoke` that says what the smoke student is taught of the task before any study."""

    LESSONS: tuple[Lesson, ...]


@runtime_checkable
class Judge(Protocol):
    """A format: what a judge model is asked about a reply, and how its answer reads.

    `MAX_NEW_TOKENS` limits an answer. `CHAT_TEMPLATE` writes the prompt from a question's messages;
    None: the judge's own template does.
    """

    MAX_NEW_TOKENS: int
    CHAT_TEMPLATE: str | None

    def questions(self, row: Row, reply: str) -> list[dict[str, Any]]:
        """Return the rows that ask about one reply; of one alone the id is that of `row`."""

    def outcomes(self, answers: Sequence[str]) -> Outcomes:
        """Return what the answers to these questions say; it is added to the reply's outcomes."""


@runtime_checkable
class Options(Protocol):
    """The options of a task."""

    OPTIONS: tuple[Option, ...]


@runtime_checkable
class Published(Protocol):
    """How large the published test split is: rows (None: none is published), and rows a group."""

    ROWS: int | None
    ROWS_A_GROUP: int
