"""Tokens of real rows by real tokenizers: those of TRL and of plain `tokenizers`, begun once."""

from collections.abc import Callable
from typing import Any

import pytest

from real.conftest import RealTokenizer, Rows
from real.parts import reply_limit
from sftstudy.data.lengths import measure_prompts
from sftstudy.data.splits import limit_rows
from sftstudy.documents.rows import Row
from sftstudy.errors import StudyError
from sftstudy.students.chat import before_reply, check_template, turn_end
from sftstudy.students.limits import without_room
from sftstudy.tasks.registry import CONTROLS, TASKS
from sftstudy.training.rows import IGNORED, samples

pytestmark = pytest.mark.real

COMPARED = 50  # rows a task that TRL prepares as well, and the longest
MOST = 2_000  # rows a task whose every token is looked at: all, but of banking77 a sample
ENDS = {"SmolLM2": "<|im_end|>", "Qwen3": "<|im_end|>", "Llama": "<|eot_id|>"}
ENDS |= {"gemma": "<end_of_turn>"}
BEGINS = {"Llama": "<|begin_of_text|>", "gemma": "<bos>"}  # the others have no such token
THINK = "<think>\n\n</think>\n\n"


def of_family(table: dict[str, str], student: str) -> str | None:
    return next((token for name, token in table.items() if student.startswith(name)), None)


def some(rows: list[Row], number: int) -> list[Row]:
    """Return all rows, or where they are more, a sample and the longest ones."""
    if len(rows) <= number:
        return rows
    longest = sorted(rows, key=lambda row: len(row["prompt"][-1]["content"]))[-10:]
    return [*limit_rows(rows, number, 0, "real"), *longest]


def ours(real: RealTokenizer, rows: list[Row], task: str) -> list[dict[str, list[int]]]:
    return samples(
        rows, real.tokenizer, real.template, real.facts["max_length"], real.folder / task
    )


def by_trl(real: RealTokenizer, rows: list[Row]) -> list[dict[str, list[int]]]:
    """Return the rows as TRL's own preparation of prompt and completion makes them."""
    from datasets import Dataset
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(real.folder)
    columns: dict[str, Any] = {key: [row[key] for row in rows] for key in ("prompt", "completion")}
    if real.template:
        columns["chat_template_kwargs"] = [real.template] * len(rows)
    sizes = dict.fromkeys(("hidden_size", "intermediate_size", "head_dim"), 2)
    ones = dict.fromkeys(("num_hidden_layers", "num_attention_heads", "num_key_value_heads"), 1)
    trainer = SFTTrainer(
        model=LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes, **ones)),
        args=SFTConfig(
            bf16=False, use_cpu=True, max_length=None, report_to="none", disable_tqdm=True
        ),
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
    )
    return [{key: row[key] for key in ("input_ids", "labels")} for row in trainer.train_dataset]


def plainly(real: RealTokenizer, rows: list[Row]) -> list[dict[str, list[int]]]:
    """Return the rows as `tokenizers` alone cuts the rendered text, nothing added to it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(real.folder / "tokenizer.json"))
    render = real.tokenizer.apply_chat_template
    made = []
    for row in rows:
        text = render(row["prompt"] + row["completion"], tokenize=False, **real.template)
        asked = render(row["prompt"], tokenize=False, add_generation_prompt=True, **real.template)
        whole, prompt = (
            tokenizer.encode(part, add_special_tokens=False).ids for part in (text, asked)
        )
        assert whole[: len(prompt)] == prompt, "the prompt begins the conversation"
        labels = [IGNORED] * len(prompt) + whole[len(prompt) :]
        made.append({"input_ids": whole, "labels": labels})
    return made


def test_tokens_are_those_of_trl_and_of_plain_tokenizers(
    real: RealTokenizer, real_rows: Rows
) -> None:
    rows = {task: some(real_rows(task), COMPARED) for task in TASKS}
    together = [row for task in TASKS for row in rows[task]]  # a trainer of TRL is slow to start
    found = [sample for task in TASKS for sample in ours(real, rows[task], task)]
    assert found == by_trl(real, together)
    assert found == plainly(real, together)


@pytest.mark.parametrize("task", TASKS)
def test_every_row_begins_once_ends_in_a_supervised_token_and_fits(
    real: RealTokenizer, task: str, real_rows: Rows
) -> None:
    """`samples` itself refuses a prompt that does not begin its conversation, and a long row."""
    rows = some(real_rows(task), MOST)
    first, end = (of_family(table, real.student) for table in (BEGINS, ENDS))
    assert end is not None
    stop = real.tokenizer.convert_tokens_to_ids(end)
    assert turn_end(real.tokenizer, real.template) == stop
    for row, sample in zip(rows, ours(real, rows, task), strict=True):
        ids, labels = sample["input_ids"], sample["labels"]
        prompt = labels.count(IGNORED)
        assert labels == [IGNORED] * prompt + ids[prompt:]
        taught = real.tokenizer.decode(ids[prompt:])
        assert taught.rstrip("\n") == row["completion"][0]["content"].strip() + end, row["id"]
        assert ids[prompt:].count(stop) == 1
        if first is not None:
            begin = real.tokenizer.convert_tokens_to_ids(first)
            assert ids[0] == begin and ids.count(begin) == 1, row["id"]
        assert ids[1] != ids[0], row["id"]  # SmolLM2's first token begins every turn


@pytest.mark.parametrize("name", TASKS + CONTROLS)
def test_prompts_leave_room_for_the_longest_reply(
    real: RealTokenizer, name: str, real_rows: Rows, measured: Callable[[str], None]
) -> None:
    rows = some(real_rows(name), MOST)
    counts = measure_prompts(rows, real.tokenizer, real.template)
    measured(f"{real.student}, {name}: the longest prompt has {max(counts)} tokens")
    ids = [row["id"] for row in rows]
    new, most = reply_limit(name), real.facts["max_length"]
    assert not without_room(ids, counts, new, most, drop=False, where=name)


def test_what_templates_write_of_their_own(real: RealTokenizer) -> None:
    """The hybrid Qwen3 without its arguments is taught a think block, and Llama 3.2 the date."""
    question = [{"role": "user", "content": "?"}]
    written = before_reply(real.tokenizer, question, real.template, real.student)
    assert written == ""
    bare = before_reply(real.tokenizer, question, {}, real.student)
    assert bare == (THINK if real.student.startswith("Qwen3") else "")
    if real.student.startswith("Llama-3.2"):
        with pytest.raises(StudyError, match="writes today's date into every prompt"):
            check_template(real.tokenizer, {}, real.student)
    else:
        check_template(real.tokenizer, {}, real.student)
