"""The planner against truth: chances by brute force, sizes and pass rates from files, its table."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import binom

import made_documents
from made_requirements import ALWAYS, RATE, RATIO, close, one
from programs import run
from repository import ROOT
from sftstudy.costs.eval_sizes import Rows, eval_rows
from sftstudy.costs.forecast import past_costs
from sftstudy.costs.judge_jobs import judge_jobs
from sftstudy.costs.past_rates import ASSUMED, MEASURED, Basis, gain_basis, gate_basis
from sftstudy.costs.power import Requirement, draw_studies, powers, requirements
from sftstudy.costs.power_costs import Cell, Replied, hours, replied, tokens
from sftstudy.costs.power_told import table
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.statistics.gates import ratio_gate
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import paired_gain
from sftstudy.statistics.pass_rates import (
    PassRates,
    base_rates,
    draw,
    mean_of_replies,
    tuned_rates,
)
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout

# -- chances ---------------------------------------------------------------------------------------


def test_chance_of_a_rate_is_the_binomial_one():
    """Of one reply to each of 100 prompts 96 must be safe: P(X >= 96) at 97% is 0.818."""
    gate = one("simple_safety_tests", 100, PassRates(0.97, 0.5, 0.6), RATE)
    found = draw_studies([gate], tasks=4, replies=1, times=1, draws=300)
    expected = float(binom.sf(95, 100, 0.97))
    assert expected == pytest.approx(0.818, abs=0.001)
    assert close(found.one[gate.name], expected, 300)
    assert found.recommended <= found.every[gate.name] <= found.one[gate.name]


@pytest.mark.parametrize("replies", [1, 8])
def test_chance_of_a_ratio_is_that_of_studies_drawn_one_by_one(replies):
    """Four checkpoints share a baseline: together they are proven more often than by luck each."""
    rates, draws, generator = PassRates(0.7, 0.6, 0.6), 250, np.random.default_rng(7)
    gate = one("ifeval", 541, rates, RATIO)
    proven = np.zeros((draws, 4), dtype=bool)
    for number in range(draws):
        base = base_rates(rates, generator.random(541))
        before = mean_of_replies(base, replies, generator)
        for task in range(4):
            tuned = mean_of_replies(tuned_rates(rates, base, generator), replies, generator)
            result = ratio_gate(tuned, before, np.arange(541), 0.95)
            proven[number, task] = result.evidence == "proven"
    found = draw_studies([gate], tasks=4, replies=replies, times=1, draws=draws)
    assert close(found.one["ifeval"], proven.mean(), draws)
    assert close(found.every["ifeval"], proven.all(axis=1).mean(), draws)
    assert found.every["ifeval"] > found.one["ifeval"] ** 4 + 0.03 or replies == 8


def test_chance_of_gains_is_that_of_studies_drawn_one_by_one():
    rates, draws, generator = PassRates(0.45, 0.5, 1.0), 300, np.random.default_rng(8)
    proven = np.zeros((draws, 2), dtype=bool)
    for number in range(draws):
        results = []
        for n in (100, 150):
            base, tuned = draw(rates, n, 2, generator, change=0.1)
            results.append(paired_gain(tuned, base, np.arange(n)))
        adjusted = holm([result.p for result in results])
        proven[number] = [p <= 0.05 and r.value > 0 for p, r in zip(adjusted, results, strict=True)]
    gains = [one("a", 100, rates, gain=0.1), one("b", 150, rates, gain=0.1)]
    found = draw_studies(gains, tasks=2, replies=2, times=1, draws=draws)
    assert close(found.one["a"], proven[:, 0].mean(), draws)
    assert close(found.one["b"], proven[:, 1].mean(), draws)
    assert close(found.recommended, proven.all(axis=1).mean(), draws)


def test_draws_are_the_same_each_time_and_more_replies_and_prompts_help():
    gate = one("ifeval", 300, PassRates(0.7, 0.5, 0.4), RATIO)
    found = draw_studies([gate], 2, 1, 1, 100)
    assert draw_studies([gate], 2, 1, 1, 100) == found
    assert draw_studies([gate], 2, 8, 1, 100).recommended > found.recommended + 0.2
    assert draw_studies([gate], 2, 1, 4, 100).recommended > found.recommended + 0.2


def test_what_cannot_have_several_replies_gains_nothing_from_them():
    rates = PassRates(0.7, 0.5, 0.4)
    shares = [
        draw_studies([one("ifeval", 300, rates, RATIO, sampled=False)], 1, k, 1, 200).recommended
        for k in (1, 16)
    ]
    assert close(*shares, 200)


def test_prompts_that_are_always_safe_are_fewer_with_more_replies():
    gate = one("simple_safety_tests", 300, PassRates(0.97, 0.3, 0.3), ALWAYS)
    assert draw_studies([gate], 1, 1, 1, 50).recommended > 0.9
    assert draw_studies([gate], 1, 16, 1, 50).recommended < 0.1


def test_a_baseline_that_fails_its_gate_leads_to_no_recommendation():
    gate = one("simple_safety_tests", 200, PassRates(0.8, 0.5, 0.2), RATE)
    found = draw_studies([gate], 2, 8, 1, 40)
    assert found.one[gate.name] > 0  # of non-inferiority, which is judged instead
    assert found.recommended == 0


def test_rows_of_few_groups_tell_less():
    rates = PassRates(0.45, 0.5, 1.0)
    basis = Basis(rates, ASSUMED, ASSUMED, ASSUMED)
    grouped = Requirement("nl2sql", Rows(np.arange(200) % 5, ASSUMED), basis, gain=0.15)
    alone = one("nl2sql", 200, rates, gain=0.15)
    assert draw_studies([alone], 1, 1, 1, 60).recommended > 0.9
    assert draw_studies([grouped], 1, 1, 1, 60).recommended < 0.7
    assert len(set(grouped.rows.times(4).tolist())) == 20


# -- what is drawn from ----------------------------------------------------------------------------


def write_metrics(root: Path, variant: str, evalset: str, means: np.ndarray, key: str, k: int):
    """Write the file of a variant: k replies to each row, right as often as `means` say."""
    generator = np.random.default_rng(len(variant))
    drawn = generator.random((len(means), k)) < means[:, None]
    names = [{"id": str(row), "group": str(row)} for row in range(len(means))]
    items = [name | {key: float(row.mean())} for name, row in zip(names, drawn, strict=True)]
    samples = [
        name | {"sample": number, key: bool(right)}
        for name, row in zip(names, drawn, strict=True)
        for number, right in enumerate(row)
    ]
    metric = {"safe": "safe_rate"}.get(key, key)
    entry = made_documents.measured(float(drawn.mean()), outcome=key, n=len(items))
    document = made_documents.metrics(metric, entry, items, variant=variant, evalset=evalset)
    document["metrics"]["always_safe_rate"] = entry | {"outcome": "always_safe"}
    if k > 1:
        document["samples"] = samples
    write_json(Layout(root).metrics("s", variant, evalset), document)


def test_pass_rates_of_past_files(tmp_path: Path):
    rates, generator = PassRates(0.6, 0.5, 0.7), np.random.default_rng(9)
    base = base_rates(rates, generator.random(4_000))
    write_metrics(tmp_path, "base", "ifeval", base, "prompt_strict", 8)
    fine, broken = tuned_rates(rates, base, generator), np.clip(base - 0.4, 0, 1)
    write_metrics(tmp_path, "banking77/a", "ifeval", fine, "prompt_strict", 8)
    write_metrics(tmp_path, "banking77/broken", "ifeval", broken, "prompt_strict", 8)
    found = gate_basis([tmp_path / "none", tmp_path], "s", RATIO)
    assert (found.mean, found.between, found.noise) == (MEASURED,) * 3
    assert found.rates.mean == pytest.approx(0.6, abs=0.02)
    assert found.rates.between == pytest.approx(0.5, abs=0.03)
    assert found.rates.noise == pytest.approx(0.7, abs=0.1)
    assert gate_basis([tmp_path], "other", RATIO).mean == ASSUMED


def test_files_of_one_reply_tell_the_mean_alone_and_give_way_to_others(tmp_path: Path):
    one_reply, several = tmp_path / "one", tmp_path / "several"
    base = base_rates(PassRates(0.4, 0.5, 0.7), np.random.default_rng(1).random(500))
    write_metrics(one_reply, "base", "banking77.test", base, "accuracy", 1)
    found = gain_basis([one_reply], "s", "banking77")
    assert (found.mean, found.between, found.noise) == (MEASURED, ASSUMED, ASSUMED)
    assert found.rates.mean == pytest.approx(0.4, abs=0.07)
    write_metrics(several, "base", "banking77.test", base, "accuracy", 4)
    found = gain_basis([one_reply, several], "s", "banking77")
    assert (found.mean, found.between, found.noise) == (MEASURED, MEASURED, ASSUMED)


def test_a_student_that_fails_a_rate_is_no_fine_truth(tmp_path: Path):
    write_metrics(tmp_path, "base", "simple_safety_tests", np.full(100, 0.06), "safe", 4)
    found = gate_basis([tmp_path], "s", RATE)
    assert (found.mean, found.between) == (ASSUMED, ASSUMED)
    assert found.rates.mean == pytest.approx(0.97)
    write_metrics(tmp_path, "base", "simple_safety_tests", np.full(100, 0.98), "safe", 4)
    assert gate_basis([tmp_path], "s", RATE).mean == MEASURED
    assert gate_basis([tmp_path], "s", ALWAYS).mean == MEASURED  # from the same single replies


# -- sizes, costs, the table -----------------------------------------------------------------------


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")) | {
        "students": ["Llama-3.2-1B-Instruct"],
        "tasks": ["banking77", "tatqa"],
    }


def test_rows_are_those_that_the_study_will_have(config: dict, tmp_path: Path):
    study = Study(config, "x")
    found = eval_rows(study, tmp_path, "ifeval")
    assert (found.n, found.source) == (541, "published")
    assert eval_rows(study, tmp_path, "tatqa").groups == 279
    prepared = [
        {"id": str(row), "group": str(row // 2), "prompt": [], "reference": {}} for row in range(10)
    ]
    write_jsonl(tmp_path / Layout(Path(study.root)).rows("ifeval", "test"), prepared)
    found = eval_rows(study, tmp_path, "ifeval")
    assert (found.n, found.groups, found.source) == (10, 5, "as prepared")
    limited = Study(config | {"limit": 50}, "x")
    assert (eval_rows(limited, tmp_path, "ifeval").n, limited.root) == (50, "results/limit-50")


def test_rows_of_a_control_from_lm_eval_are_its_limit_or_assumed(config: dict, tmp_path: Path):
    control = {"lm_eval": "gsm8k", "source": {"hub": "openai/gsm8k"}}
    for limit, expected in ((200, (200, "limit")), (None, (500, "assumed"))):
        own = copy.deepcopy(config)
        own["catalog"]["controls"]["gsm8k"] = {**control, "limit": limit}
        own["controls"] = ["ifeval", "gsm8k"]
        found = eval_rows(Study(own, "x"), tmp_path, "gsm8k")
        assert (found.n, found.source) == expected


def test_rows_of_a_folder_and_of_smoke_data():
    study = Study(yaml.safe_load((ROOT / "config/example.yaml").read_text()), "x")
    found = {name: eval_rows(study, ROOT, name) for name in (*study.tasks, *study.controls)}
    assert {name: (rows.n, rows.source) for name, rows in found.items()} == {
        "banking77": (200, "as in its folder"),
        "ifeval": (50, "as in its folder"),
        "simple_safety_tests": (40, "smoke"),
    }


def test_tokens_grow_with_replies_prompts_and_replicates(config: dict):
    select = Replied("select", 100, 1, 0, False, True, 1)
    controls = Replied("controls", 100, 3, 2, True, True, 4)
    assert tokens([select, controls], Cell(1, 8)) == 8 * 400
    assert tokens([select, controls], Cell(4, 2)) == 200 + 2400
    assert tokens([select, controls], Cell(1, 1, replicates=2)) == 100 + 300 + 2 * 200
    assert tokens([select, controls], Cell()) == 100 + 4 * 300, "replies of the study file"
    assert tokens([Replied("gsm8k", 10, 1, 0, True, False, 1)], Cell(2, 16)) == 20
    study = Study(config, "x")
    found = {(one.suite, one.tokens, one.again) for one in replied(study, study.students[0], ROOT)}
    assert ("controls", 541 * 1280, 2) in found and ("confirm", 3080 * 64, 2) in found
    assert ("select", 154 * 64, 0) in found, "a replicate has no select"
    assert "judge" not in {suite for suite, *_ in found}
    judged = Study(
        config | {"judge": {"student": study.students[0], "format": "shield_gemma"}}, "x"
    )
    [judge] = [one for one in replied(judged, study.students[0], ROOT) if one.suite == "judge"]
    assert (judge.tokens, judge.again) == (100 * 4 * 4, 2)


def write_record(root: Path, place: str, program: str) -> None:
    """The record of a job that took an hour."""
    facts = {"dtype": "bfloat16", "gpu_seconds": 3600.0, "flops": 1.0}
    facts |= {"generated_tokens": 1, "tokens": 1}
    hardware = {"machine": "here", "cpu": "x86_64", "cores": 1, "device": "NVIDIA H100"}
    document = made_documents.record({}, program=program, hardware=hardware, facts=facts)
    write_json(root / "records" / f"{place}.json", document)


def test_hours_need_past_jobs_of_all_kinds(config: dict, tmp_path: Path):
    study = Study(config | {"tasks": ["banking77"]}, "x")
    name, root = study.students[0], tmp_path / study.root
    sets, judged = replied(study, name, tmp_path), judge_jobs(study, tmp_path)
    cells = [Cell(1, 1), Cell(1, 3), Cell(2, 1), Cell(1, 1, 2), Cell(1, 3, 2)]

    def found() -> dict[Cell, float] | None:
        return hours(study, name, sets, past_costs(study, tmp_path), judged, cells)

    for suite in ("banking77.select", "controls", "confirm"):
        assert found() is None
        write_record(root, f"predictions/{name}/base/{suite}", "predict")
    assert found() is None, "limits of trainings are no hours"
    trial = next(t for t in study.trials(name, "banking77") if "_ep1_" in t)
    write_record(root, f"checkpoints/{name}/banking77/{trial}", "train")
    known = found()
    assert known is not None
    predictions = 3 * len(study.variants(name))  # an hour each
    assert known[Cell(1, 3)] - known[Cell(1, 1)] == pytest.approx(2 * predictions)
    assert known[Cell(2, 1)] - known[Cell(1, 1)] == pytest.approx(predictions * 2 / 3)
    # Two replicates: trainings of two hours, one and three epochs on average, two predictions each.
    assert known[Cell(1, 1, 2)] - known[Cell(1, 1)] == pytest.approx(2 * (2 + 2))
    assert known[Cell(1, 3, 2)] - known[Cell(1, 3)] == pytest.approx(2 * (2 + 3 * 2))


def test_hours_of_fewer_replies_are_those_of_fewer(config: dict, tmp_path: Path):
    """Past jobs of one reply, a study of four: what it takes with one is what they took."""
    study = Study(config | {"tasks": ["banking77"]}, "x")
    name, root = study.students[0], tmp_path / study.root
    for suite in ("banking77.select", "controls", "confirm"):
        write_record(root, f"predictions/{name}/base/{suite}", "predict")
    trial = next(t for t in study.trials(name, "banking77") if "_ep1_" in t)
    write_record(root, f"checkpoints/{name}/banking77/{trial}", "train")
    file = root / f"records/predictions/{name}/base/controls.json"
    record = read_json(file)
    record["facts"] |= {
        "computed_tokens": 1000,
        "evalsets": [
            {"evalset": control, "replies_to_each": 1, "prompt_tokens": 0, "completion_tokens": 500}
            for control in study.controls
        ],
    }
    write_json(file, record)
    known = past_costs(study, tmp_path)
    before = hours(study, name, replied(study, name, tmp_path), known, [], [Cell(1, 1)])
    for control in study.controls:
        study.catalog["controls"][control].update({"samples": 4, "temperature": 0.7})
    four = hours(study, name, replied(study, name, tmp_path), known, [], [Cell(1, 1), Cell()])
    assert before is not None and four is not None
    assert four[Cell(1, 1)] == pytest.approx(before[Cell(1, 1)])
    assert four[Cell()] == pytest.approx(before[Cell(1, 1)] + 3 * len(study.variants(name)))


def test_students_of_whom_the_same_is_known_stand_together(config: dict, tmp_path: Path):
    names = ["Llama-3.2-1B-Instruct", "Qwen3-0.6B"]
    study = Study(config | {"students": names}, "x")
    text = table(study, powers(study, tmp_path, draws=4), tmp_path)
    assert (
        f"results: {', '.join(names)}" in text and text.count("RECOMMENDED") == 2
    )  # by replies, by replicates
    assert text.count("ifeval, all 2") == 2 and "GPU h" not in text
    assert "* assumed (nothing is measured)" in text
    base = base_rates(PassRates(0.6, 0.5, 0.7), np.random.default_rng(1).random(300))
    write_metrics(tmp_path / "past", "base", "ifeval", base, "prompt_strict", 4)
    student = tmp_path / "past" / "metrics" / "s"
    student.rename(student.with_name(names[1]))
    found = [
        requirements(study, name, tmp_path, [tmp_path / "past"], 0.1)[0].basis for name in names
    ]
    assert [basis.mean for basis in found] == [ASSUMED, MEASURED]
    text = table(study, powers(study, tmp_path, [tmp_path / "past"], draws=4), tmp_path)
    assert text.count("RECOMMENDED") == 4 and "* assumed (the others are measured)" in text


def test_a_gain_stays_within_what_can_be_won(config: dict, tmp_path: Path):
    base = np.full(400, 0.96)
    write_metrics(tmp_path / "results", "base", "banking77.test", base, "accuracy", 1)
    student = tmp_path / "results" / "metrics" / "s"
    student.rename(student.with_name("Llama-3.2-1B-Instruct"))
    found = requirements(Study(config, "x"), "Llama-3.2-1B-Instruct", tmp_path, [], 0.1)
    assert [x.gain < 0.025 for x in found if x.name == "banking77"] == [True]


def test_the_program_says_it_of_a_study_file(tmp_path: Path):
    """The smoke study: 100 and 50 prompts, four tasks."""
    arguments = ("--directory", tmp_path, "--draws", 6)
    status, text = run("power.py", *arguments)
    assert status == 0, text
    assert "results/smoke: smoke" in text and "banking77: gain of 10 points" in text
    assert "Of 6 studies drawn" in text and "assumed" in text
    assert "tokens of replies, times those of one" in text
    status, again = run("power.py", *arguments, "--gain", 0.2)
    assert status == 0 and "gain of 20 points" in again
    status, text = run("power.py", *arguments, "--gain", 20)
    assert status == 1 and "expected a gain above 0 and below 1" in text
