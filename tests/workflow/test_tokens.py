"""Secrets of the environment reach no file that a study writes and nothing that it prints."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftstudy.files.reading import read_json
from stub_hub import Repository, StubHub
from workflow.running import MINI, TOKENS, copy_repository, snakemake

pytestmark = pytest.mark.slow

STUDY = ("--configfile", "hub.yaml")
ROWS = b"text,category\nwhere is my card,card_arrival\n"


def assert_clean(folder: Path, runs: list[subprocess.CompletedProcess[str]]) -> int:
    """Look for the secrets everywhere; return how many files were looked into."""
    marks = [token.encode() for token in TOKENS.values()]
    files = [file for file in folder.rglob("*") if file.is_file()]
    for file in files:
        data = file.read_bytes()
        assert not [mark for mark in marks if mark in data], file
    for run in runs:
        text = run.stdout + run.stderr
        assert not [token for token in TOKENS.values() if token in text], text
    return len(files)


def test_a_finished_study_holds_no_secret(mini: Path) -> None:
    """From data to report, with training, predictions, records, logs and Snakemake's own files."""
    assert assert_clean(mini / "results", []) > 200
    assert assert_clean(mini / ".snakemake", []) > 50


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a study whose datasets are on a hub."""
    checkout = copy_repository(tmp_path / "checkout")
    config: dict[str, Any] = yaml.safe_load((checkout / MINI).read_text(encoding="utf-8"))
    tasks = config["catalog"]["tasks"]
    tasks["banking77"]["source"] = {"hub": "org/open"}
    tasks["pubmedqa"]["source"] = {"hub": "org/closed"}
    (checkout / "hub.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return checkout


def test_fetching_with_a_token_and_being_refused_leave_no_trace(
    checkout: Path, tmp_path: Path
) -> None:
    files = {"train.csv": ROWS, "test.csv": ROWS}
    granted = frozenset({TOKENS["HF_TOKEN"]})
    opened = Repository(files, gated="all", readers=granted)
    closed = Repository(files, gated="files", readers=granted)
    repositories = {"datasets/org/open": opened, "datasets/org/closed": closed}
    target = "results/mini/raw/banking77", "results/mini/raw/pubmedqa"
    with StubHub(repositories) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
        environment["HF_HUB_OFFLINE"] = "0"
        runs = [snakemake(checkout, "lock_sources", *STUDY, **environment)]
        assert hub.downloads, "the token was used"
        closed.readers = frozenset()  # access is withdrawn, and nothing is cached
        environment["HF_HOME"] = str(tmp_path / "empty")
        retry = ("--retries", "0", "--keep-going")
        runs.append(snakemake(checkout, *target, *retry, *STUDY, check=False, **environment))
        opened.status = 500
        runs.append(snakemake(checkout, *target, *retry, *STUDY, check=False, **environment))
    assert [run.returncode for run in runs] == [0, 1, 1]
    source = read_json(checkout / "results/mini/raw/banking77/SOURCE.json")
    assert source["revision"] == opened.commit
    log = (checkout / "results/mini/logs/raw/pubmedqa.log").read_text(encoding="utf-8")
    assert "the given token lacks access" in log
    assert_clean(tmp_path, runs)
