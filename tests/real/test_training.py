"""Trainings of the real student on real rows: interrupted, with LoRA, and read by other programs.

Few short rows: what is held is that nothing is lost, not that something is learned.
"""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from real.conftest import Rows
from real.documents import shortest_documents
from sftstudy.documents.rows import Row
from sftstudy.files.reading import read_json
from training_job import Job, interrupt, steps_saved, train_here

pytestmark = pytest.mark.real

SMALL = {
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 1,
    "group_batches": "document",
    "learning_rate": 1e-4,
}
LORA = {"method": "lora", "lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.0}
TOKENS = 12  # of a reply
ASKED = ["What is the capital of France?", "Name a colour.", "How many days has a week?"]


@pytest.fixture(scope="module")
def rows(real_rows: Rows) -> list[Row]:
    """Two questions on each of four documents."""
    return shortest_documents(real_rows("tatqa"), documents=4, questions=2)


@pytest.fixture(scope="module")
def trained(smollm2: Path, rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A training of all weights that nothing has interrupted."""
    return train_here(Job(tmp_path_factory.mktemp("whole"), base=smollm2, rows=rows, **SMALL))


@pytest.fixture(scope="module")
def adapted(smollm2: Path, rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A training of an adapter."""
    folder = tmp_path_factory.mktemp("lora")
    training = SMALL | LORA | {"learning_rate": 2e-3}
    return train_here(Job(folder, base=smollm2, rows=rows[:4], **training))


def prompts(tokenizer: Any) -> list[list[int]]:
    from sftstudy.students.chat import render_prompt, token_ids

    questions = [[{"role": "user", "content": text}] for text in ASKED]
    return token_ids(tokenizer, [render_prompt(tokenizer, question, {}) for question in questions])


def replies(model: Any, tokenizer: Any) -> list[str]:
    """Return the text of our replies to a few questions."""
    from sftstudy.prefix_sharing.generate import generate_shared

    end = tokenizer.eos_token_id
    made = generate_shared(
        model,
        prompts(tokenizer),
        max_new_tokens=TOKENS,
        eos_token_ids={end},
        pad_token_id=end,
        batch_size=8,
    )
    return [tokenizer.decode(reply.tokens, skip_special_tokens=True) for reply in sorted(made)]


def test_interrupted_training_ends_in_the_same_weights(
    trained: Job, rows: list[Row], tmp_path: Path
) -> None:
    killed = Job(tmp_path, base=trained.base, rows=rows, **SMALL)
    assert interrupt(killed, signal.SIGTERM) == 143
    assert not killed.output.exists()
    [step] = steps_saved(killed)
    assert 0 < step < read_json(trained.output / "provenance.json")["steps"]
    train_here(killed)
    assert killed.weights() == trained.weights()


def test_checkpoint_is_read_by_transformers_and_by_lm_eval(trained: Job) -> None:
    """Which reply as we do."""
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    assert read_json(trained.output / "provenance.json")["batches"] == "prefix sharing"
    folder = str(trained.output)
    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(loading[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = replies(model.eval(), tokenizer)
    config = GenerationConfig(do_sample=False, max_new_tokens=TOKENS, pad_token_id=0)
    config.eos_token_id = tokenizer.eos_token_id
    plain = []
    for question in ASKED:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        made = model.generate(**ids, generation_config=config)
        plain.append(
            tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        )
    assert ours == plain
    lm = HFLM(pretrained=folder, dtype=torch.float32, device="cpu", batch_size=1)
    settings = {"until": [], "max_gen_toks": TOKENS, "do_sample": False}
    asked = [lm.apply_chat_template([{"role": "user", "content": question}]) for question in ASKED]
    requests = [
        Instance("generate_until", {}, (text, settings), number)
        for number, text in enumerate(asked)
    ]
    assert lm.generate_until(requests, disable_tqdm=True) == ours


def test_merged_and_unmerged_adapter_compute_the_same(
    adapted: Job, rows: list[Row], measured: Callable[[str], None]
) -> None:
    import torch
    from peft import PeftModel

    from sftstudy.students.chat import conversation_ids, load_tokenizer
    from sftstudy.students.models import load_model

    tokenizer = load_tokenizer(adapted.output, {})
    [(_, conversation)] = conversation_ids(tokenizer, rows[:1], {}, "tatqa")
    ids = torch.tensor([conversation])
    base = load_model(adapted.base, "float32", "sdpa").eval()
    with torch.no_grad():
        untouched = base(ids).logits
        adapter = PeftModel.from_pretrained(base, adapted.output / "adapter").eval()
        unmerged = adapter(ids).logits
        merged = load_model(adapted.output, "float32", "sdpa").eval()
        difference = ((merged(ids).logits - unmerged).norm() / unmerged.norm()).item()
        learned = ((untouched - unmerged).norm() / unmerged.norm()).item()
    measured(
        f"LoRA merged: logits {difference:.1e} from unmerged, which are {learned:.1e} from base"
    )
    assert difference < 1e-5 < 1e-2 < learned
    assert replies(merged, tokenizer) == replies(adapter.get_base_model(), tokenizer)
