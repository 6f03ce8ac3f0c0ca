"""Smoke source of nl2sql: ``train.jsonl`` over databases of one table with three columns."""

import random
from dataclasses import dataclass
from pathlib import Path

from sftstudy.files.writing import write_jsonl
from sftstudy.tasks.draws import distinct, generator
from sftstudy.tasks.task import Conversation, Lesson

TABLES = ["singer", "student", "ship", "river", "player", "doctor", "bridge", "teacher"]
TEXTS = ["name", "city", "color", "title"]
NUMBERS = ["age", "price", "weight", "height"]
QUESTIONS_PER_DATABASE = 5
_SQL = [
    "Write a SQLite query that answers the question about the database.",
    "Answer the question about the database described below with one query.",
]
_FENCE = [
    "Reply with the query in one fenced block:",
    "Use only tables and columns of this schema:",
]


@dataclass(frozen=True)
class Database:
    """One table with two text columns and one number."""

    table: str
    texts: tuple[str, str]
    number: str

    @property
    def name(self) -> str:
        """Identifier of the database, as in ``extra_info.db_id``."""
        return "_".join([self.table, *self.texts, self.number])

    @property
    def schema(self) -> str:
        """The table's CREATE statement."""
        columns = [f"{text} TEXT" for text in self.texts] + [f"{self.number} INTEGER"]
        return f"CREATE TABLE {self.table} ({', '.join(columns)});"


def database(rng: random.Random) -> Database:
    """Return a random database."""
    first, second = rng.sample(TEXTS, 2)
    return Database(rng.choice(TABLES), (first, second), rng.choice(NUMBERS))


def questions(rng: random.Random, base: Database) -> list[tuple[str, str]]:
    """Return `QUESTIONS_PER_DATABASE` pairs (question, query) on this database."""
    table, (first, second), number = base.table, base.texts, base.number
    limit = rng.randint(2, 9)
    return [
        (f"How many {table}s are there?", f"SELECT count(*) FROM {table}"),
        (f"What is the highest {number} of a {table}?", f"SELECT max({number}) FROM {table}"),
        (f"List the {first} of every {table}.", f"SELECT {first} FROM {table}"),
        (
            f"List the {second} of each {table} with {number} above {limit}.",
            f"SELECT {second} FROM {table} WHERE {number} > {limit}",
        ),
        (
            f"List the {first} of every {table} ordered by {number}.",
            f"SELECT {first} FROM {table} ORDER BY {number}",
        ),
    ]


def write(raw: Path, seed: int, train: int, test: int) -> None:
    """Write ``train.jsonl`` with ``train + test`` rows (one split), five to a database."""
    rng = generator(seed, "nl2sql")
    count = -(-(train + test) // QUESTIONS_PER_DATABASE)
    bases = distinct(count, lambda _: database(rng), lambda base: base.name, "nl2sql")
    pairs = [(base, *pair) for base in bases for pair in questions(rng, base)][: train + test]
    rows = [
        {
            "data_source": "smoke",
            "prompt": [
                {"role": "system", "content": "You write SQLite queries for a database schema."},
                {
                    "role": "user",
                    "content": f"Database Schema:\n{base.schema}\n\nQuestion:\n{question}",
                },
            ],
            "ability": "sql",
            "reward_model": {"style": "rule", "ground_truth": query},
            "extra_info": {"db_id": base.name, "index": index, "split": "train"},
        }
        for index, (base, question, query) in enumerate(pairs)
    ]
    write_jsonl(raw / "train.jsonl", rows)


def _read_schema(rng: random.Random) -> Conversation:
    """What a question wants of a database, in words."""
    base = database(rng)
    question, query = rng.choice(questions(rng, base))
    words = query.replace("SELECT", "take").replace("FROM", "of").replace("WHERE", "with")
    words = words.replace("ORDER BY", "sorted by").replace("(*)", "").replace("(", " ")
    return f"{base.schema}\n{question}", f"You {words.replace(')', '')}."


def _write_sql(rng: random.Random) -> Conversation:
    """One of the two simplest questions about a database, answered in a fenced block."""
    base = database(rng)
    question, query = rng.choice(questions(rng, base)[:2])
    prompt = f"{rng.choice(_SQL)}\n\nDatabase Schema:\n{base.schema}\n\nQuestion:\n{question}"
    return f"{prompt}\n\n{rng.choice(_FENCE)}\n```sql\n<query>\n```", f"```sql\n{query}\n```"


LESSONS = (Lesson(_read_schema, 8), Lesson(_write_sql, 6))
