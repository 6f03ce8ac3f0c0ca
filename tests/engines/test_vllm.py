"""vLLM, offline and as a server, replies as hf does: on a CPU, a real student to real rows."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from engines.conftest import CUT, LIMITS, ROWS, THREADS, Engine, Job, Prediction, Questions
from made_documents import lengths
from programs import start
from real.conftest import Rows
from sftstudy.documents.replies import DROPPED
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json, write_jsonl
from training_job import recipe

pytestmark = pytest.mark.engines

Ask = Callable[..., Questions]
Say = Callable[[str], None]
ENGINES = ("vllm", "openai")


@pytest.fixture(scope="module")
def expected(
    hf: Engine, smollm2: Path, questions: Ask, tmp_path_factory: pytest.TempPathFactory
) -> Prediction:
    """What hf replies in float32."""
    return Job(hf, smollm2, questions(), tmp_path_factory.mktemp("hf")).run()


def compared(made: Prediction, other: Prediction) -> str:
    """Say how many replies are equal, and show those that are not."""
    lines = {name: list(zip(made[name], other[name], strict=True)) for name in made}
    equal = sum(a["text"] == b["text"] for pairs in lines.values() for a, b in pairs)
    told = [f"{equal} of {sum(map(len, lines.values()))} texts are equal"]
    for name, pairs in lines.items():
        for a, b in pairs:
            if a["text"] != b["text"]:
                told.append(f"  {name} {a['id']}: {a['text']!r}\n    and {b['text']!r}")
    return "\n".join(told)


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_and_run_again_it_gives_the_replies_of_hf(
    engine: str,
    request: pytest.FixtureRequest,
    smollm2: Path,
    questions: Ask,
    expected: Prediction,
    tmp_path: Path,
    measured: Say,
) -> None:
    """In float32 no rounding excuses a difference: not of a text, nor of what is said of it."""
    job = Job(request.getfixturevalue(engine), smollm2, questions(), tmp_path / "out")
    process = job.start()
    while not job.kept():
        assert process.poll() is None, job.printed()
        time.sleep(0.05)
    others = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = job.kept()
    assert 0 < kept < ROWS, "killed within the first eval set"
    _, left = psutil.wait_procs(others, timeout=60)
    assert not left, "processes of vLLM have outlived the job"

    made = job.run()
    assert f"{ROWS} replies, {kept} known before" in job.printed()
    number = sum(map(len, made.values()))
    told = compared(made, expected)
    measured(f"{engine}, float32: {told}; {number - kept} in {job.seconds:.0f} s, load included")
    assert made == expected
    replies = [line for lines in made.values() for line in lines]
    assert {line["finish_reason"] for line in replies} == {"stop", "length"}
    assert made[CUT][0]["text"].endswith("\N{REPLACEMENT CHARACTER}")


def test_in_bfloat16_differences_are_counted(
    hf: Engine,
    vllm: Engine,
    smollm2: Path,
    questions: Ask,
    expected: Prediction,
    tmp_path: Path,
    measured: Say,
) -> None:
    """The texts are those of one student to rounding, which moves hf's own as much."""
    asked = questions("ifeval", "simple_safety_tests", "pubmedqa", "tatqa")
    of_hf = Job(hf, smollm2, asked, tmp_path / "hf", dtype="bfloat16").run()
    of_vllm = Job(vllm, smollm2, asked, tmp_path / "vllm", dtype="bfloat16").run()
    told = compared(of_vllm, of_hf)
    measured(f"vllm, bfloat16: {told}")
    in_float32 = {name: expected[name] for name in of_hf}
    for engine, made in (("hf", of_hf), ("vllm", of_vllm)):
        [count, *_] = compared(made, in_float32).splitlines()
        measured(f"{engine}, bfloat16, and hf in float32: {count}")
    assert int(told.split()[0]) >= 4 * ROWS / 2, told


@pytest.mark.parametrize("engine", ENGINES)
def test_drawn_replies_have_seeds_of_their_own(
    engine: str,
    request: pytest.FixtureRequest,
    smollm2: Path,
    questions: Ask,
    tmp_path: Path,
) -> None:
    """Two jobs draw the same replies, and the two replies to a prompt differ."""
    decoding = json.dumps([{"samples": 2, "temperature": 0.8, "top_p": 0.95}])
    asked, opened = questions("ifeval"), request.getfixturevalue(engine)
    one, other = (
        Job(opened, smollm2, asked, tmp_path / name).run("--decoding", decoding)["ifeval"]
        for name in ("one", "other")
    )
    assert one == other
    texts = [line["text"] for line in one]
    assert sum(a != b for a, b in zip(texts[::2], texts[1::2], strict=True)) > ROWS / 2


@pytest.fixture(scope="module")
def impolite(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student with a generation_config.json that leaves nothing as it is: of it only the end
    tokens count, to which the token of ` the` was added."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("impolite") / "student"
    shutil.copytree(smollm2, folder)
    [the] = AutoTokenizer.from_pretrained(folder)(" the")["input_ids"]
    stated = read_json(folder / "generation_config.json")
    changes = {"do_sample": True, "temperature": 1.7, "top_k": 3, "top_p": 0.5}
    changes |= {"repetition_penalty": 4.0, "max_new_tokens": 2, "min_new_tokens": 40}
    changes["eos_token_id"] = [stated["eos_token_id"], the]
    write_json(folder / "generation_config.json", stated | changes)
    return folder


def test_settings_of_the_checkpoint_do_not_leak_its_end_tokens_end_and_rows_that_fit_are_asked(
    hf: Engine,
    vllm: Engine,
    openai: Engine,
    impolite: Path,
    questions: Ask,
    expected: Prediction,
    tmp_path: Path,
) -> None:
    """`max_length` is what the eighth row needs to the token; longer ones are dropped."""
    asked = questions("ifeval")
    tokens = sorted(line["prompt_tokens"] for line in expected["ifeval"])
    most = tokens[7] + LIMITS["ifeval"]
    dropped = sum(number > tokens[7] for number in tokens)
    assert dropped
    made = [
        Job(engine, impolite, asked, tmp_path / engine.name, max_length=most).run("--drop-overlong")
        for engine in (hf, vllm, openai)
    ]
    assert made[1] == made[0] and made[2] == made[0]
    ended = 0
    for line, whole in zip(made[0]["ifeval"], expected["ifeval"], strict=True):
        if line["finish_reason"] == DROPPED:
            dropped -= 1
            continue
        assert whole["text"].startswith(line["text"]) and " the " not in line["text"]
        ended += line["finish_reason"] == "stop" and line["text"] != whole["text"]
    assert not dropped and ended >= 2


def test_checkpoint_of_lora_replies_as_in_hf(
    hf: Engine,
    vllm: Engine,
    smollm2: Path,
    questions: Ask,
    real_rows: Rows,
    expected: Prediction,
    tmp_path: Path,
    measured: Say,
) -> None:
    """Trained for four steps: enough to reply otherwise than before."""
    checkpoint = train_lora(smollm2, real_rows("pubmedqa"), tmp_path)
    asked = questions("pubmedqa", "simple_safety_tests")
    made = {e.name: Job(e, checkpoint, asked, tmp_path / e.name).run() for e in (hf, vllm)}
    measured(f"vllm, merged LoRA, float32: {compared(made['vllm'], made['hf'])}")
    assert made["vllm"] == made["hf"]
    assert all(made["hf"][name] != expected[name] for name in asked.limits)


def train_lora(base: Path, rows: list[Any], folder: Path) -> Path:
    """Train an adapter on a few short rows; return the merged checkpoint."""
    hyperparameters: dict[str, Any] = {"method": "lora", "lora_r": 8, "lora_alpha": 16}
    hyperparameters |= {"lora_dropout": 0.0, "learning_rate": 2e-3, "num_train_epochs": 2}
    rows = sorted(rows, key=lambda row: (len(str(row["prompt"])), row["id"]))[:8]
    write_jsonl(folder / "train.jsonl", rows)
    write_json(folder / "lengths.json", lengths())
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe(**hyperparameters)))
    output = folder / "trial"
    files = ("--recipe", folder / "recipe.yaml", "--train", folder / "train.jsonl")
    more = ("--lengths", folder / "lengths.json", "--base", base, "--scratch", folder / "scratch")
    process = start("train.py", *files, *more, "--threads", THREADS, "--output", output)
    printed, _ = process.communicate(timeout=900)
    assert not process.returncode, printed
    return output
