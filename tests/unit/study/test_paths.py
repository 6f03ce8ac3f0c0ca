"""Names that would leave their folder or mean something to a shell are refused, by their key."""

import copy
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.names import TRIAL, trial_id
from sftstudy.study.validation import validate

TRICKS = [
    "../outside",
    "a/../../outside",
    "/absolute",
    "with space",
    "quote'",
    'double"quote',
    "semi;colon",
    "$(touch canary)",
    "`touch canary`",
    "a|b",
    "a&b",
    "a>b",
    "-rf",
    "~",
    "{wildcard}",
    "new\nline",
    "line end\n",
    "nul\0",
    "ünïcödé",
    "right\u202eto left",
    "",
]


@pytest.fixture
def config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "tests/workflow/mini.yaml").read_text(encoding="utf-8"))


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(StudyError) as caught:
        validate(config, "study.yaml")
    message = str(caught.value)
    assert message.startswith("study.yaml: ") and "\n" not in message
    return message


@pytest.mark.parametrize("trick", TRICKS)
def test_names_that_become_folders(config: dict[str, Any], trick: str) -> None:
    for key in ("study", "results"):
        assert key in refusal(config | {key: trick})
    for kind in ("students", "tasks", "controls"):
        changed = copy.deepcopy(config)
        catalog = changed["catalog"][kind]
        catalog[trick] = copy.deepcopy(next(iter(catalog.values())))
        assert f"catalog.{kind}" in refusal(changed)
        del catalog[trick]
        changed[kind] = [trick]
        assert f": {kind}: " in refusal(changed)
    assert "judge" in refusal(config | {"judge": trick})


@pytest.mark.parametrize("trick", [*TRICKS, "../..", "org/../other", "org/a b", "org/", "org/x\n"])
def test_repositories_of_the_hub(config: dict[str, Any], trick: str) -> None:
    config["catalog"]["tasks"]["banking77"]["source"] = {"hub": trick}
    assert "catalog.tasks.banking77.source" in refusal(config)


@pytest.mark.parametrize("trick", ["new\nline", "line end\n", "nul\0", "escape\x1b[31m", "\x85"])
@pytest.mark.parametrize(
    "path",
    [
        "catalog.tasks.banking77.source.path",
        "catalog.tasks.banking77.source.revision",
        "catalog.tasks.banking77.source.files",
        "catalog.tasks.nl2sql.databases",
        "catalog.students.smoke.source.gguf",
        "catalog.students.smoke.accelerate",
        "gates.ifeval.metric",
    ],
)
def test_control_characters_in_free_paths(config: dict[str, Any], path: str, trick: str) -> None:
    node = config.setdefault("gates", {"ifeval": {"above": 0.5}}) and config
    *parents, last = path.split(".")
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = [trick] if last == "files" else trick
    message = refusal(config)
    assert f"{path}: found " in message and "control characters" in message


def test_braces_would_be_wildcards_of_snakemake(config: dict[str, Any], tmp_path: Path) -> None:
    source = config["catalog"]["tasks"]["banking77"]["source"] = {"path": "mirror/{task}"}
    assert "catalog.tasks.banking77.source" in refusal(config)
    source["path"] = str(tmp_path)
    (tmp_path / "rows{x}.jsonl").touch()
    with pytest.raises(StudyError, match=r"rows\{x\}\.jsonl: Snakemake takes the braces"):
        jobs.mirror_files(source, "banking77")


@pytest.mark.parametrize(("kind", "name"), [("tasks", "pubmedqa"), ("controls", "ifeval")])
def test_rows_come_from_no_gguf_file(config: dict[str, Any], kind: str, name: str) -> None:
    config["catalog"][kind][name]["source"] = {"gguf": "x.gguf"}
    message = refusal(config)
    assert f"catalog.{kind}.{name}.source.gguf: such a file holds a model" in message


def test_free_text_may_hold_line_ends(config: dict[str, Any]) -> None:
    config["catalog"]["students"]["smoke"]["chat_template_kwargs"] = {"system": "one\ntwo"}
    config["serve"] = "server \\\n --port {port}\n"
    validate(config, "study.yaml")


def test_accelerate_file_is_one_word_of_the_command(config: dict[str, Any]) -> None:
    file = 'conf ig\'; touch canary; $(touch canary) "x" ünï.yaml'
    config["catalog"]["students"]["smoke"]["accelerate"] = file
    words = shlex.split(jobs.launcher(Study(config, "study.yaml"), "smoke"))
    assert words[-5:] == ["launch", "--config_file", file, "--num_processes", "1"]


def test_every_trial_has_a_name_that_targets_may_have() -> None:
    extremes = {"learning_rate": 1e-300, "num_train_epochs": 1e6, "lr_scheduler_type": "cosine"}
    assert re.fullmatch(TRIAL, trial_id(extremes))
    assert not re.fullmatch(TRIAL, "$(touch canary)")
