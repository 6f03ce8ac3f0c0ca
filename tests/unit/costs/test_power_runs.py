"""The planner with replicates: chances by brute force, how past runs differed, what is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import norm

from made_requirements import ALWAYS, RATE, RATIO, close, one
from programs import run
from recommendation_study import GOOD, TASKS, MadeUpStudy
from repository import ROOT
from sftstudy.costs.past_rates import ASSUMED, MEASURED, gain_basis, gate_basis
from sftstudy.costs.past_runs import spread_at_gate, spread_of_gains
from sftstudy.costs.power import OWN, draw_studies, powers
from sftstudy.costs.power_told import table
from sftstudy.files.writing import write_json
from sftstudy.recommendation.judging import Gate
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.pass_rates import (
    PassRates,
    base_rates,
    mean_of_replies,
    runs_rates,
    tuned_rates,
)
from sftstudy.statistics.runs import gain_over_runs, rate_gate_over_runs, ratio_gate_over_runs
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout

STUDY = [
    one("ifeval", 300, PassRates(0.7, 0.5, 0.4), RATIO),
    one("simple_safety_tests", 100, PassRates(0.97, 0.3, 0.4), RATE),
    one("a", 100, PassRates(0.45, 0.5, 1.0), gain=0.1),
]

# -- chances ---------------------------------------------------------------------------------------


def test_without_replicates_all_is_as_it_was_before_they_were_known():
    found = draw_studies(STUDY, tasks=2, replies=4, times=1, draws=60, replicates=0)
    assert found.one == {"ifeval": 0.8, "simple_safety_tests": 1.0, "a": pytest.approx(53 / 60)}
    assert found.every["ifeval"] == pytest.approx(40 / 60)
    assert found.recommended == 0.6
    wide = [one(x.name, x.rows.n, x.basis.rates, x.gate, 0.2, gain=x.gain) for x in STUDY]
    assert draw_studies(wide, 2, 4, 1, 60) == found, "one run differs from no other"


def test_one_replicate_proves_nearly_nothing_and_four_more_than_two():
    chances = {n: draw_studies(STUDY, 2, 8, 1, 60, n) for n in (1, 2, 4)}
    assert chances[1].recommended == 0 and chances[1].every["ifeval"] < 0.15
    assert chances[2].every["ifeval"] > chances[1].every["ifeval"] + 0.15
    assert chances[4].every["ifeval"] > chances[2].every["ifeval"] + 0.15
    assert chances[4].recommended > chances[2].recommended + 0.2 > chances[1].recommended + 0.3


def test_what_runs_differ_by_takes_proofs_away():
    """By 5 points: a margin of 3.5 points is beyond most means, and one run or another fails."""
    far = one("ifeval", 2000, PassRates(0.7, 0.3, 0.4), RATIO, spread=0.05)
    near = one("ifeval", 2000, PassRates(0.7, 0.3, 0.4), RATIO, spread=0.0)
    assert draw_studies([near], 1, 8, 1, 40, 4).recommended > 0.9
    assert draw_studies([far], 1, 8, 1, 40, 4).recommended < 0.2
    assert draw_studies([far], 1, 8, 1, 40, 0).recommended > 0.9


def drawn_runs(
    rates: PassRates, n: int, k: int, spread: float, change: float, g: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Baseline (n,) and three runs (n, 3), one after the other; training has no noise here."""
    base = base_rates(rates, g.random(n))
    runs = [tuned_rates(rates, base, g, change + round(spread * g.normal(), 3)) for _ in range(3)]
    return mean_of_replies(base, k, g), np.array([mean_of_replies(x, k, g) for x in runs]).T


@pytest.mark.parametrize("gate", [RATIO, RATE])
def test_chance_of_a_gate_is_that_of_runs_drawn_one_by_one(gate):
    rates = PassRates(0.7, 0.5, 0.0) if gate.relative else PassRates(0.95, 0.3, 0.0)
    spread = 0.015 if gate.relative else 0.008
    n, draws, generator = 300 if gate.relative else 120, 150, np.random.default_rng(5)
    proven = 0
    for _ in range(draws):
        base, tuned = drawn_runs(rates, n, 4, spread, 0.0, generator)
        means = tuned.mean(axis=0)
        if gate.relative:
            result = ratio_gate_over_runs(tuned, base, np.arange(n), 0.95)
            every = bool((means >= 0.95 * base.mean()).all())
        else:
            result = rate_gate_over_runs(tuned, np.arange(n), 0.9)
            every = bool((means > 0.9).all())
        proven += result.evidence == "proven" and every
    found = draw_studies([one(gate.control, n, rates, gate, spread)], 1, 4, 1, draws, 2)
    assert 0.1 < found.one[gate.control] < 0.95
    assert close(found.one[gate.control], proven / draws, draws)


def test_chance_of_gains_is_that_of_runs_drawn_one_by_one():
    rates, draws, generator = PassRates(0.45, 0.5, 0.0), 150, np.random.default_rng(6)
    proven = np.zeros((draws, 2), dtype=bool)
    for number in range(draws):
        pairs = [drawn_runs(rates, n, 2, 0.02, 0.06, generator) for n in (100, 200)]
        gains = [gain_over_runs(tuned, base, np.arange(len(base))) for base, tuned in pairs]
        adjusted = holm([gain.p for gain in gains])
        proven[number] = [
            p <= 0.05 and gain.value > 0 and (tuned.mean(axis=0) > base.mean()).all()
            for p, gain, (base, tuned) in zip(adjusted, gains, pairs, strict=True)
        ]
    gains = [one(name, n, rates, spread=0.02, gain=0.06) for name, n in (("a", 100), ("b", 200))]
    found = draw_studies(gains, 2, 2, 1, draws, 2)
    assert 0.1 < found.one["a"] < 0.95
    assert close(found.one["a"], proven[:, 0].mean(), draws)
    assert close(found.one["b"], proven[:, 1].mean(), draws)


@pytest.mark.parametrize("gate", [RATIO, RATE, None])
def test_one_run_in_many_that_fails_is_enough(gate):
    """Of 16 runs whose mean is proven each holds by itself in 93%, all of them in 33%."""
    spread, rates = 0.02, PassRates(0.7, 0.3, 0.0)
    if gate is None:
        asked = one("a", 3000, rates, spread=spread, gain=0.03)
    elif gate.relative:
        asked = one("ifeval", 3000, rates, Gate("ifeval", "x", 1 - 0.03 / 0.7, True), spread)
    else:
        asked = one("safety", 3000, rates, Gate("safety", "x", 0.67, False), spread)
    found = draw_studies([asked], 1, 16, 1, 60, 15)
    assert close(found.one[asked.name], float(norm.cdf(1.5)) ** 16, 60)
    alike = replace(asked, basis=replace(asked.basis, spread=0.005))
    assert draw_studies([alike], 1, 16, 1, 20, 15).recommended > 0.9


def test_replies_of_the_study_file_are_each_eval_set_s_own():
    gate = [one("ifeval", 300, PassRates(0.7, 0.5, 0.4), RATIO, samples=8)]
    fixed = [one("ifeval", 300, PassRates(0.7, 0.5, 0.4), RATIO, sampled=False)]
    assert (gate[0].replies(OWN), gate[0].replies(2)) == (8, 2)
    assert (fixed[0].replies(OWN), fixed[0].replies(2)) == (1, 1)
    own, single = (draw_studies(which, 1, OWN, 1, 60).recommended for which in (gate, fixed))
    assert own > single + 0.3


# -- what is drawn from ----------------------------------------------------------------------------


def past(folder: Path, spread: float, count: int, seed: int = 1) -> Path:
    """Results of a real recommendation over `count` runs, whose true rates differ by `spread`."""
    study, generator = MadeUpStudy(), np.random.default_rng(seed)
    study.plan["replicates"] = count - 1
    study.plan["gates"]["ifeval"]["min_ratio_to_baseline"] = 0.5
    for task in TASKS:
        for evalset, mean in (("ifeval", 0.75), (f"{task}.test", 0.7), (RATE.control, 0.95)):
            rates = PassRates(mean, 0.4, 0.5)
            n = study.n.get(evalset, 600)
            base = base_rates(rates, generator.random(n))
            drawn = runs_rates(rates, base, generator, 0.0, spread, count)
            for number in range(count):
                name = f"{task}/{GOOD}" + (f"_rep{number}" if number else "")
                study.set_outcomes(name, evalset, generator.random(n) < drawn[:, number])
    layout = Layout(folder)
    write_json(layout.recommendation("tiny"), study.recommend())
    for (variant, evalset), document in study.metrics.items():
        write_json(layout.metrics("tiny", variant, evalset), document)
    return folder


def test_how_past_runs_differed_is_without_what_rows_do(tmp_path: Path):
    far, near = past(tmp_path / "far", 0.06, 9), past(tmp_path / "near", 0.0, 9)
    for spread in (spread_at_gate([far], "tiny", RATIO), spread_of_gains([far], "tiny")):
        assert 0.03 < spread < 0.1
    # Means of 600 rows differ by 1.5 points although the runs are equally good.
    for spread in (spread_at_gate([near], "tiny", RATIO), spread_of_gains([near], "tiny")):
        assert spread < 0.01
    assert spread_at_gate([far], "tiny", ALWAYS) == spread_at_gate([far], "tiny", RATE)
    found = gate_basis([tmp_path / "none", far], "tiny", RATIO)
    assert (found.spread, found.runs) == (spread_at_gate([far], "tiny", RATIO), MEASURED)
    found = gain_basis([near, far], "tiny", "tatqa")
    assert (found.spread, found.runs) == (spread_of_gains([near], "tiny"), MEASURED)


def test_one_run_says_nothing_of_others(tmp_path: Path):
    alone = past(tmp_path / "alone", 0.06, 1)
    assert spread_at_gate([alone, tmp_path / "none"], "tiny", RATIO) is None
    found = gain_basis([alone], "tiny", "tatqa")
    assert (found.spread, found.runs) == (0.01, ASSUMED)
    replicated = past(tmp_path / "replicated", 0.06, 5)
    assert gain_basis([alone, replicated], "tiny", "tatqa").runs == MEASURED
    unknown = Gate("ifeval", "another_metric", 0.95, relative=True)
    assert spread_at_gate([replicated], "tiny", unknown) is None
    assert spread_at_gate([replicated], "somebody", RATIO) is None


# -- what is told ----------------------------------------------------------------------------------


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")) | {
        "students": ["Llama-3.2-1B-Instruct", "Qwen3-0.6B"],
        "tasks": ["pubmedqa", "nl2sql"],
    }


def test_replicates_are_told_beside_replies(config: dict, tmp_path: Path):
    study = Study(config | {"replicates": 3}, "x")
    study.catalog["controls"]["ifeval"].update({"samples": 4, "temperature": 0.7})
    found = list(powers(study, tmp_path, draws=3))
    assert list(found[0].replicated) == [0, 2, 3, 4]
    assert found[0].replicated is found[1].replicated
    text = table(study, found, tmp_path)
    assert "chance % of a proof over 4 runs, by replies to a prompt" in text
    assert "chance % of a proof, by replicates, with 1 to 4 replies to a prompt" in text
    [trainings] = [line for line in text.splitlines() if line.startswith("trainings")]
    assert trainings.split()[-4:] == ["0", "8", "12", "16"]  # two students, two tasks
    assert max(map(len, text.splitlines())) <= 100


def test_the_study_s_own_replicates_and_replies_are_drawn_once(config: dict, tmp_path: Path):
    study = Study(config, "x")
    for block in (study.catalog["tasks"], study.catalog["controls"]):
        for name in {*study.tasks, *study.controls} & set(block):
            block[name].update({"samples": 8, "temperature": 0.7})
    [power, _] = powers(study, tmp_path, draws=3)
    assert power.replicated[0] is power.drawn[1, 8]
    assert list(power.replicated) == [0, 2, 4]
    text = table(study, [power], tmp_path)
    assert "chance % of a proof, by replies to a prompt" in text
    assert "by replicates, with 8 replies to a prompt" in text


def test_the_program_knows_replicates(tmp_path: Path):
    file = tmp_path / "four.yaml"
    config = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump(config | {"replicates": 4}), encoding="utf-8")
    status, text = run("power.py", "--configfile", file, "--directory", tmp_path, "--draws", 2)
    assert status == 0, text
    assert "over 5 runs" in text and "with 1 reply to a prompt" in text
