"""Prediction: the replies of plain greedy decoding, whatever was shared, cut or known before."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from programs import SCRIPTS, run, start
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.files.writing import write_json, write_jsonl
from tiny_student import save_student
from tiny_tokenizer import CHATML

GENERATION = {
    "attention": "sdpa",
    "chat_template_kwargs": {},
    "dtype": "float32",
    "max_length": 400,
}
ROWS = [
    {"id": f"r{n}", "prompt": [{"role": "user", "content": f"The same start of it all.\n{n}" * 3}]}
    for n in range(12)
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("checkpoint"))


def predict(
    checkpoint: Path,
    folder: Path,
    rows: list[dict],
    drop: bool = False,
    decoding: dict | None = None,
    **generation: object,
) -> list[dict]:
    from sftstudy.prediction.suite import EvalSet
    from sftstudy.prediction.suite import predict as predict_suite

    write_jsonl(folder / "data.jsonl", rows)
    output = folder / "predictions" / "evalset.jsonl"
    evalset = EvalSet(folder / "data.jsonl", 8, output, decoding)
    predict_suite(checkpoint, [evalset], GENERATION | generation, drop_overlong=drop)
    return read_jsonl(output)


def plain(checkpoint: Path) -> list[dict]:
    """Return what transformers' own `generate` replies, one prompt at a time."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    found = []
    for row in ROWS:
        prompt = tokenizer.apply_chat_template(
            row["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        output = model.generate(
            **prompt,
            max_new_tokens=8,
            do_sample=False,
            repetition_penalty=1.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )[0, prompt["input_ids"].shape[1] :].tolist()
        stopped = output[-1] == tokenizer.eos_token_id
        tokens = output[:-1] if stopped else output
        found.append(
            {
                "id": row["id"],
                "text": tokenizer.decode(tokens, skip_special_tokens=True),
                "finish_reason": "stop" if stopped else "length",
                "prompt_tokens": prompt["input_ids"].shape[1],
                "completion_tokens": len(tokens),
            }
        )
    return found


def test_replies_are_those_of_plain_generation(checkpoint: Path, tmp_path: Path) -> None:
    replies = predict(checkpoint, tmp_path, ROWS)
    assert replies == plain(checkpoint)
    assert len({reply["text"] for reply in replies}) > 1


def test_generation_config_does_not_leak(checkpoint: Path, tmp_path: Path) -> None:
    expected = predict(checkpoint, tmp_path / "before", ROWS)
    other = save_student(tmp_path / "checkpoint")
    leaky = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0, "max_length": 3}
    write_json(other / "generation_config.json", leaky)
    assert predict(other, tmp_path / "after", ROWS) == expected


def test_end_tokens_of_the_generation_config_end_a_reply(checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    before = predict(checkpoint, tmp_path / "before", ROWS[:1])[0]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    first = tokenizer(before["text"], add_special_tokens=False)["input_ids"][0]
    other = save_student(tmp_path / "checkpoint")
    write_json(other / "generation_config.json", {"eos_token_id": [first, 5]})
    after = predict(other, tmp_path / "after", ROWS[:1])[0]
    assert (after["text"], after["finish_reason"]) == ("", "stop")


def test_a_reply_ends_where_the_template_ends_it(tmp_path: Path) -> None:
    """Without a generation_config.json, and with another token as the tokenizer's own end."""
    from transformers import AutoTokenizer

    from sftstudy.prediction.engine import end_tokens

    tokenizer = AutoTokenizer.from_pretrained(save_student(tmp_path))
    end = tokenizer.eos_token_id
    tokenizer.eos_token = "<|im_start|>"
    (tmp_path / "generation_config.json").unlink(missing_ok=True)
    assert end_tokens(tmp_path, tokenizer, {}) == {end, tokenizer.eos_token_id}
    tokenizer.eos_token = None
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "")
    with pytest.raises(StudyError, match="no token ends a reply"):
        end_tokens(tmp_path, tokenizer, {})


def test_tokens_without_embedding_are_an_error(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(save_student(tmp_path / "whole"))
    model.resize_token_embeddings(250)
    other = save_student(tmp_path / "cut", model=model.to(torch.float32))
    with pytest.raises(StudyError, match=r"cut: its tokenizer makes the token 25\d"):
        predict(other, tmp_path, ROWS)


def test_a_model_that_never_stops_is_cut_at_the_limit(checkpoint: Path, tmp_path: Path) -> None:
    """Its end token is one that it cannot say; each reply ends where the task says, and says so."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    other = save_student(tmp_path / "checkpoint")
    end = AutoTokenizer.from_pretrained(other).eos_token_id
    tensors = load_file(other / "model.safetensors")
    tensors["lm_head.weight"][end] = 0.0
    tensors["lm_head.weight"][:5] = 10 * tensors["lm_head.weight"][5:10]
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    replies = predict(other, tmp_path, ROWS)
    assert {(r["finish_reason"], r["completion_tokens"]) for r in replies} == {("length", 8)}


def test_known_replies_are_not_generated_again(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = predict(checkpoint, tmp_path, ROWS[:8])
    assert "8 replies, 0 known before" in capsys.readouterr().out
    more = predict(checkpoint, tmp_path, ROWS)
    assert "12 replies, 8 known before" in capsys.readouterr().out
    assert more[:8] == first
    predict(checkpoint, tmp_path, ROWS, dtype="bfloat16")
    assert "12 replies, 0 known before" in capsys.readouterr().out


@pytest.mark.slow
def test_what_edited_code_or_another_package_would_reply_is_generated(
    checkpoint: Path, tmp_path: Path
) -> None:
    """In a copy of the programs: least likely tokens in the place of the most likely ones."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    write_jsonl(tmp_path / "data.jsonl", ROWS)
    output, record = tmp_path / "out" / "evalset.jsonl", tmp_path / "record.json"
    file = tmp_path / "scripts/sftstudy/prefix_sharing/sampling.py"

    def predicted() -> tuple[str, list[dict], dict]:
        command = [sys.executable, tmp_path / "scripts/predict.py", "--checkpoint", checkpoint]
        command += ["--data", tmp_path / "data.jsonl", "--max-new-tokens", "8"]
        command += ["--generation", json.dumps(GENERATION), "--device", "cpu"]
        command += ["--output", output, "--record", record]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout, read_jsonl(output), read_json(record)["facts"]

    printed, first, facts = predicted()
    assert "12 replies, 0 known before" in printed and "known_replies" not in facts

    text = file.read_text()
    assert text.count(".argmax(") == 1
    file.write_text(text.replace(".argmax(", ".argmin("))
    printed, second, facts = predicted()
    assert "12 known replies are generated anew: code " in printed
    assert "12 replies, 0 known before" in printed and "known_replies" not in facts
    assert not {reply["text"] for reply in first} & {reply["text"] for reply in second}

    file.write_text(file.read_text() + "\n# a comment is no change\n")
    printed, third, facts = predicted()
    assert "12 replies, 12 known before" in printed and third == second
    [known] = facts["known_replies"]
    assert known["replies"] == 12 and known["maker"]["engine"] == "hf"
    assert known["maker"]["packages"]["torch"] == version("torch")

    journal = tmp_path / "out/.journal/evalset.jsonl"
    now = f'"transformers": "{version("transformers")}"'
    assert journal.read_text().count(now) == 12
    for entry in (entries := read_jsonl(journal)):
        entry["made_by"]["maker"]["packages"]["transformers"] = "4.0.0"
        entry["key"] = sha256_json([entry["question"], entry["made_by"]["maker"], ""])
    write_jsonl(journal, entries)
    printed, fourth, _ = predicted()
    assert "generated anew: transformers 4.0.0, now " in printed and fourth == second


def test_equal_prompts_are_generated_once(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = predict(checkpoint, tmp_path, [ROWS[0] | {"id": name} for name in "abc"])
    assert "1/1 replies" in capsys.readouterr().out
    assert [reply["id"] for reply in replies] == ["a", "b", "c"]
    assert len({reply["text"] for reply in replies}) == 1


def drawn(samples: int, **other: float) -> dict:
    return {"samples": samples, "temperature": 0.9, "top_p": 0.95} | other


def test_several_replies_are_lines_in_order_and_each_is_a_question_of_its_own(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three = predict(checkpoint, tmp_path, ROWS, decoding=drawn(3))
    assert "36 replies, 0 known before" in capsys.readouterr().out
    assert [(line["id"], line["sample"]) for line in three] == [
        (row["id"], number) for row in ROWS for number in range(3)
    ]
    assert len({line["text"] for line in three}) > 24
    five = predict(checkpoint, tmp_path, ROWS, decoding=drawn(5))
    assert "60 replies, 36 known before" in capsys.readouterr().out
    assert [line for line in five if line["sample"] < 3] == three
    assert predict(checkpoint, tmp_path, ROWS, decoding=drawn(3)) == three
    assert "36 replies, 36 known before" in capsys.readouterr().out
    one = predict(checkpoint, tmp_path, ROWS, decoding=drawn(1))
    assert "12 replies, 12 known before" in capsys.readouterr().out
    assert one == [
        {name: value for name, value in line.items() if name != "sample"} for line in three[::3]
    ]
    predict(checkpoint, tmp_path, ROWS, decoding=drawn(3, temperature=0.8))
    assert "36 replies, 0 known before" in capsys.readouterr().out
    predict(checkpoint, tmp_path, ROWS, decoding=drawn(3, top_p=0.9))
    assert "36 replies, 0 known before" in capsys.readouterr().out


def test_drawn_replies_are_the_same_in_other_company(checkpoint: Path, tmp_path: Path) -> None:
    three = predict(checkpoint, tmp_path / "all", ROWS, decoding=drawn(3))
    some = predict(checkpoint, tmp_path / "some", ROWS[7:2:-2], decoding=drawn(2))
    known = {(line["id"], line["sample"]): line for line in three}
    assert some == [known[line["id"], line["sample"]] for line in some]


def test_greedy_questions_are_named_as_ever(checkpoint: Path, tmp_path: Path) -> None:
    """So that no study's replies are generated anew because others may be drawn."""
    from sftstudy.prediction.engine import Asked
    from sftstudy.prediction.suite import _key

    greedy = {"checkpoint": "45", "prompt": [1, 2], "max_new_tokens": 8}
    greedy |= {name: GENERATION[name] for name in ("dtype", "attention", "chat_template_kwargs")}
    assert _key("45", Asked([1, 2]), 8, GENERATION, None) == sha256_json(greedy)
    more = {"temperature": 0.9, "top_p": 0.95, "sample": 1}
    for samples in (2, 9):
        found = _key("45", Asked([1, 2], 1), 8, GENERATION, drawn(samples))
        assert found == sha256_json(greedy | more)
    replies = predict(checkpoint, tmp_path, ROWS[:2], decoding=drawn(2))
    assert predict(checkpoint, tmp_path, ROWS[:2]) == plain(checkpoint)[:2]
    assert len(replies) == 4


def test_a_row_that_is_dropped_has_one_line(checkpoint: Path, tmp_path: Path) -> None:
    long = {"id": "long", "prompt": [{"role": "user", "content": "x" * 500}]}
    replies = predict(checkpoint, tmp_path, [ROWS[0], long], drop=True, decoding=drawn(2))
    assert [(line["id"], line.get("sample")) for line in replies] == [
        ("r0", 0), ("r0", 1), ("long", None),
    ]  # fmt: skip


def test_prompt_over_the_maximum_names_file_and_row(checkpoint: Path, tmp_path: Path) -> None:
    rows = [*ROWS, {"id": "long", "prompt": [{"role": "user", "content": "x" * 500}]}]
    with pytest.raises(StudyError, match=r"data\.jsonl: row 'long' has a prompt of 5\d\d tokens"):
        predict(checkpoint, tmp_path, rows)
    assert not (tmp_path / "predictions" / "evalset.jsonl").exists()
    with pytest.raises(StudyError, match="all of its 1 rows are too long"):
        predict(checkpoint, tmp_path, rows[-1:], drop=True)


def test_dropped_rows_are_marked_and_nothing_else_changes(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = {"id": "long", "prompt": [{"role": "user", "content": "x" * 500}]}
    replies = predict(checkpoint, tmp_path, [ROWS[0], long, *ROWS[1:]], drop=True)
    marked = replies.pop(1)
    assert replies == plain(checkpoint)
    assert "12 replies, 0 known before, 1 rows dropped as too long" in capsys.readouterr().out
    assert marked.pop("prompt_tokens") > 500
    assert marked == {
        "id": "long", "text": "", "finish_reason": "dropped", "completion_tokens": 0,
    }  # fmt: skip


def test_more_than_the_positions_is_not_predicted(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"max_length is 4096, .* positions for 2048 tokens"):
        predict(checkpoint, tmp_path, ROWS[:1], max_length=4096)


@pytest.mark.slow
def test_killed_prediction_goes_on_where_it_stopped(checkpoint: Path, tmp_path: Path) -> None:
    rows = [
        {"id": f"r{n}", "prompt": [{"role": "user", "content": f"{n} " * (n % 7 + 1) * 5}]}
        for n in range(600)
    ]
    write_jsonl(tmp_path / "data.jsonl", rows)

    def arguments(name: str) -> list[object]:
        return [
            *("--checkpoint", checkpoint, "--data", tmp_path / "data.jsonl"),
            *("--max-new-tokens", 60, "--generation", json.dumps(GENERATION)),
            *("--output", tmp_path / name / "evalset.jsonl"),
        ]

    assert run("predict.py", *arguments("whole"))[0] == 0
    process = start("predict.py", *arguments("killed"), PYTHONUNBUFFERED="1")
    while "replies" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "evalset.jsonl").exists()
    status, output = run("predict.py", *arguments("killed"))
    assert status == 0, output
    known = int(output.rpartition("600 replies, ")[2].split()[0])
    assert 60 <= known < 600
    files = [tmp_path / name / "evalset.jsonl" for name in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("moment", ["load", "use"])
def test_a_checkpoint_that_is_replaced_gives_no_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """While it is loaded, or after the first reply (weights may be mapped, not read)."""
    from sftstudy.prediction import hf
    from sftstudy.prediction.journal import Journal

    checkpoint = save_student(tmp_path / "checkpoint")
    file = checkpoint / "model.safetensors"
    owner, name = {"load": (hf, "load_model"), "use": (Journal, "add")}[moment]
    original = getattr(owner, name)

    def then_replaced(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        edit(file)
        return found

    monkeypatch.setattr(owner, name, then_replaced)
    with pytest.raises(
        StudyError, match=r"model\.safetensors: was changed while it was being read"
    ):
        predict(checkpoint, tmp_path, ROWS)
    folder = tmp_path / "predictions"
    assert [path.name for path in folder.iterdir()] == [".journal"], "no predictions"
    kept = [len(read_jsonl(journal)) for journal in folder.glob(".journal/*.jsonl")]
    assert sum(kept) == {"load": 0, "use": 1}[moment], "what was computed before the edit"


def edit(file: Path) -> None:
    """Change the last byte of a file in its place."""
    with file.open("r+b") as handle:
        handle.seek(-1, os.SEEK_END)
        byte = handle.read(1)[0]
        handle.seek(-1, os.SEEK_END)
        handle.write(bytes([(byte + 1) % 256]))


@pytest.mark.slow
def test_a_checkpoint_that_is_edited_by_another_process_gives_no_replies(tmp_path: Path) -> None:
    checkpoint = save_student(tmp_path / "checkpoint")
    write_jsonl(tmp_path / "data.jsonl", ROWS)
    process = start(
        "predict.py",
        *("--checkpoint", checkpoint, "--data", tmp_path / "data.jsonl", "--max-new-tokens", 8),
        *("--generation", json.dumps(GENERATION), "--output", tmp_path / "out" / "evalset.jsonl"),
    )
    while process.poll() is None:
        edit(checkpoint / "model.safetensors")
        time.sleep(0.02)
    assert process.returncode == 1
    assert "model.safetensors: was changed while it was being read" in process.stdout.read()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".journal"]


def test_a_checkpoint_that_is_written_again_as_it_was_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sftstudy.prediction import hf

    checkpoint = save_student(tmp_path / "checkpoint")
    file = checkpoint / "model.safetensors"
    load = hf.load_model

    def load_then_touched(*arguments: Any) -> Any:
        model = load(*arguments)
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
        return model

    monkeypatch.setattr(hf, "load_model", load_then_touched)
    assert len(predict(checkpoint, tmp_path, ROWS)) == len(ROWS)


def test_device_that_is_not_there_is_an_error(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    wanted = "mps" if torch.cuda.is_available() else "cuda"
    monkeypatch.setenv("SFTSTUDY_DEVICE", wanted)
    with pytest.raises(StudyError, match=f"device: {wanted}: torch finds only"):
        predict(checkpoint, tmp_path, ROWS[:1])
    monkeypatch.setenv("SFTSTUDY_DEVICE", "cpu")
    assert predict(checkpoint, tmp_path, ROWS[:1]) == plain(checkpoint)[:1]
