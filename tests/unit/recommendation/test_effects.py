"""Main effects: on grids whose effects are known, and on noise alone."""

import itertools
import json
from typing import Any

import numpy as np
import pytest

from made_documents import provenance
from recommendation_study import CONFIGURATIONS, GENTLE, GOOD, HARSH, TASKS, MadeUpStudy, by_name
from sftstudy.recommendation.cells import Cells, Scores
from sftstudy.recommendation.comparison import compare
from sftstudy.recommendation.configurations import Complete
from sftstudy.recommendation.effects import Outcome, effects_of, main_effects
from sftstudy.statistics.multiplicity import holm
from sftstudy.study.axes import AXES

RATES, EPOCHS = {1e-5: -0.03, 2e-5: 0.01, 5e-5: 0.02}, {1: -0.05, 3: 0.05}
GRID = list(itertools.product(RATES, EPOCHS))


def settings(**values: Any) -> dict[str, Any]:
    """The values of one configuration; what is not named does not vary."""
    return dict.fromkeys(AXES) | {"method": "full", "weight_decay": 0.01} | values


def grid(combinations: list[tuple[float, int]] = GRID) -> list[dict[str, Any]]:
    return [settings(learning_rate=rate, num_train_epochs=n) for rate, n in combinations]


def outcome(values: list[float], noise: float = 0.01, seed: int = 0) -> Outcome:
    errors = np.random.default_rng(seed).normal(0, noise, (999, len(values)))
    return Outcome(np.array(values), errors - errors.mean(axis=0))


def additive(combinations: list[tuple[float, int]] = GRID) -> list[float]:
    return [0.2 + RATES[rate] + EPOCHS[epochs] for rate, epochs in combinations]


def levels(effect: dict[str, Any], key: str = "difference") -> list[float]:
    return [level[key] for level in effect["gain"]["levels"]]


def test_effects_of_a_complete_grid_are_the_plain_means() -> None:
    gains = np.random.default_rng(1).uniform(0, 0.3, len(GRID))
    rate, epochs = effects_of(grid(), outcome(gains.tolist()), None)
    table = gains.reshape(3, 2)
    assert (rate["axis"], rate["values"], rate["configurations"]) == (
        "learning_rate", [1e-5, 2e-5, 5e-5], [2, 2, 2],
    )  # fmt: skip
    assert levels(rate, "mean") == pytest.approx(table.mean(axis=1))
    assert levels(rate) == pytest.approx(table.mean(axis=1) - table.mean())
    assert levels(epochs, "mean") == pytest.approx(table.mean(axis=0))
    assert rate["gain"]["largest"] == pytest.approx(np.ptp(table.mean(axis=1)))
    assert rate["loss"] is None and rate["note"] == ""
    json.dumps([rate, epochs], allow_nan=False)


def test_shares_of_the_variance_are_those_of_the_analysis_of_variance() -> None:
    gains = np.add(additive(), [0.01, -0.01, -0.01, 0.01, 0, 0])  # an interaction
    rate, epochs = effects_of(grid(), outcome(gains.tolist()), None)
    total = np.square(gains - gains.mean()).sum()
    for effect, sum_of_squares in ((rate, 2 * 0.0014), (epochs, 6 * 0.05**2)):
        assert effect["gain"]["share"] == pytest.approx(sum_of_squares / total)
        assert effect["gain"]["remaining"] == pytest.approx(4 * 0.01**2 / total)


def test_a_missing_configuration_does_not_bend_the_effects_of_the_others() -> None:
    there = [one for one in GRID if one != (5e-5, 3)]
    rate, epochs = effects_of(grid(there), outcome(additive(there)), None)
    assert levels(rate) == pytest.approx([-0.03, 0.01, 0.02])  # the plain mean of 5e-5 is 0.17
    assert levels(epochs) == pytest.approx([-0.05, 0.05])
    assert rate["configurations"] == [2, 2, 1]
    assert rate["gain"]["remaining"] == pytest.approx(0, abs=1e-12)


def test_what_changes_only_together_is_not_told_apart() -> None:
    found = [
        settings(learning_rate=rate, num_train_epochs=epochs, warmup_ratio=warmup)
        for rate, epochs in ((1e-5, 1), (5e-5, 3))
        for warmup in (0.0, 0.1)
    ]
    rate, epochs, warmup = effects_of(found, outcome([0.1, 0.2, 0.3, 0.4]), None)
    for effect in (rate, epochs):
        assert effect["gain"] is None
        assert "cannot be told apart" in effect["note"]
    assert levels(warmup) == pytest.approx([-0.05, 0.05])


def test_learning_rates_of_lora_are_compared_among_lora() -> None:
    full = [settings(learning_rate=rate) for rate in (1e-5, 5e-5)]
    lora = [
        settings(learning_rate=rate, method="lora", lora_r=rank)
        for rate in (1e-4, 5e-4)
        for rank in (8, 16)
    ]
    gains = [0.10, 0.20, 0.26, 0.30, 0.22, 0.26]  # full; then rates 0.28 and 0.24, ranks 4 apart
    of_full, of_lora, method, rank = effects_of(full + lora, outcome(gains), None)
    assert (of_full["axis"], of_full["among"]) == ("learning_rate", "full")
    assert levels(of_full, "mean") == pytest.approx([0.10, 0.20])
    assert (of_lora["among"], of_lora["values"]) == ("lora", [1e-4, 5e-4])
    assert levels(of_lora, "mean") == pytest.approx([0.28, 0.24])
    assert (method["axis"], method["values"]) == ("method", ["full", "lora"])
    assert levels(method) == pytest.approx([-0.055, 0.055])  # 0.15 against 0.26
    assert method["note"] == "each method with values of its own for: learning rate"
    assert (rank["axis"], rank["among"]) == ("lora_r", "lora")
    assert levels(rank) == pytest.approx([-0.02, 0.02])


def test_names_keep_their_order_and_what_does_not_vary_has_no_effect() -> None:
    found = [settings(lr_scheduler_type=name) for name in ("linear", "cosine")]
    [effect] = effects_of(found, outcome([0.1, 0.2]), None)
    assert effect["values"] == ["linear", "cosine"]
    assert effects_of([settings()], outcome([0.1]), None) == []


def test_noise_that_all_configurations_share_cancels() -> None:
    common = np.random.default_rng(0).normal(0, 0.1, (999, 1)) + np.zeros((1, len(GRID)))
    for effect in effects_of(grid(), Outcome(np.array(additive()), common), None):
        for level in effect["gain"]["levels"]:
            assert level["high"] - level["low"] == pytest.approx(0, abs=1e-12)
        assert effect["gain"]["distinguishable"]


def test_interval_of_the_largest_difference_agrees_with_its_p_value() -> None:
    seen = set()
    for seed in range(60):
        gains = np.random.default_rng(seed).normal(0, 0.012, len(GRID))
        effects = effects_of(grid(), outcome(gains.tolist(), seed=seed), None)
        for effect in effects:
            told = effect["gain"]
            assert (told["low"] > 0) == (told["p"] <= 0.05)
            assert told["distinguishable"] == (told["p_holm"] <= 0.05)
            seen.add(told["low"] > 0)
        p = [effect["gain"]["p"] for effect in effects]
        assert [effect["gain"]["p_holm"] for effect in effects] == holm(p)
    assert seen == {True, False}


def drawn_effects(seed: int, rows: int = 100, matter: float = 0.0) -> list[dict[str, Any]]:
    """The effects in a study of one task in which epochs gain `matter`, and the rate nothing.

    Rows are hard or easy for all configurations alike.
    """
    generator = np.random.default_rng(seed)
    names = [f"{rate}_{epochs}" for rate in (1, 2, 3) for epochs in (1, 3)]
    difficulty = generator.normal(0, 1, rows)
    ids = [str(index) for index in range(rows)]

    def scores(name: str, gain: float) -> Scores:
        right = difficulty + generator.normal(0, 0.7, rows) < gain
        estimate: Any = {"value": float(right.mean())}
        return Scores(name, "t.val", "accuracy", ids, ids, right.astype(float), estimate, None)

    complete = [
        Complete(name, {"t": scores(name, matter * (name[-1] == "3"))}, {}, [], 1.0)
        for name in names
    ]
    cells = Cells(
        lambda *_: None,
        lambda variant: provenance(
            {"learning_rate": int(variant[2]), "num_train_epochs": int(variant[4])}
        ),  # type: ignore[arg-type]
    )
    comparison = compare(complete, ["t"], [], cells, 300, 0)
    return main_effects(comparison, {"t": scores("base", 0.0)}, cells)


def test_what_has_no_effect_is_noise_in_about_95_percent_of_studies() -> None:
    studies = [drawn_effects(seed) for seed in range(400)]
    for index in (0, 1):
        called = np.mean([effects[index]["gain"]["p"] <= 0.05 for effects in studies])
        assert 0.01 <= called <= 0.085  # 3 standard errors about 5 %: 1.7 to 8.3
    any_called = [any(effect["gain"]["distinguishable"] for effect in one) for one in studies]
    assert np.mean(any_called) <= 0.085


def test_what_has_an_effect_is_found_and_held_by_its_interval() -> None:
    studies = [drawn_effects(seed, rows=300, matter=0.5) for seed in range(100)]
    assert np.mean([epochs["gain"]["distinguishable"] for _, epochs in studies]) >= 0.95
    truth = np.mean([epochs["gain"]["largest"] for _, epochs in studies])
    assert np.mean([e["gain"]["low"] <= truth <= e["gain"]["high"] for _, e in studies]) >= 0.9


def varied() -> MadeUpStudy:
    """The made-up study, its configurations told apart by their recipes."""
    study = MadeUpStudy()
    recipes = dict(zip(CONFIGURATIONS, ((1e-5, 1), (1e-5, 3), (5e-5, 3)), strict=True))
    for variant, made in study.provenance.items():
        rate, epochs = recipes[variant.partition("/")[2]]
        made["recipe"]["training"] |= {"learning_rate": rate, "num_train_epochs": epochs}
    return study


def test_the_document_holds_the_effects_on_gain_and_on_control_loss() -> None:
    document = varied().recommend()
    rate, epochs = document["effects"]
    assert (rate["axis"], epochs["axis"]) == ("learning_rate", "num_train_epochs")
    entries = by_name(document)
    for key, kind in (("mean_gain", "gain"), ("control_loss", "loss")):
        gentle, good, harsh = (entries[name][key] for name in (GENTLE, GOOD, HARSH))
        assert rate[kind]["largest"] == pytest.approx(abs(harsh - good))
        assert epochs[kind]["largest"] == pytest.approx(abs(good - gentle))
    assert rate["gain"]["distinguishable"] and rate["loss"]["distinguishable"]
    assert not epochs["loss"]["distinguishable"]  # both lose nothing
    assert rate["loss"]["levels"][0]["mean"] == 0.0  # and not the dust of least squares
    assert rate["loss"]["low"] < rate["loss"]["largest"] < rate["loss"]["high"]


def test_effects_read_nothing_of_the_test_splits() -> None:
    study = varied()
    before = study.recommend()["effects"]
    for key in [key for key in study.metrics if key[1].endswith(".test")]:
        study.set(*key, 0.3)
    assert study.recommend()["effects"] == before


def test_without_a_baseline_or_with_one_group_of_rows_there_is_no_effect_but_a_reason() -> None:
    study = varied()
    del study.metrics["base", "tatqa.val"]
    rate, _ = study.recommend()["effects"]
    assert rate["gain"] is None and "needs the baseline" in rate["note"]
    assert rate["loss"] is not None

    study = varied()
    for (_, evalset), made in study.metrics.items():
        if evalset == "tatqa.val":
            made["items"] = [item | {"group": "all"} for item in made["items"]]
    document = study.recommend()
    assert [effect["gain"] for effect in document["effects"]] == [None, None]
    json.dumps(document, allow_nan=False)


def test_a_configuration_without_recipe_is_left_out() -> None:
    study = varied()
    for task in TASKS:
        del study.provenance[f"{task}/{HARSH}"]
    [epochs] = study.recommend()["effects"]
    assert (epochs["axis"], epochs["configurations"]) == ("num_train_epochs", [1, 1])
