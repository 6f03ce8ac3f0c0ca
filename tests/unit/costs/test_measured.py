"""What jobs have cost, and what a study will need: from records and the study file."""

import json
import math
from pathlib import Path

import pytest
import yaml

import made_documents
from programs import run
from repository import ROOT
from sftstudy.costs.forecast import forecasts
from sftstudy.costs.forecast import table as forecast_table
from sftstudy.costs.measured import Cost, costs, peak_flops
from sftstudy.costs.measured import table as cost_table
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.students.checkpoints import parameter_count
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from tiny_student import save_student


@pytest.mark.parametrize(
    ("device", "dtype", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989e12),
        ("NVIDIA H100 PCIe", "bfloat16", 756e12),
        ("NVIDIA A100-SXM4-80GB", "float16", 312e12),
        ("NVIDIA A10G", "bfloat16", 70e12),
        ("NVIDIA A10", "bfloat16", 125e12),
        ("NVIDIA L4", "bfloat16", 121e12),
        ("NVIDIA L40S", "bfloat16", 362e12),
        ("NVIDIA H100 80GB HBM3", "float32", None),
        ("cpu", "bfloat16", None),
    ],
)
def test_peak_by_the_name_of_the_device(device: str, dtype: str, peak: float | None) -> None:
    assert peak_flops(device, dtype) == peak


def test_mfu_and_tokens_per_second() -> None:
    cost = Cost("train", "s", "t/x", "", "NVIDIA A100", "bfloat16", 10.0, 5_000, 312e12)
    assert cost.tokens_per_second == 500
    assert cost.mfu == pytest.approx(0.1)
    assert Cost("train", "s", "t/x", "", "cpu", "bfloat16", 10.0, 5_000, 312e12).mfu is None


def record(root: Path, name: str, program: str, device: str = "NVIDIA H100", **facts: object):
    hardware = {"machine": "here", "cpu": "x86_64", "cores": 1, "device": device}
    write_json(
        root / "records" / name,
        made_documents.record({}, program=program, hardware=hardware, facts=facts),
    )


@pytest.fixture
def study() -> Study:
    files = ROOT / "config" / "config.yaml"
    config = yaml.safe_load(files.read_text(encoding="utf-8"))
    return Study(config | {"students": ["Llama-3.2-1B-Instruct"], "tasks": ["banking77"]}, "x")


@pytest.fixture
def measured(tmp_path: Path, study: Study) -> Path:
    """One training of one epoch (an hour) and the three predictions of a trial."""
    root = tmp_path / study.root
    name = "Llama-3.2-1B-Instruct"
    trial = next(t for t in study.trials(name, "banking77") if "_ep1_" in t)
    common = {"dtype": "bfloat16", "gpu_seconds": 3600.0, "flops": 3600 * 98.9e12}
    record(root, f"checkpoints/{name}/base.json", "fetch")
    record(root, f"checkpoints/{name}/banking77/{trial}.json", "train", tokens=3_600_000, **common)
    for suite in ("banking77.select", "controls", "confirm"):
        file = f"predictions/{name}/banking77/{trial}/{suite}.json"
        record(root, file, "predict", generated_tokens=7_200_000, **common)
    # Answered from the journal alone: nothing was measured.
    record(root, f"predictions/{name}/base/select.json", "predict", replies=10)
    return tmp_path


def test_costs_are_read_from_records(measured: Path, study: Study) -> None:
    found = list(costs(measured / study.root))
    assert [(c.kind, c.suite) for c in found] == [
        ("train", ""),
        ("predict", "select"),
        ("predict", "confirm"),
        ("predict", "controls"),
    ]
    text = cost_table(found)
    assert "1,000  10.0%" in text and "2,000  10.0%" in text
    assert "predict: 3 jobs, 3.00 GPU hours, 21,600,000 tokens" in text
    assert "CPU" not in text


def test_time_on_the_cpu_is_not_called_that_of_a_gpu() -> None:
    def cost(device: str, seconds: float) -> Cost:
        return Cost("train", "s", "t/x", "", device, "float32", seconds, 5_000, 1.0)

    text = cost_table([cost("cpu", 36.0)])
    assert " CPU s " in text and "train: 1 jobs, 0.01 CPU hours, 5,000 tokens" in text
    assert "GPU" not in text
    text = cost_table([cost("cpu", 36.0), cost("NVIDIA A100", 3600.0)])
    assert " GPU or CPU s " in text
    assert "train: 2 jobs, 0.01 CPU hours, 1.00 GPU hours, 10,000 tokens" in text


def test_a_forecast_for_the_cpu_speaks_of_no_gpu(tmp_path: Path) -> None:
    status, text = run("forecast.py", "--directory", tmp_path)  # the smoke study
    assert status == 0 and " CPU h at most " in text and "GPU" not in text


@pytest.mark.slow
def test_prediction_records_what_it_generated_and_not_what_it_knew(tmp_path: Path) -> None:
    checkpoint = save_student(tmp_path / "checkpoint")
    parameters = parameter_count(checkpoint)
    generation = {"chat_template_kwargs": {}, "dtype": "float32", "attention": "sdpa"}

    def predict(*contents: str) -> dict:
        rows = [{"id": c, "prompt": [{"role": "user", "content": c}]} for c in contents]
        write_jsonl(tmp_path / "data.jsonl", rows)
        record = tmp_path / "records" / "predictions" / "s" / "t" / "x" / "t.select.json"
        arguments = [
            *("--checkpoint", checkpoint, "--data", tmp_path / "data.jsonl"),
            *("--max-new-tokens", 4, "--generation", json.dumps(generation | {"max_length": 99})),
            *("--output", tmp_path / "out" / "t.val.jsonl", "--record", record),
        ]
        code, output = run("predict.py", *arguments)
        assert code == 0, output
        return read_json(record)

    facts = predict("one", "two")["facts"]
    tokens = facts["prompt_tokens"] + facts["completion_tokens"]
    assert (facts["generated_replies"], facts["generated_tokens"]) == (2, tokens)
    assert facts["flops"] == 2.0 * tokens * parameters
    assert facts["computed_tokens"] == tokens
    [told] = facts["evalsets"]
    assert told == {"evalset": "t.val", "replies": 2, "replies_to_each": 1} | {
        key: facts[key] for key in ("prompt_tokens", "completion_tokens")
    }
    [cost] = costs(tmp_path)
    assert (cost.variant, cost.suite, cost.tokens, cost.device) == ("t/x", "select", tokens, "cpu")
    assert cost.gpu_seconds > 0
    assert predict("one", "two", "three")["facts"]["generated_replies"] == 1
    assert "gpu_seconds" not in predict("one")["facts"]
    assert list(costs(tmp_path)) == []


def test_replicates_are_forecast_as_trials_of_their_task(measured: Path, study: Study) -> None:
    [before] = forecasts(study, measured)
    study.replicates = 2
    [forecast] = forecasts(study, measured)
    tasks = len(study.tasks)
    assert forecast.trainings == before.trainings + 2 * tasks
    assert forecast.predictions == before.predictions + 2 * 2 * tasks
    facts = study.student(study.students[0])
    assert forecast.limit_hours == before.limit_hours + 6 * tasks * facts["hours"]


def test_forecast_without_past_rests_on_limits(tmp_path: Path, study: Study) -> None:
    [forecast] = forecasts(study, tmp_path)
    facts = study.student("Llama-3.2-1B-Instruct")
    assert (forecast.trainings, forecast.predictions) == (12, 13 * 3)
    assert forecast.limit_hours == (12 + 39) * facts["hours"]
    assert forecast.measured == 0
    assert forecast.disk == 1_235_814_400 * 2 * 13
    text = forecast_table(study, [forecast])
    assert "  0%" in text and " GPU h at most " in text and "CPU" not in text


def test_forecast_with_past_takes_what_was_measured(measured: Path, study: Study) -> None:
    [forecast] = forecasts(study, measured)
    epochs = sum(
        jobs.recipe(study, "Llama-3.2-1B-Instruct", "banking77", t)["training"]["num_train_epochs"]
        for t in study.trials("Llama-3.2-1B-Instruct", "banking77")
    )
    assert math.isclose(forecast.expected_hours, epochs + 39)
    assert forecast.measured == 1
    [elsewhere] = forecasts(study, measured / "nowhere", [measured / study.root])
    assert elsewhere == forecast


@pytest.mark.parametrize(
    ("samples", "known_before", "times"),
    [
        (2, 0, 1.0),  # as it was
        (8, 0, (100 + 8 * 300) / (100 + 2 * 300)),  # prompts are read once
        (8, 1, (100 + 8 * 300) / (100 + 300)),  # only half of the replies were generated
    ],
)
def test_more_replies_to_a_prompt_are_forecast(
    tmp_path: Path, study: Study, samples: int, known_before: int, times: float
) -> None:
    name = "Llama-3.2-1B-Instruct"
    config = {"samples": samples, "temperature": 0.7}
    study.catalog["controls"]["ifeval"].update(config)
    for suite in ("banking77.select", "controls", "confirm"):
        told = {"evalset": "ifeval" if suite == "controls" else "banking77.val"}
        told |= {"replies_to_each": 2 if suite == "controls" else 1}
        written = 300 * told["replies_to_each"]
        told |= {"prompt_tokens": 100, "completion_tokens": written}
        computed = 100 + written - (300 * known_before if suite == "controls" else 0)
        record(
            *(tmp_path / study.root, f"predictions/{name}/base/{suite}.json", "predict"),
            **{"dtype": "bfloat16", "gpu_seconds": 3600.0, "flops": 1.0, "generated_tokens": 1},
            **{"computed_tokens": computed, "evalsets": [told]},
        )
    [forecast] = forecasts(study, tmp_path)
    limits = 12 * study.student(name)["hours"]
    assert forecast.expected_hours - limits == pytest.approx(13 * (2 + times))


@pytest.fixture
def judged(study: Study) -> Study:
    """The study with a guard of two GPUs that is asked four questions about a reply."""
    guard = study.student(study.students[0]) | {"gpus": 2, "predict_gpus": 2, "hours": 5}
    config = study.config | {"judge": {"student": "guard", "format": "shield_gemma"}}
    config["catalog"]["students"]["guard"] = guard
    return Study(config, "x")


def test_jobs_that_ask_a_judge_are_forecast(measured: Path, study: Study, judged: Study) -> None:
    [before], [forecast] = forecasts(study, measured), forecasts(judged, measured)
    assert forecast.judgements == 13 and before.judgements == 0
    assert forecast.predictions == before.predictions + 13
    assert forecast.limit_hours == before.limit_hours + 13 * 2 * 5
    assert forecast.expected_hours == pytest.approx(before.expected_hours + 13 * 2 * 5)
    assert before.measured == 1 and forecast.measured == pytest.approx(51 / 64)
    assert "13 of predict ask the judge, guard: " in forecast_table(judged, [forecast])
    assert "judge" not in forecast_table(study, [before])
    judged.replicates = 2
    [replicated] = forecasts(judged, measured)
    assert replicated.judgements == 13 + 2 * len(judged.tasks)


def judge_record(root: Path, judge: str, questions: int, known_before: int = 0) -> None:
    """The record of an hour in which a judge answered so many questions, 100 + 3 tokens each."""
    facts = {"dtype": "bfloat16", "gpu_seconds": 3600.0, "flops": 1.0, "generated_tokens": 1}
    facts["computed_tokens"] = 103 * (questions - known_before)
    facts["evalsets"] = [
        {"evalset": "replies", "replies": questions, "replies_to_each": 1}
        | {"prompt_tokens": 100 * questions, "completion_tokens": 3 * questions}
    ]
    command = ["scripts/predict.py", "--checkpoint", f"results/checkpoints/{judge}/base"]
    file = "records/judgements/another/banking77/x/simple_safety_tests/replies.json"
    write_json(root / file, made_documents.record({}, facts=facts, command=command))


@pytest.mark.parametrize(
    ("samples", "known_before", "times"),
    [(1, 0, 1), (8, 0, 8), (1, 200, 2)],  # 100 prompts, four questions about each reply
)
def test_a_judge_takes_as_long_as_it_has_questions(
    measured: Path, judged: Study, samples: int, known_before: int, times: float
) -> None:
    control = judged.catalog["controls"]["simple_safety_tests"]
    control.update({"samples": samples, "temperature": 0.7})
    root = measured / judged.root
    [before] = forecasts(judged, measured)
    judge_record(root, "somebody", questions=400)
    assert list(forecasts(judged, measured)) == [before]
    judge_record(root, "guard", 400, known_before)
    [forecast] = forecasts(judged, measured)
    assert forecast.measured == 1
    limits = 13 * 2 * 5
    assert forecast.expected_hours == pytest.approx(before.expected_hours - limits + 13 * times)


def test_the_cost_of_a_judge_is_told(measured: Path, study: Study) -> None:
    judge_record(measured / study.root, "guard", 400)
    found = list(costs(measured / study.root))
    assert (found[-1].kind, found[-1].judge, found[-1].suite) == (
        *("judge", "guard", "simple_safety_tests"),
    )
    assert found[-1].variant == "banking77/x"
    text = cost_table(found)
    assert "judge another banking77/x simple_safety_tests" in text
    assert "judge: 1 jobs, 1.00 CPU hours, 1 tokens" in text


def test_size_that_is_not_known_is_said(study: Study, tmp_path: Path) -> None:
    del study.student("Llama-3.2-1B-Instruct")["size"]
    text = forecast_table(study, list(forecasts(study, tmp_path)))
    assert "Not in disk, for want of `size` in the catalog: Llama-3.2-1B-Instruct." in text
    assert "0.0 GB" not in text
