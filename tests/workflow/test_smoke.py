"""The demonstration, as a newcomer runs it: gains, forgetting, a gate that fails, and a report."""

import csv
import resource
from pathlib import Path

import pytest

from sftstudy.files.reading import read_json
from workflow.running import copy_repository, snakemake

pytestmark = pytest.mark.slow

GENTLE, HARSH = "lr0.0005_ep2_bs4", "lr0.01_ep2_bs4"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the smoke study, run from nothing."""
    checkout = copy_repository(tmp_path_factory.mktemp("smoke"))
    snakemake(checkout)
    return checkout / "results" / "smoke"


def test_second_run_has_nothing_to_do_and_says_so_quickly(smoke: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = snakemake(smoke.parents[1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 15


def test_tuned_student_beats_its_baseline_on_two_tasks_beyond_doubt(smoke: Path) -> None:
    document = read_json(smoke / "recommendations" / "smoke.json")
    gains = document["gains"]["confirm"]
    proven = [task for task, gain in gains.items() if gain["low"] > 0 and gain["p_holm"] < 0.05]
    assert len(proven) >= 2, gains
    assert all(gain["n"] == 100 for gain in gains.values())


def test_gentle_configuration_is_chosen_and_harsh_one_fails_a_gate(smoke: Path) -> None:
    document = read_json(smoke / "recommendations" / "smoke.json")
    assert document["verdict"] in ("RECOMMENDED", "PROVISIONAL"), document["reasons"]
    assert document["chosen"] == GENTLE
    status = {found["configuration"]: found for found in document["configurations"]}
    assert status[GENTLE]["status"] == "feasible"
    assert status[HARSH]["status"] == "infeasible"
    failed = {gate["control"] for gate in status[HARSH]["gates"] if not gate["passes"]}
    assert failed == {"ifeval", "simple_safety_tests"}


def test_controls_start_above_zero_and_can_be_lost(smoke: Path) -> None:
    metrics = smoke / "metrics" / "smoke"
    for control in ("ifeval", "simple_safety_tests"):
        base = read_json(metrics / f"base/{control}.json")
        harsh = read_json(metrics / f"banking77/{HARSH}/{control}.json")
        name = base["primary"]
        assert base["metrics"][name]["low"] > harsh["metrics"][name]["high"]


def test_forgetting_is_measured_for_every_pair_of_tasks(smoke: Path) -> None:
    with (smoke / "tables" / "forgetting.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    cells = {(row["trained_on"], row["evalset"]) for row in rows}
    assert len(cells) == 4 * 6
    assert all(row["low"] and row["high"] and row["n"] for row in rows)


def test_every_number_has_n_and_interval(smoke: Path) -> None:
    with (smoke / "tables" / "metrics.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len({(row["variant"], row["evalset"]) for row in rows}) == 8 * 7 + 10
    for row in rows:
        if row["value"]:
            assert row["se"] and row["low"] and row["high"], row
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"]), row
            assert int(row["n"]) > 0


def test_report_is_one_file_without_a_missing_cell(smoke: Path) -> None:
    page = (smoke / "report" / "index.html").read_text(encoding="utf-8")
    assert "All 66 results (a checkpoint on a split or control) are there" in page
    assert GENTLE in page and HARSH in page
    assert len(page) < 5_000_000
    assert "http://" not in page.replace("http://www.w3.org/", "")


def test_no_scratch_and_no_temporary_is_left(smoke: Path) -> None:
    left = [path for path in smoke.rglob("*") if path.name.endswith(".tmp")]
    assert not left
    assert not list(smoke.glob("scratch/*"))
