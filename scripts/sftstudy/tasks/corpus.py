"""The conversations that the smoke student is made of: what the tasks' ``smoke.py`` teach.

Half of them are what the controls will ask for: formats to follow and requests to refuse. The
other half is what a general model brings along: it can read a message, an abstract, a table and a
schema, and has seen such forms, but never a task's prompt with its answer. Fine-tuning has that to
teach.
"""

from collections.abc import Iterator
from itertools import zip_longest

from sftstudy.tasks.draws import generator
from sftstudy.tasks.registry import CONTROLS, TASKS, lessons
from sftstudy.tasks.task import Conversation, Lesson

# Words that instructions are made of. The tokenizer knows them, so that a task's prompt is not
# spelled out letter by letter; the model has never seen most of them.
COMMON_WORDS = """
 You Your They Find Give Given Decide Choose Classify Copy Round Use Using Below Above Rules Format
 an instruction intent intents classifier messages customers bank list listing exactly nothing else
 fits best digits only id one word words phrases numbers number report reports writes financial
 company followed compute answer answers question questions alone cells separated row line lines
 put into own box several parts part commas separated by stands for thousands millions billions
 end percentage computed decimals two with that as in study says about abstract from reply without
 any other text describe described database query queries schema tables columns fenced block sql
 SQLite must should each every between tags end ends whether which what who where when how why
"""


def conversations(seed: int, count: int) -> list[Conversation]:
    """Return `count` conversations in a random order; the same for the same seed."""
    rng = generator(seed, "corpus")
    draws, weights = zip(*_curriculum(), strict=True)
    return [draw(rng) for draw in rng.choices(draws, weights, k=count)]


def _curriculum() -> Iterator[Lesson]:
    """Yield the lessons of the controls, then those of the tasks: of each the first, the second.

    The order is part of the student: with another one, the same seed draws other conversations.
    """
    for names in (CONTROLS, TASKS):
        for turn in zip_longest(*map(lessons, names)):
            yield from (lesson for lesson in turn if lesson is not None)
