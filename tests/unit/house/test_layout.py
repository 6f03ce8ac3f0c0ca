"""The paths that the rules write are those that the library reads."""

from pathlib import Path

import pytest

from sftstudy.data.splits import SPLITS
from sftstudy.figures.names import figures
from sftstudy.run.stages import STAGE_OF
from sftstudy.study.layout import Layout
from sftstudy.tables.schema import NAMES
from unit.house.workflow_rules import Rule

RESULTS = Layout(Path("results/smoke"))
TRIAL = ("{student}", "{task}/{trial}")
VARIANT = ("{student}", "{variant}")
BASE = ("{student}", "base")
OUTPUTS = {
    "fetch_dataset": [RESULTS.raw("{dataset}")],
    "make_smoke_dataset": [RESULTS.raw("{dataset}")],
    "fetch_student": [RESULTS.checkpoint(*BASE)],
    "convert_student": [RESULTS.checkpoint(*BASE)],
    "build_smoke_student": [RESULTS.checkpoint(*BASE)],
    "prepare": [RESULTS.rows("{task}", split) for split in SPLITS],
    "prepare_control": [RESULTS.rows("{control}", "test")],
    "prepare_lm_eval": [RESULTS.rows("{control}", "test"), RESULTS.lm_eval_control("{control}")],
    "lengths": [RESULTS.lengths("{task}", "{student}")],
    "fits": [RESULTS.fits("{task}", "{student}")],
    "fits_control": [RESULTS.fits("{control}", "{student}")],
    "fits_lm_eval": [RESULTS.fits("{control}", "{student}")],
    "card": [RESULTS.card("{task}")],
    "duplicates": [RESULTS.duplicates("{task}")],
    "recipe": [RESULTS.recipe("{student}", "{task}", "{trial}")],
    "train": [RESULTS.checkpoint(*TRIAL)],
    "predict_select": [RESULTS.predictions(*TRIAL, "{task}.val")],
    "predict_select_base": [RESULTS.predictions(*BASE, "banking77.val")],
    "predict_controls": [RESULTS.predictions(*VARIANT, "ifeval")],
    "predict_confirm": [RESULTS.predictions(*VARIANT, "banking77.test")],
    "predict_lm_eval": [RESULTS.predictions(*VARIANT, "{control}")],
    "ask_judge": [RESULTS.judgements(*VARIANT, "{control}", "questions")],
    "predict_judge": [RESULTS.judgements(*VARIANT, "{control}", "replies")],
    "score": [RESULTS.metrics(*VARIANT, "{task}.{split}")],
    "score_control": [RESULTS.metrics(*VARIANT, "{control}")],
    "choose": [RESULTS.choice("{student}")],
    "score_lm_eval": [RESULTS.metrics(*VARIANT, "{control}")],
    "recommend": [
        RESULTS.recommendation("{student}", suffix)
        for suffix in ("json", "md", "trl.yaml", "oumi.yaml", "axolotl.yaml")
    ],
    "retain": [RESULTS.retained("{student}")],
    "plan": [RESULTS.plan],
    "collate": [
        RESULTS.table(name, suffix) for suffix in ("html", "csv", "json") for name in NAMES
    ],
    "draw": [RESULTS.figure(figure.name) for figure in figures(["smoke"], ["banking77"])],
    "report": [RESULTS.report],
    "review": [RESULTS.review("{student}", suffix) for suffix in ("html", "csv")],
    "model_cards": [RESULTS.model_cards("{student}")],
    "lm_eval_tasks": [RESULTS.lm_eval_task(name) for name in ("banking77_sft.yaml", "utils.py")],
}
# What logs and records of jobs with several outputs are named by, where the library reads them.
SUITES = {
    "predict_select": RESULTS.predictions(*TRIAL, "{task}.select"),
    "predict_select_base": RESULTS.predictions(*BASE, "select"),
    "predict_controls": RESULTS.predictions(*VARIANT, "controls"),
    "predict_confirm": RESULTS.predictions(*VARIANT, "confirm"),
}
READ = [*SUITES, "fetch_student", "convert_student", "build_smoke_student", "train", "ask_judge"]
READ += ["predict_judge", "score", "score_control", "predict_lm_eval", "score_lm_eval"]


def test_every_output_of_a_rule_is_a_path_of_the_layout(rules: dict[str, Rule]) -> None:
    made = {rule.name: sorted(rule.output) for rule in rules.values() if rule.output}
    assert made == {name: sorted(map(str, paths)) for name, paths in OUTPUTS.items()}


@pytest.mark.parametrize("name", READ)
def test_logs_and_records_that_the_library_reads(rules: dict[str, Rule], name: str) -> None:
    output = SUITES.get(name, OUTPUTS[name][0])
    assert rules[name].log == [str(RESULTS.log(output)), str(RESULTS.record(output))]


def test_every_job_with_outputs_has_a_log_and_a_record_of_one_name(rules: dict[str, Rule]) -> None:
    for rule in rules.values():
        if rule.output:
            log, record = map(Path, rule.log)
            assert log.suffix == ".log" and record.suffix == ".json", rule.name
            name = record.relative_to(RESULTS.records).with_suffix("")
            assert log.relative_to(RESULTS.root / "logs").with_suffix("") == name, rule.name


def test_folders_beside_the_outputs(rules: dict[str, Rule]) -> None:
    folders = {key: rules["train"].params[key] for key in ("scratch", "tracking")}
    assert folders == {"scratch": str(RESULTS.scratch), "tracking": str(RESULTS.tracking)}


def test_a_point_in_a_trial_s_name_is_no_suffix() -> None:
    output = RESULTS.checkpoint("Llama-3.2-1B", "tatqa/lr2.5e-05")
    assert RESULTS.log(output).name == "lr2.5e-05.log"
    assert RESULTS.record(RESULTS.metrics("s", "base", "tatqa.val")).name == "tatqa.val.json"


def test_every_rule_with_a_job_belongs_to_a_stage(rules: dict[str, Rule]) -> None:
    with_outputs = {name for name, rule in rules.items() if rule.output}
    assert set(STAGE_OF) == with_outputs | {"lock_sources"}
