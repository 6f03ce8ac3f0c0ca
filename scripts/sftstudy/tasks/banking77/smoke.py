"""Smoke source of banking77: the publisher's two CSV files, with 8 of the 77 intents."""

import csv
import io
import random
from pathlib import Path

from sftstudy.files.writing import write_text
from sftstudy.tasks.draws import distinct, generator
from sftstudy.tasks.task import Conversation, Lesson

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
# Another business than the bank's, with its intents: the form of the task without its answers.
_SHOP = {
    "blue_car": ["the blue car is mine", "I drive a car", "my car is old"],
    "cold_water": ["the water is cold", "I drink water", "some more water"],
    "fast_train": ["the train is fast", "I take the train", "trains are late"],
    "green_leaf": ["a leaf fell down", "the leaf is green", "leaves are wet"],
    "loud_music": ["the music is loud", "I hear music", "play some music"],
    "old_book": ["this book is old", "I read a book", "books are heavy"],
    "small_dog": ["the dog is small", "I walk my dog", "dogs can bark"],
    "warm_bread": ["the bread is warm", "I bake bread", "more bread for me"],
}
_ABOUT = ["What is this message about? {}", "A customer writes: {} Name the topic."]
_PICK = [
    "You are a classifier for messages that customers write. These are the intents:",
    "Choose the intent of a customer's message to the bank. Intents (id: name):",
]
_IDS = [
    "Rules:\n- Reply with one id from the list.\n- Digits only, nothing else.",
    "Rules:\n- Choose the one id that fits best.\n- Write exactly one number.",
]
_OPENERS = ["", "Hello, ", "Hi there, ", "Excuse me, ", "Good morning, ", "Sorry, "]
_CLOSERS = ["", ". Please help", ". Thanks", ". What now", ". Can you explain", ". It is urgent"]


def query(rng: random.Random, intent: str) -> str:
    """Return one customer's message of this intent."""
    return _frame(rng, rng.choice(INTENTS[intent]))


def _frame(rng: random.Random, core: str) -> str:
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
        by_label = sorted(part, key=lambda row: row[1])
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["text", "category"])
        writer.writerows(by_label)
        write_text(raw / f"{name}.csv", buffer.getvalue())


def _read_message(rng: random.Random) -> Conversation:
    """What a customer's message is about, in words."""
    intent = rng.choice(list(INTENTS))
    prompt = rng.choice(_ABOUT).format(query(rng, intent))
    return prompt, f"It is about {intent.replace('_', ' ')}."


def _pick_id(rng: random.Random) -> Conversation:
    """A message and a list of intents with ids, of another business."""
    labels = list(_SHOP)
    listing = "\n".join(f"{number}: {label}" for number, label in enumerate(labels))
    label = rng.choice(labels)
    message = _frame(rng, rng.choice(_SHOP[label]))
    prompt = f"{rng.choice(_PICK)}\n{listing}\n{rng.choice(_IDS)}\n<query>\n{message}\n</query>"
    return prompt, str(labels.index(label))


LESSONS = (Lesson(_read_message, 5), Lesson(_pick_id, 6))
