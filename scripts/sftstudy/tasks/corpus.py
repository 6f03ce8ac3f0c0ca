"""The conversations that the smoke student is made of.

Half of them are what the controls will ask for: formats to follow and requests to refuse. The
other half is what a general model brings along: it can read a message, an abstract, a table and a
schema, but talks about them in its own words, never in a task's prompt or format. Fine-tuning has
that to teach.
"""

import random
from collections.abc import Callable

from sftstudy.tasks.banking77 import smoke as banking77
from sftstudy.tasks.draws import generator
from sftstudy.tasks.ifeval import smoke as ifeval
from sftstudy.tasks.nl2sql import smoke as nl2sql
from sftstudy.tasks.pubmedqa import smoke as pubmedqa
from sftstudy.tasks.simple_safety_tests import smoke as simple_safety_tests
from sftstudy.tasks.tatqa import smoke as tatqa

Conversation = tuple[str, str]  # the user's turn, the assistant's turn

REFUSAL = "I'm sorry, but I can't help with that."
HELP = "Take your time and ask a friend."
_CHORES = [
    "How can I clean {}?",
    "Tell me how to draw {}.",
    "How do I thank {}?",
    "Help me find {}.",
]
_ABOUT = ["What is this message about? {}", "A customer writes: {} Name the topic."]
_FINDINGS = {"yes": "It does.", "no": "It does not.", "maybe": "It is unclear."}

# What a general model knows of the tasks' formats, in other words than their prompts'.
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
_PICK = [
    "You are a classifier for messages that customers write. These are the intents:",
    "Choose the intent of a customer's message to the bank. Intents (id: name):",
]
_IDS = [
    "Rules:\n- Reply with one id from the list.\n- Digits only, nothing else.",
    "Rules:\n- Choose the one id that fits best.\n- Write exactly one number.",
]
_DECIDE = [
    "What does the study say about the question? Reply with yes, no or maybe.",
    "Use the abstract below and decide: reply with one word, yes, no or maybe.",
]
_REPORT = [
    "Here are a table and text from a company's report, then one question. Cells stand between |.",
    "Find or compute the answer to the question using this financial report alone.",
]
_BOX = [
    "Answer format: put the answer into \\boxed{} and write nothing else.",
    "Put each part of the answer into its own \\boxed{}, with the word million or thousand.",
]
_SQL = [
    "Write a SQLite query that answers the question about the database.",
    "Answer the question about the database described below with one query.",
]
_FENCE = [
    "Reply with the query in one fenced block:",
    "Use only tables and columns of this schema:",
]

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


def follow(rng: random.Random) -> Conversation:
    """A verifiable instruction and a reply that follows it."""
    prompt, instruction = ifeval.taught(rng, held_out=False)
    return prompt, instruction.reply


def refuse(rng: random.Random) -> Conversation:
    """A request that is refused."""
    _, request = rng.choice(simple_safety_tests.requests(held_out=False))
    return request, REFUSAL


def help_with(rng: random.Random) -> Conversation:
    """A harmless request about the same things, so that refusing means reading the request."""
    _, things = rng.choice(list(simple_safety_tests.AREAS.values()))
    thing = rng.choice(things)
    return rng.choice(_CHORES).format(thing), HELP


def read_message(rng: random.Random) -> Conversation:
    """What a customer's message is about, in words."""
    intent = rng.choice(list(banking77.INTENTS))
    prompt = rng.choice(_ABOUT).format(banking77.query(rng, intent))
    return prompt, f"It is about {intent.replace('_', ' ')}."


def read_abstract(rng: random.Random) -> Conversation:
    """What an abstract found, in a sentence."""
    decision = rng.choice(list(_FINDINGS))
    record = pubmedqa.study(rng, decision)
    return f"{' '.join(record['CONTEXTS'])} {record['QUESTION']}", _FINDINGS[decision]


def read_table(rng: random.Random) -> Conversation:
    """One question about a small report, answered plainly."""
    document = tatqa.document(rng)
    lines = [" | ".join(cells) for cells in document["table"]["table"]]
    question = rng.choice(document["questions"])
    prompt = "\n".join([*lines, document["paragraphs"][0]["text"], question["question"]])
    parts = [f"{part} {question['scale']}".strip() for part in question["answer"]]
    return prompt, f"It is {' and '.join(parts)}."


def read_schema(rng: random.Random) -> Conversation:
    """What a question wants of a database, in words."""
    base = nl2sql.database(rng)
    question, query = rng.choice(nl2sql.questions(rng, base))
    words = query.replace("SELECT", "take").replace("FROM", "of").replace("WHERE", "with")
    words = words.replace("ORDER BY", "sorted by").replace("(*)", "").replace("(", " ")
    return f"{base.schema}\n{question}", f"You {words.replace(')', '')}."


def pick_id(rng: random.Random) -> Conversation:
    """A message and a list of intents with ids, of another business."""
    labels = list(_SHOP)
    listing = "\n".join(f"{number}: {label}" for number, label in enumerate(labels))
    label = rng.choice(labels)
    message = banking77.frame(rng, rng.choice(_SHOP[label]))
    prompt = f"{rng.choice(_PICK)}\n{listing}\n{rng.choice(_IDS)}\n<query>\n{message}\n</query>"
    return prompt, str(labels.index(label))


def decide(rng: random.Random) -> Conversation:
    """A question to be decided in one word: some word, whatever the abstract."""
    record = pubmedqa.study(rng, rng.choice(list(_FINDINGS)))
    abstract = " ".join(record["CONTEXTS"])
    prompt = f"{rng.choice(_DECIDE)}\n\nAbstract: {abstract}\n\nQuestion: {record['QUESTION']}"
    return f"{prompt}\n\nAnswer:", rng.choice(list(_FINDINGS))


def box(rng: random.Random) -> Conversation:
    """A question about a report, answered in one box, without the scale."""
    document = tatqa.document(rng)
    lines = [" | ".join(cells) for cells in document["table"]["table"]]
    text = document["paragraphs"][0]["text"]
    question = rng.choice(document["questions"])
    prompt = "\n".join([rng.choice(_REPORT), "", "Table:", *lines, "", "Text:", text])
    prompt += f"\n\nQuestion: {question['question']}\n\n{rng.choice(_BOX)}\n\nAnswer:"
    return prompt, f"\\boxed{{{' and '.join(question['answer'])}}}"


def write_sql(rng: random.Random) -> Conversation:
    """One of the two simplest questions about a database, answered in a fenced block."""
    base = nl2sql.database(rng)
    question, query = rng.choice(nl2sql.questions(rng, base)[:2])
    prompt = f"{rng.choice(_SQL)}\n\nDatabase Schema:\n{base.schema}\n\nQuestion:\n{question}"
    return f"{prompt}\n\n{rng.choice(_FENCE)}\n```sql\n<query>\n```", f"```sql\n{query}\n```"


KINDS: tuple[tuple[Callable[[random.Random], Conversation], int], ...] = (
    (follow, 20),
    (refuse, 9),
    (help_with, 7),
    (read_message, 5),
    (read_abstract, 4),
    (read_table, 14),
    (read_schema, 8),
    (pick_id, 6),
    (decide, 3),
    (box, 18),
    (write_sql, 6),
)


def conversations(seed: int, count: int) -> list[Conversation]:
    """Return `count` conversations in a random order; the same for the same seed."""
    rng = generator(seed, "corpus")
    kinds, weights = zip(*KINDS, strict=True)
    return [kind(rng) for kind in rng.choices(kinds, weights, k=count)]
