"""A task says everything about itself: nobody outside ``tasks/`` knows one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.study.schema import schema
from sftstudy.tasks import registry
from sftstudy.tasks.registry import CONTROLS, TASKS

ALL = TASKS + CONTROLS
OPTIONS = {option.name for name in ALL for option in registry.options(name)}
HOME = ROOT / "scripts/sftstudy/tasks"
NAMES = re.compile(rf"\b(?:{'|'.join(map(re.escape, [*ALL, *sorted(OPTIONS)]))})(?![a-z])")


def sources() -> Iterator[Path]:
    """Yield every program, module, rule and template outside ``tasks/``."""
    yield ROOT / "Snakefile"
    for folder in ("scripts", "rules", "tools"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and file.suffix != ".pyc" and HOME not in file.parents:
                yield file


def named(text: str) -> list[str]:
    """Return the names of tasks, controls and their options that a text holds."""
    return NAMES.findall(text)


def test_no_module_rule_or_template_names_a_task_or_its_option() -> None:
    files = list(sources())
    assert len(files) > 100
    found = {}
    for file in files:
        if names := named(file.read_text(encoding="utf-8")):
            found[file.relative_to(ROOT).as_posix()] = names
    assert not found, "ask sftstudy.tasks.registry, or let the task say it (tasks/task.py)"


@pytest.mark.parametrize(
    "text",
    [
        'if task == "nl2sql":',
        "from sftstudy.tasks.simple_safety_tests.judges.words import questions",
        'data="<results>/data/ifeval/test.jsonl"',
        "--databases={params.databases}",
        "tatqa_rows = rows",
    ],
)
def test_a_name_is_found(text: str) -> None:
    assert named(text)


@pytest.mark.parametrize("name", ALL)
def test_a_task_offers_what_its_contract_asks_for(name: str) -> None:
    data, score, smoke = (
        registry.data_module(name),
        registry.score_module(name),
        registry.smoke_module(name),
    )
    assert data.VERSION >= 1 and score.VERSION >= 1 and callable(smoke.write)
    metrics = score.metrics([])
    assert metrics[score.PRIMARY].better == "higher" and not metrics[score.PRIMARY].legacy
    assert sum(metric.counts is not None for metric in metrics.values()) == (name in TASKS)
    assert all(metric.legacy == key.startswith("legacy_") for key, metric in metrics.items())


def test_a_task_that_lacks_something_is_told_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("sftstudy.tasks.pubmedqa.score.PRIMARY")
    with pytest.raises(StudyError, match=r"pubmedqa/score\.py: has no PRIMARY; see Score in tasks"):
        registry.score_module("pubmedqa")
    with pytest.raises(StudyError, match=r"pubmedqa/judges/words\.py: no such file"):
        registry.judge_module("pubmedqa", "words")


@pytest.mark.parametrize("name", ALL)
def test_no_option_hides_a_key_that_every_task_has(name: str) -> None:
    common = schema()["$defs"]["task" if name in TASKS else "control"]["properties"]
    assert not common.keys() & {option.name for option in registry.options(name)}


def test_a_judge_is_asked_about_controls_only() -> None:
    judged = [name for name in ALL if registry.can_be_judged(name)]
    assert judged and not set(judged) & set(TASKS)
    for name in judged:
        for form in registry.judge_formats(name):
            assert registry.judge_module(name, form).MAX_NEW_TOKENS >= 1
            assert registry.judge_file(name, form).endswith(f"{name}/judges/{form}.py")
