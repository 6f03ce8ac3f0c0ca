"""Training one trial: the tokens of TRL, the values of the recipe, and nothing lost by a kill."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from families import QWEN3
from made_documents import lengths
from programs import call, run
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json, write_jsonl
from tiny_tokenizer import make_tokenizer, save_tokenizer
from training_job import ROWS, Job, interrupt, recipe, steps_saved, train_here


def test_tokens_and_labels_are_those_of_trl() -> None:
    from datasets import Dataset
    from transformers import Qwen3Config, Qwen3ForCausalLM
    from trl import SFTConfig, SFTTrainer

    from sftstudy.training.rows import samples

    tokenizer = make_tokenizer()
    ours = samples(ROWS, tokenizer, {}, 1000, Path("train.jsonl"))
    columns = {key: [row[key] for row in ROWS] for key in ("prompt", "completion")}
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    trainer = SFTTrainer(
        model=Qwen3ForCausalLM(Qwen3Config(vocab_size=300, **small, **heads)),
        args=SFTConfig(bf16=False, use_cpu=True, max_length=None, report_to="none"),
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
    )
    theirs = [
        {"input_ids": row["input_ids"], "labels": row["labels"]} for row in trainer.train_dataset
    ]
    assert ours == theirs


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"completion": [{"role": "assistant", "content": "x" * 200}]},
            ["'r0'", "allowed are 150"],
        ),
        ({"completion": []}, ["'r0'", "no supervised token"]),
    ],
)
def test_rows_that_cannot_be_trained_on_are_named(change: dict, words: list[str]) -> None:
    from sftstudy.training.rows import samples

    with pytest.raises(StudyError) as caught:
        samples([ROWS[0] | change], make_tokenizer(), {}, 150, Path("train.jsonl"))
    assert all(word in str(caught.value) for word in ["train.jsonl", *words])


@pytest.mark.parametrize(
    ("step", "processes", "share"),
    [((4, 4), 1, (4, 4)), ((4, 4), 2, (4, 2)), ((8, 1), 4, (2, 1)), ((2, 4), 4, (2, 1))],
)
def test_processes_share_a_step(
    step: tuple[int, int], processes: int, share: tuple[int, int]
) -> None:
    from sftstudy.training.arguments import share_of_step

    assert share_of_step(*step, processes) == share
    assert share[0] * share[1] * processes == step[0] * step[1]


def test_a_step_that_cannot_be_shared_is_an_error() -> None:
    from sftstudy.training.arguments import share_of_step

    with pytest.raises(StudyError, match="3 processes cannot share"):
        share_of_step(4, 4, 3)


def test_dropped_rows_are_not_trained_on(tmp_path: Path) -> None:
    from sftstudy.training.rows import training_data

    write_jsonl(tmp_path / "train.jsonl", ROWS)
    write_json(tmp_path / "lengths.json", lengths(dropped={"train": ["r3"], "val": ["r4"]}))
    rows = training_data(tmp_path / "train.jsonl", tmp_path / "lengths.json").rows
    assert {row["id"] for row in ROWS} - {row["id"] for row in rows} == {"r3"}


def test_data_that_is_edited_while_it_is_read_is_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sftstudy.training import rows

    file = tmp_path / "train.jsonl"
    write_jsonl(file, ROWS)
    write_json(tmp_path / "lengths.json", lengths())
    read = rows.read_rows

    def read_while_edited(path: Path) -> list[dict[str, Any]]:
        found = read(path)
        write_jsonl(path, ROWS[1:])
        return found

    monkeypatch.setattr(rows, "read_rows", read_while_edited)
    with pytest.raises(StudyError, match=r"train\.jsonl: was changed while it was being read"):
        rows.training_data(file, tmp_path / "lengths.json")
    monkeypatch.undo()
    data = rows.training_data(file, tmp_path / "lengths.json")
    assert (data.rows, data.sha256) == (ROWS[1:], sha256_file(file))


@pytest.mark.slow
def test_a_student_that_is_replaced_while_it_is_read_is_not_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sftstudy.training import trainer

    job = Job(tmp_path)
    load = trainer.load_model

    def load_while_replaced(base: Path, **options: Any) -> Any:
        (base / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
        return load(base, **options)

    monkeypatch.setattr(trainer, "load_model", load_while_replaced)
    status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
    assert status == 1 and "chat_template.jinja: was changed while it was being read" in output
    assert not job.output.exists()


@pytest.mark.slow
def test_checkpoint_is_complete_and_says_where_it_came_from(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    job = Job(tmp_path)
    status, output = run("train.py", *job.arguments)
    assert status == 0, output
    assert "step 30/30 (100%)" in output
    provenance = read_json(job.output / "provenance.json")
    assert provenance["recipe"] == recipe()
    assert provenance["rows"] == 60 and provenance["steps"] == 30
    assert provenance["data_sha256"] == sha256_file(tmp_path / "train.jsonl")
    assert provenance["weights_sha256"] == {"model.safetensors": job.weights()}
    assert provenance["batches"] == "prefix sharing"
    sizes = {name: t.numel() for name, t in load_file(job.output / "model.safetensors").items()}
    assert provenance["parameters"] == provenance["trainable_parameters"] == sum(sizes.values())
    multiplied = sum(sizes.values()) - sizes["model.embed_tokens.weight"]
    assert provenance["train_flops"] == 6 * multiplied * provenance["tokens"]
    losses = [entry["loss"] for entry in provenance["log_history"]]
    assert losses[-1] < losses[0]
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (job.output / name).read_bytes() == (tmp_path / "base" / name).read_bytes()
    card = (job.output / "README.md").read_text()
    assert card.startswith("---\n") and "| learning_rate |" in card
    modes = {file.stat().st_mode & 0o777 for file in job.output.iterdir()}
    assert modes == {0o644}, "readable in shared folders"
    assert list(job.output.parent.iterdir()) == [job.output], "no temporary is left"
    assert not list(job.scratch.glob("*/[!.]*")), "saved states are removed at the end"


@pytest.mark.slow
def test_log_warns_of_what_makes_a_training_say_little(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two steps, of which the first changes nothing; a template that writes before the reply."""
    job = Job(tmp_path, per_device_train_batch_size=30, num_train_epochs=1)
    save_tokenizer(job.base, QWEN3)
    train_here(job)
    text = capsys.readouterr().out
    assert "warning: smoke/tatqa/" in text and "2 optimizer steps on 60 rows, 1 of them" in text
    assert "the chat template puts '<think>\\n\\n</think>\\n\\n' before every reply" in text


@pytest.mark.slow
def test_padded_and_shared_training_agree(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    jobs = {}
    for mode in ("off", "auto"):
        (tmp_path / mode).mkdir()
        jobs[mode] = Job(tmp_path / mode, prefix_sharing=mode, optim="sgd", max_grad_norm=0.0)
        status, output = run("train.py", *jobs[mode].arguments)
        assert status == 0, output
    base = load_file(tmp_path / "off" / "base" / "model.safetensors")
    padded, shared = (load_file(job.output / "model.safetensors") for job in jobs.values())
    moved = torch.sqrt(sum(((padded[k] - base[k]) ** 2).sum() for k in base))
    apart = torch.sqrt(sum(((padded[k] - shared[k]) ** 2).sum() for k in base))
    assert apart < 1e-4 * moved


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_training_ends_in_the_same_weights(
    tmp_path: Path, sent: signal.Signals
) -> None:
    """SIGTERM saves and stops; after SIGKILL the last complete state counts, no torn one."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, killed = Job(tmp_path / "whole"), Job(tmp_path / "killed")
    assert run("train.py", *whole.arguments)[0] == 0
    status = interrupt(killed, signal.SIGTERM)
    assert status == 143 and not killed.output.exists()
    if sent is signal.SIGKILL:
        interrupt(killed, signal.SIGKILL)
        (state,) = (path.parent for path in killed.scratch.glob("*/*/complete.json"))
        torn = state.parent / "checkpoint-29"
        torn.mkdir()
        (torn / "trainer_state.json").write_text('{"global_step": 29')
    status, output = run("train.py", *killed.arguments)
    assert status == 0, output
    assert "resuming from checkpoint-" in output
    assert killed.weights() == whole.weights()


@pytest.mark.slow
def test_diverged_training_stops_and_keeps_the_last_good_state(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    saves_after_each_step: None,
) -> None:
    from safetensors.torch import load_file

    job = Job(tmp_path, learning_rate=1e6)
    outputs = []
    for _ in range(2):
        status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
        assert status == 1
        outputs.append(output)
        assert not job.output.exists()
        (state,) = job.scratch.glob("*/checkpoint-*")
        assert (state / "complete.json").is_file()
        weights = load_file(state / "model.safetensors").values()
        assert all(tensor.isfinite().all() for tensor in weights)
    first, again = (output[output.index("error: ") :] for output in outputs)
    assert "weight holds NaN or infinity in step" in first and "lower learning_rate" in first
    assert first.startswith(f"error: smoke/tatqa/{recipe()['trial']}: the training has diverged")
    assert f"resuming from {state.name}" in outputs[1] and again == first


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_a_loss_that_is_no_number_stops_the_training(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damaged: bool,
) -> None:
    """By a learning rate that is too high, or by weights of the student that are infinite."""
    from safetensors.torch import load_file, save_file

    job = Job(tmp_path, learning_rate=1e-3 if damaged else 1e6)
    if damaged:
        file = tmp_path / "base" / "model.safetensors"
        tensors = load_file(file)
        tensors["model.norm.weight"][0] = float("inf")
        save_file(tensors, file, {"format": "pt"})
    status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
    assert status == 1
    assert re.search(rf"the loss is nan in step {1 if damaged else '[2-9]'} of 30", output)
    assert not job.output.exists() and steps_saved(job) == []


def test_a_skipped_step_of_float16_can_be_written_down() -> None:
    from sftstudy.training.facts import loss_curve

    log = [{"loss": 1.0, "grad_norm": float("inf"), "step": 1}, {"train_runtime": 2.0}]
    assert loss_curve(log) == [{"loss": 1.0, "grad_norm": None, "step": 1}]


@pytest.mark.slow
def test_of_the_saved_states_the_newest_complete_one_is_left(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    saves_after_each_step: None,
) -> None:
    """Whatever the clock says: here the states of earlier attempts are from the future."""
    from sftstudy.training import resume

    job = Job(tmp_path, num_train_epochs=0.4)
    left = []
    mark = resume.Resumable.on_save

    def on_save(self: Any, arguments: Any, state: Any, *others: Any, **named: Any) -> None:
        """Look at what a kill at this moment would leave."""
        before = resume.newest_complete(self.job)[0]
        assert state.global_step == 1 or before.name == f"checkpoint-{state.global_step - 1}"
        mark(self, arguments, state, *others, **named)
        left.append(steps_saved(job))
        (state,) = job.scratch.glob("*/checkpoint-*")
        os.utime(state, (4e9, 4e9))

    monkeypatch.setattr(resume.Resumable, "on_save", on_save)
    status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
    assert status == 0, output
    assert left == [[step] for step in range(1, 7)]


@pytest.mark.slow
def test_other_data_does_not_resume(tmp_path: Path) -> None:
    job = Job(tmp_path)
    assert interrupt(job, signal.SIGTERM) == 143
    write_jsonl(tmp_path / "train.jsonl", ROWS[:-1])
    status, output = run("train.py", *job.arguments)
    assert status == 0 and "resuming" not in output
    assert read_json(job.output / "provenance.json")["rows"] == 59


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["code", "packages"])
def test_a_state_of_other_code_or_packages_is_not_gone_on_from(
    tmp_path: Path, changed: str
) -> None:
    job = Job(tmp_path)
    assert interrupt(job, signal.SIGTERM) == 143
    [marker] = job.scratch.glob("*/*/complete.json")
    saved = read_json(marker)
    other = {"code": "scripts/train.py 0", "packages": saved["packages"] | {"torch": "1.0"}}
    write_json(marker, saved | {changed: other[changed]})
    status, output = run("train.py", *job.arguments)
    assert status == 0, output
    assert "was saved by other code or with other packages: the training begins again" in output
    assert "resuming" not in output
    assert read_json(job.output / "provenance.json")["code"] == saved["code"]
