"""Controls from lm-eval, held to what lm-eval's own command line says of the same checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_lm_eval import write_sums, write_tasks
from programs import call
from sftstudy.documents.lm_eval import CHOSEN
from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.rows import read_scored
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.lm_eval_controls import hf
from sftstudy.lm_eval_controls.evaluate import evaluate
from sftstudy.lm_eval_controls.lengths import measure, without_weights
from sftstudy.lm_eval_controls.rows import describe, rows
from sftstudy.lm_eval_controls.task import Asked, opened
from sftstudy.scoring.lm_eval import lm_eval_document
from tiny_student import save_student

pytest.importorskip("torch")
LIMIT = 8
GENERATION = {
    "attention": "sdpa",
    "backend": "hf",
    "chat_template_kwargs": {},
    "dtype": "float32",
    "max_length": 512,
}


def asked(folder: Path, name: str, **given: Any) -> Asked:
    task = {"lm_eval": str(folder / name), "limit": LIMIT, "num_fewshot": None}
    return Asked(**{**task, "apply_chat_template": None, "group": None, **given})


def run(folder: Path, student: Path, how: Asked, **more: Any) -> Metrics:
    """Do what the three rules do, into `folder`; return the metrics file."""
    data, task, replies = (folder / name for name in ("test.jsonl", "task.json", "out.jsonl"))
    with opened(how, folder / "raw") as made:
        write_jsonl(data, rows(made, how))
        write_json(task, describe("control", made, how))
    evaluate(student, folder / "raw", data, how, GENERATION, replies, **more)
    write_json(folder / "metrics.json", lm_eval_document("tiny", "base", replies, data, task))
    return read_metrics(folder / "metrics.json")


def command_line(folder: Path, student: Path, task: str, *options: str) -> dict[str, Any]:
    """Return what ``python -m lm_eval`` says: ``results`` of the task, ``samples`` by filter."""
    place = folder / "raw"
    text = (folder / task).read_text(encoding="utf-8")
    # From the folder of the documents, so that relative files are found; and of the repository's
    # name lm-eval makes the local folder.
    defaults = folder / "choices_defaults.yaml"
    defaults.write_text(
        defaults.read_text(encoding="utf-8").replace("someone/choices", str(place)),
        encoding="utf-8",
    )
    arguments = f"pretrained={student},dtype=float32,max_length=512,attn_implementation=sdpa"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", arguments),
            *("--tasks", str(folder / task), "--limit", str(LIMIT), "--device", "cpu"),
            *("--batch_size", "8", "--log_samples", "--output_path", str(folder / "cli")),
            *options,
        ],
        cwd=place,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr[-3000:] + text
    [results] = (folder / "cli").rglob("results_*.json")
    [samples] = (folder / "cli").rglob("samples_*.jsonl")
    [scores] = read_json(results)["results"].values()
    return {"results": scores, "samples": read_jsonl(samples)}


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path)


def require_equal(
    document: Metrics, said: dict[str, Any], names: dict[str, tuple[str, str]]
) -> None:
    """Hold values, and outcomes of every document, to lm-eval's; `names`: ours -> its."""
    for name, (metric, by_filter) in names.items():
        assert document["metrics"][name]["value"] == pytest.approx(
            said["results"][f"{metric},{by_filter}"], abs=1e-12
        )
        theirs = {
            str(line["doc_id"]): line[metric]
            for line in said["samples"]
            if line["filter"] == by_filter
        }
        assert {item["id"]: item[name] for item in document["items"]} == theirs
        assert len(theirs) == LIMIT


@pytest.mark.slow
def test_replies_are_scored_as_by_the_command_line(tasks: Path, student: Path) -> None:
    how = asked(tasks, "sums.yaml")
    run(tasks, student, how)
    replies = [line["text"] for line in read_jsonl(tasks / "out.jsonl")]
    letters = [next((c for c in text if c.isalpha() and c.isascii()), "?") for text in replies]
    # Every other question is answered right, in another case: the metric is told to ignore it.
    answers = [a.swapcase() if i % 2 else "wrong" for i, a in enumerate(letters)]
    write_sums(tasks / "raw", answers + ["a"] * 4)
    document = run(tasks, student, how)
    said = command_line(tasks, student, "sums.yaml", "--apply_chat_template")
    assert 0 < document["metrics"]["exact_match"]["value"] < 1  # type: ignore[operator]
    names = {"exact_match": "first-letter", "exact_match,any-digit": "any-digit"}
    require_equal(document, said, {name: ("exact_match", by) for name, by in names.items()})
    assert document["primary"] == "exact_match" and document["n"] == LIMIT
    assert "bleu" not in document["metrics"], "no mean over documents"
    assert {"cut_rate", "repeated_rate"} <= set(document["metrics"])
    assert document["versions"]["local_sums"] == "2.0" and document["task_version"] == 2
    lines = {str(line["doc_id"]): line for line in said["samples"]}
    for line in read_jsonl(tasks / "out.jsonl"):
        assert line["prompt_hash"] == lines[line["id"]]["prompt_hash"]
        assert line["text"] == lines[line["id"]]["resps"][0][0]
    first = read_jsonl(tasks / "test.jsonl")[0]
    roles = [message["role"] for message in first["prompt"]]
    assert roles == ["user", "assistant", "user"], "an example, and the question"


@pytest.mark.slow
def test_likelihoods_are_compared_as_by_the_command_line(tasks: Path, student: Path) -> None:
    document = run(tasks, student, asked(tasks, "choices.yaml", group="passage"))
    said = command_line(tasks, student, "choices.yaml")
    require_equal(document, said, {name: (name, "none") for name in ("acc", "acc_norm")})
    assert 0 < document["metrics"]["acc"]["value"] < 1  # type: ignore[operator]
    assert set(document["metrics"]) == {"acc", "acc_norm"}, "nothing was written that has a length"
    assert document["groups"] == 3 and document["metrics"]["acc"]["interval"]
    [line, *_] = read_jsonl(tasks / "out.jsonl")
    assert (
        line["finish_reason"] == CHOSEN
        and line["text"] in read_jsonl(tasks / "raw/main/test.jsonl")[0]["choices"]
    )


@pytest.mark.slow
def test_the_likelihood_of_a_text(tasks: Path, student: Path) -> None:
    document = run(tasks, student, asked(tasks, "likely.yaml"))
    said = command_line(tasks, student, "likely.yaml")
    require_equal(document, said, {"acc": ("acc", "none")})
    assert document["primary"] == "acc" and set(document["metrics"]) == {"acc"}


def test_prompts_that_are_too_long_are_an_error_or_dropped(tasks: Path, student: Path) -> None:
    write_sums(tasks / "raw", ["a"] * 3)
    file = tasks / "raw/sums/test.jsonl"
    lines = read_jsonl(file)
    lines[1]["question"] = "1 + " * 300
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    with pytest.raises(StudyError, match=r"row '1' has a prompt of \d+ tokens; with 12"):
        run(tasks, student, asked(tasks, "sums.yaml"))
    document = run(tasks, student, asked(tasks, "sums.yaml"), drop_overlong=True)
    assert (document["n"], document["dropped"]) == (2, 1)
    assert [item["id"] for item in document["items"]] == ["0", "2"]


@pytest.mark.parametrize("name", ["sums.yaml", "choices.yaml", "likely.yaml"])
@pytest.mark.parametrize("chat", [True, False])
def test_without_weights_tokens_are_counted_as_when_it_is_asked(
    tasks: Path, student: Path, name: str, chat: bool
) -> None:
    how = asked(tasks, name, apply_chat_template=chat)
    data = tasks / "test.jsonl"
    models = (hf.model(student, GENERATION, 0, None, False), without_weights(student, {}))
    found = []
    for model in models:
        with opened(how, tasks / "raw") as made:
            write_jsonl(data, rows(made, how))
            found.append(measure(read_scored(data), made, how, model, data))
    assert found[0] == found[1] and len(found[0]) == LIMIT
    assert min(read for read, _ in found[0].values()) > 3
    assert {most for _, most in found[0].values()} == {12 if name == "sums.yaml" else 0}


def test_what_is_too_long_is_known_before_it_is_asked(
    tasks: Path, student: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    how = asked(tasks, "choices.yaml")
    file, output = tasks / "raw/main/test.jsonl", tasks / "fits/tiny.json"
    lines = read_jsonl(file)
    lines[2]["choices"][3] = "so " * 400  # more than fits alone, which lm-eval refuses to be asked
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    with opened(how, tasks / "raw") as made:
        write_jsonl(tasks / "test.jsonl", rows(made, how))
    arguments = [
        *("--raw", tasks / "raw", "--data", tasks / "test.jsonl", "--student-dir", student),
        *("--asked", json.dumps(vars(how)), "--max-length", 512, "--output", output),
    ]
    status, text = call(capsys, monkeypatch, "fits_lm_eval.py", *arguments)
    assert status == 1 and not output.exists()
    assert "test.jsonl: row '2' has a prompt of" in text and "1 of 8 rows are too long" in text
    status, text = call(capsys, monkeypatch, "fits_lm_eval.py", *arguments, "--drop-overlong")
    assert status == 0, text
    fits = read_json(output)
    assert (fits["student"], fits["max_length"], fits["max_new_tokens"]) == ("tiny", 512, 0)
    assert fits["splits"]["test"]["dropped"] == ["2"] and fits["splits"]["test"]["rows"] == 8
    document = run(tasks, student, how, drop_overlong=True)
    assert (document["n"], document["dropped"]) == (7, 1)


def test_documents_of_another_source_are_an_error(tasks: Path, student: Path) -> None:
    how = asked(tasks, "sums.yaml")
    data = tasks / "test.jsonl"
    with opened(how, tasks / "raw") as made:
        write_jsonl(data, rows(made, how)[:-1])
    with pytest.raises(StudyError, match="holds other documents than lm-eval finds in"):
        evaluate(student, tasks / "raw", data, how, GENERATION, tasks / "out.jsonl")
    assert not (tasks / "out.jsonl").exists()
