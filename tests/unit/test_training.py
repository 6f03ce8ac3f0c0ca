"""Training one trial: the tokens of TRL, the values of the recipe, and nothing lost by a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from programs import SCRIPTS, run, start
from repository import ROOT
from sftstudy.config import schema
from sftstudy.errors import StudyError
from sftstudy.files import read_json, sha256_file, write_json, write_jsonl
from sftstudy.study import Study
from sftstudy.training.tracking import TRACKERS
from tiny_student import save_student
from tiny_tokenizer import make_tokenizer

ROWS = [
    {
        "id": f"r{n}",
        "group": f"g{n // 3}",
        "prompt": [{"role": "user", "content": f"Add one to a number.\nDocument {n // 3}\n{n}"}],
        "completion": [{"role": "assistant", "content": str(n + 1)}],
        "reference": {},
    }
    for n in range(60)
]


def recipe(**training: Any) -> dict[str, Any]:
    """Return the recipe that the smoke configuration gives, with some values replaced."""
    config = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    study = Study(config, "smoke.yaml")
    found = study.recipe("smoke", "tatqa", next(iter(study.trials("smoke", "tatqa"))))
    found["training"] |= {"per_device_train_batch_size": 4, "num_train_epochs": 2} | training
    return found


class Job:
    """The files of one training job, and the command that runs it."""

    def __init__(self, folder: Path, **training: Any) -> None:
        self.output, self.scratch = folder / "out" / "trial", folder / "scratch"
        base = save_student(folder / "base")
        write_jsonl(folder / "train.jsonl", ROWS)
        write_json(folder / "lengths.json", {"dropped": {}})
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe(**training)))
        self.arguments = ["--recipe", folder / "recipe.yaml", "--train", folder / "train.jsonl"]
        self.arguments += ["--lengths", folder / "lengths.json", "--base", base]
        self.arguments += ["--scratch", self.scratch, "--output", self.output]

    def weights(self) -> str:
        return sha256_file(self.output / "model.safetensors")


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
    from sftstudy.training.rows import training_rows

    write_jsonl(tmp_path / "train.jsonl", ROWS)
    write_json(tmp_path / "lengths.json", {"dropped": {"train": ["r3"], "val": ["r4"]}})
    rows = training_rows(tmp_path / "train.jsonl", tmp_path / "lengths.json")
    assert {row["id"] for row in ROWS} - {row["id"] for row in rows} == {"r3"}


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from sftstudy.models import load_model

    file = save_student(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    removed = next(name for name in tensors if "layers.1" in name)
    save_file({k: v for k, v in tensors.items() if k != removed}, file, {"format": "pt"})
    with pytest.raises(StudyError, match="missing keys") as caught:
        load_model(tmp_path, "float32", "sdpa")
    assert removed in str(caught.value)


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
    assert not list(job.scratch.glob("*")), "saved states are removed at the end"


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
    status = _interrupt(killed, signal.SIGTERM)
    assert status == 143 and not killed.output.exists()
    if sent is signal.SIGKILL:
        _interrupt(killed, signal.SIGKILL)
        (state,) = (path.parent for path in killed.scratch.glob("*/*/complete.json"))
        torn = state.parent / "checkpoint-29"
        torn.mkdir()
        (torn / "trainer_state.json").write_text('{"global_step": 29')
    status, output = run("train.py", *killed.arguments)
    assert status == 0, output
    assert "resuming from checkpoint-" in output
    assert killed.weights() == whole.weights()


def _interrupt(job: Job, sent: signal.Signals) -> int:
    """Start the job, send a signal after its first logged step, and return its exit status."""
    process = start("train.py", *job.arguments, PYTHONUNBUFFERED="1")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if line.startswith(("step ", "resuming")):
            process.send_signal(sent)
            break
    process.stdout.read()
    return process.wait(timeout=60)


@pytest.mark.slow
def test_other_data_does_not_resume(tmp_path: Path) -> None:
    job = Job(tmp_path)
    assert _interrupt(job, signal.SIGTERM) == 143
    write_jsonl(tmp_path / "train.jsonl", ROWS[:-1])
    status, output = run("train.py", *job.arguments)
    assert status == 0 and "resuming" not in output
    assert read_json(job.output / "provenance.json")["rows"] == 59


def test_bad_recipe_names_its_field(tmp_path: Path) -> None:
    from sftstudy.training.trial import read_recipe

    (tmp_path / "recipe.yaml").write_text(json.dumps({"student": "x"}))
    with pytest.raises(StudyError, match=r"recipe\.yaml: the field 'task' is missing"):
        read_recipe(tmp_path / "recipe.yaml")


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(tmp_path: Path) -> None:
    """`accelerate launch` on two CPU processes (gloo): the same effective batch and loss."""
    import torch
    from safetensors.torch import load_file

    jobs = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        job = jobs[processes] = Job(folder, optim="sgd", max_grad_norm=0.0)
        launcher = ["-m", "accelerate.commands.launch", "--num_processes", str(processes)]
        launcher += ["--config_file", str(ROOT / "config" / "accelerate" / "ddp.yaml")]
        done = subprocess.run(
            [sys.executable, *launcher, str(SCRIPTS / "train.py"), *map(str, job.arguments)],
            env=os.environ | {"ACCELERATE_USE_CPU": "true"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        provenance = read_json(job.output / "provenance.json")
        assert (provenance["processes"], provenance["steps"]) == (processes, 30)
        assert list(job.output.parent.iterdir()) == [job.output]
    base, one, two = (
        load_file(folder / "model.safetensors")
        for folder in (tmp_path / "1" / "base", jobs[1].output, jobs[2].output)
    )
    moved = torch.sqrt(sum(((one[k] - base[k]) ** 2).sum() for k in base))
    apart = torch.sqrt(sum(((one[k] - two[k]) ** 2).sum() for k in base))
    assert apart < 1e-4 * moved


def test_the_schema_offers_the_trackers_that_the_program_takes() -> None:
    assert tuple(schema()["properties"]["tracking"]["enum"]) == TRACKERS


def test_a_tracker_that_is_not_installed_is_named_before_training(tmp_path: Path) -> None:
    """With `-S` Python finds no installed package, whatever this environment holds."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from sftstudy.training.tracking import prepare\n"
        "prepare('wandb', Path('tracking'))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(SCRIPTS)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={},
    )
    assert "StudyError: tracking: wandb: the package 'wandb' is not installed" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_tracking_writes_curves_and_changes_no_weight(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    jobs = {}
    for tracker in ("none", "tensorboard"):
        (tmp_path / tracker).mkdir()
        job = jobs[tracker] = Job(tmp_path / tracker)
        options = ["--tracking", tracker, "--tracking-dir", tmp_path / tracker / "tracking"]
        status, output = run("train.py", *job.arguments, *options)
        assert status == 0, output
    assert jobs["none"].weights() == jobs["tensorboard"].weights()
    assert not (tmp_path / "none" / "tracking").exists()
    found = yaml.safe_load((tmp_path / "tensorboard" / "recipe.yaml").read_text())
    names = (found[key] for key in ("student", "task", "trial"))
    events = EventAccumulator(str((tmp_path / "tensorboard" / "tracking").joinpath(*names)))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("train/loss")}
    history = read_json(jobs["tensorboard"].output / "provenance.json")["log_history"]
    assert shown == pytest.approx({entry["step"]: entry["loss"] for entry in history}, rel=1e-6)
