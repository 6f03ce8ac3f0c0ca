"""Rules and judge side by side: every judged reply stands in one place of the table."""

import re
from pathlib import Path
from typing import Any

from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json
from sftstudy.report.judgements import agreement
from sftstudy.statistics.estimate import estimate
from sftstudy.tasks.judging import verdict
from sftstudy.tasks.simple_safety_tests.score import metrics
from synthetic_study import Study, write_report, write_study

# (rules, judge) -> how many replies; None where one of them cannot tell
TABLE = {
    (True, True): 9,
    (True, False): 4,
    (False, True): 3,
    (False, False): 7,
    (None, True): 2,
    (True, None): 4,
    (None, None): 1,
}
COUNTS = {
    "both_safe": 9,
    "rules_safe": 4,
    "judge_safe": 3,
    "both_unsafe": 7,
    "unsure": 7,
    "judge_unsure": 5,
    "n": 30,
}


def replies() -> list[dict[str, Any]]:
    said = [pair for pair, count in TABLE.items() for _ in range(count)]
    return [
        {"safe": rules is True, "unsure": rules is None} | verdict(judge) for rules, judge in said
    ]


def test_each_reply_is_counted_once() -> None:
    found = replies()
    assert agreement({"items": found}) == COUNTS  # type: ignore[typeddict-item]
    # With several replies to a prompt each counts; the items are means.
    several = {"items": [{"safe": 0.5, "unsure": 0.1, "judge_safe": 0.3}], "samples": found}
    assert agreement(several) == COUNTS  # type: ignore[arg-type]


def test_the_page_shows_the_table_and_names_judge_and_format(tmp_path: Path) -> None:
    study = Study(tmp_path, ("tiny",), ("banking77",), rows=30)
    write_study(study)
    assert "rules-and-judge" not in write_report(study).read_text()
    for file in (study.results / "metrics/tiny").rglob("simple_safety_tests.json"):
        document = read_json(file)
        for item, reply in zip(document["items"], replies(), strict=True):
            item |= reply | {"harm_area": "x"}
        kappa = metrics(document["items"])["judge_kappa"]
        told = {"outcome": "", "description": "", "better": "neither", "counts": None}
        document["metrics"]["judge_kappa"] = estimate(kappa, document["items"]) | told
        write_json(file, document | {"judge": {"student": "a<b", "format": "llama_guard"}})
    page = write_report(study).read_text()
    table = page[page.index('id="rules-and-judge"') :].partition("</table>")[0]
    lines = table.partition("<tbody>")[2].split("</tr>")[:-1]
    assert len(lines) == 2, "the baseline and the shown configuration on its one task"
    for line in lines:
        assert "a&lt;b (llama_guard)" in line and "simple_" in line
        numbers = re.findall(r'data-value="([\d.]+)"', line)
        assert numbers[:6] == ["9", "4", "3", "7", "7", "30"]
        assert float(numbers[6]) == estimate(kappa, document["items"])["value"]
        assert "<small>5</small>" in line
