"""Paths and texts that a shell would act on reach the programs as they are; nothing else runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftstudy.files.reading import read_json
from sftstudy.tasks.registry import smoke_module
from workflow.running import MINI, copy_repository, snakemake

# Run by a shell, even within quotes of either kind, any of these would make the file `canary`.
TRICK = "we ird'; touch canary; \"; $(touch canary) `touch canary` & touch canary # ünï *"
BRACES = f"{TRICK} {{x}} {{{{\n"
STUDY = ("--configfile", "tricks.yaml")


@pytest.fixture(scope="module")
def tricky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a study that has the trick in every key that takes free text."""
    checkout = copy_repository(tmp_path_factory.mktemp("tricky"))
    mirror = checkout / TRICK
    mirror.mkdir()
    smoke_module("nl2sql").write(mirror, 4, 48, 16)
    (mirror / TRICK).write_text("a file of the mirror\n", encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load((checkout / MINI).read_text(encoding="utf-8"))
    config["tasks"] = ["nl2sql", "pubmedqa"]
    config["serve"] = f"server {TRICK}"
    catalog = config["catalog"]
    catalog["students"]["smoke"]["chat_template_kwargs"] = {"note": BRACES}
    catalog["students"]["smoke"]["accelerate"] = f"{TRICK}.yaml"
    catalog["tasks"]["nl2sql"] = {
        "source": {"path": TRICK},
        "split": {"strategy": "grouped", "val": 16, "test": 16},
        "max_new_tokens": 4,
        "databases": TRICK,
    }
    catalog["tasks"]["pubmedqa"]["source"] = {"hub": "a/b", "revision": TRICK, "files": [TRICK]}
    text = yaml.safe_dump(config, allow_unicode=True)
    (checkout / "tricks.yaml").write_text(text, encoding="utf-8")
    return checkout


def commands(checkout: Path, *arguments: str) -> list[str]:
    done = snakemake(checkout, "--dry-run", "--printshellcmds", *arguments, *STUDY)
    return re.findall(r"^Shell command: (?!None$)(.+)$", done.stdout, flags=re.MULTILINE)


def test_every_command_of_the_study_gives_its_program_the_text_unharmed(
    tricky: Path, tmp_path: Path
) -> None:
    """What Snakemake would run, run by bash with programs that only say their words."""
    words = tmp_path / "words.jsonl"
    for name in ("python", "accelerate"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            f"print(json.dumps(sys.argv[1:]), file=open({str(words)!r}, 'a'))\n"
        )
        program.chmod(0o755)
    environment = os.environ | {"PATH": f"{program.parent}:/usr/bin:/bin"}
    found = commands(tricky, "all", "exports", "lock_sources")
    for command in found:
        (log,) = re.findall(r" > (\S+) 2>&1$", command)
        (tricky / log).parent.mkdir(parents=True, exist_ok=True)
        bash = ["bash", "-euo", "pipefail", "-c", command]
        subprocess.run(bash, cwd=tricky, env=environment, check=True)
    spoken = [json.loads(line) for line in words.read_text(encoding="utf-8").splitlines()]
    assert len(spoken) == len(found) > 40
    flat = [word for line in spoken for word in line]
    assert f"{TRICK}.yaml" in flat, "accelerate's file"
    assert f"--serve=server {TRICK}" in flat
    documents = [json.loads(word) for word in flat if word.startswith("{")]
    text = json.dumps(documents, ensure_ascii=False)
    assert json.dumps(BRACES, ensure_ascii=False) in text, "chat_template_kwargs"
    assert {"path": TRICK} in documents, "the mirror"
    assert {"databases": TRICK} in documents, "an option of a task"
    assert {"hub": "a/b", "revision": TRICK, "files": [TRICK]} in documents
    assert not list(tricky.rglob("canary"))


@pytest.mark.slow
def test_jobs_that_really_run_bring_the_data(tricky: Path) -> None:
    snakemake(tricky, "results/mini/data/nl2sql/lengths/smoke.json", *STUDY)
    source = read_json(tricky / "results/mini/raw/nl2sql/SOURCE.json")
    assert source["id"] == TRICK and TRICK in source["files"]
    lengths = read_json(tricky / "results/mini/data/nl2sql/lengths/smoke.json")
    assert lengths["chat_template_kwargs"] == {"note": BRACES}
    failed = snakemake(tricky, "results/mini/raw/pubmedqa", *STUDY, check=False)
    log = (tricky / "results/mini/logs/raw/pubmedqa.log").read_text(encoding="utf-8")
    assert failed.returncode and "datasets.pubmedqa is not locked" in log
    assert not list(tricky.rglob("canary"))


@pytest.mark.parametrize(
    "target",
    [
        "results/mini/metrics/smoke/nl2sql/$(touch canary)/ifeval.json",
        "results/mini/metrics/smoke/nl2sql/x; touch canary/ifeval.json",
        "results/mini/checkpoints/smoke/nl2sql/`touch canary`",
        "results/mini/metrics/smoke/base/../../../../../outside.json",
    ],
)
def test_targets_that_are_typed_in_are_held_to_the_names_of_the_grid(
    tricky: Path, target: str
) -> None:
    done = snakemake(tricky, target, *STUDY, check=False)
    assert done.returncode and "MissingRuleException" in done.stderr + done.stdout
    assert not list(tricky.rglob("canary"))
