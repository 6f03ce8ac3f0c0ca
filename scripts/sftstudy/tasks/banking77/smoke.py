"""Smoke source of banking77: the publisher's two CSV files, with 8 of the 77 intents."""

import csv
import io
import random
from pathlib import Path

from sftstudy.files.writing import write_text
from sftstudy.tasks.draws import distinct, generator

INTENTS = {
    "activate_my_card": [
        "I want to activate my card",
        "my new card must be switched on",
        "the activation of my card does not work",
        "how do I start using my new card",
    ],
    "card_arrival": [
        "my card has not arrived",
        "I am still waiting for my card",
        "when will the card be delivered",
        "the delivery of my card takes long",
    ],
    "change_pin": [
        "I want to change my PIN",
        "I need another PIN",
        "where can I choose a new PIN",
        "my PIN is too simple",
    ],
    "exchange_rate": [
        "what is your exchange rate",
        "how are euros converted to dollars",
        "the rate for dollars looks wrong",
        "I want to exchange euros",
    ],
    "lost_or_stolen_card": [
        "my card was stolen",
        "I have lost my card",
        "a thief took my card",
        "I cannot find my card since yesterday",
    ],
    "terminate_account": [
        "I want to close my account",
        "please delete my account",
        "I am leaving your bank",
        "how do I end my contract",
    ],
    "top_up_failed": [
        "my top up failed",
        "the top up was rejected",
        "adding money did not work",
        "my top up never came through",
    ],
    "verify_my_identity": [
        "how do I prove my identity",
        "which documents do you need",
        "my passport was not accepted",
        "the identity check did not finish",
    ],
}
_OPENERS = ["", "Hello, ", "Hi there, ", "Excuse me, ", "Good morning, ", "Sorry, "]
_CLOSERS = ["", ". Please help", ". Thanks", ". What now", ". Can you explain", ". It is urgent"]


def query(rng: random.Random, intent: str) -> str:
    """Return one customer's message of this intent."""
    return frame(rng, rng.choice(INTENTS[intent]))


def frame(rng: random.Random, core: str) -> str:
    """Return a message with this core, an opening and an end."""
    text = rng.choice(_OPENERS) + core + rng.choice(_CLOSERS)
    return text[0].upper() + text[1:]


def write(raw: Path, seed: int, train: int, test: int) -> None:
    """Write ``train.csv`` and ``test.csv`` with `train` and `test` distinct rows, sorted by label.

    Sorted like the published file: whoever cuts a tail off it gets one class only.
    """
    rng = generator(seed, "banking77")
    names = sorted(INTENTS)

    def draw(position: int) -> tuple[str, str]:
        intent = names[position % len(names)]
        return query(rng, intent), intent

    rows = distinct(train + test, draw, lambda row: row[0], "banking77")
    for name, part in (("train", rows[:train]), ("test", rows[train:])):
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["text", "category"])
        writer.writerows(sorted(part, key=lambda row: row[1]))
        write_text(raw / f"{name}.csv", buffer.getvalue())
