"""What more replies and prompts cost a study: tokens of replies, and hours where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sftstudy.costs.eval_sizes import eval_rows
from sftstudy.costs.forecast import forecasts
from sftstudy.costs.measured import costs
from sftstudy.study import jobs
from sftstudy.study.grid import Study

SUITES = ("select", "controls", "confirm")


@dataclass(frozen=True)
class Replied:
    """An eval set that all variants of a student, or some, reply to.

    `tokens` are those of a reply to each row of it by all of these variants, at most. More prompts
    are asked where `grows`, several times where `sampled`; `samples` says how often now.
    """

    suite: str
    tokens: int
    grows: bool
    sampled: bool
    samples: int

    def of(self, times: int, replies: int) -> int:
        """Return the most tokens of so many replies to each of so many times the prompts."""
        return self.tokens * (times if self.grows else 1) * (replies if self.sampled else 1)

    @property
    def now(self) -> int:
        """The most tokens as the study file stands."""
        return self.of(1, self.samples)


def replied(study: Study, student: str, folder: Path) -> list[Replied]:
    """Return what a student's variants reply to; `folder` is where Snakemake runs."""
    found, variants = [], study.variants(student)
    for name in study.tasks + study.controls:
        block = study.catalog["tasks"].get(name) or study.catalog["controls"][name]
        one = jobs.max_new_tokens(study, name) if "max_new_tokens" in block else 1
        rows = eval_rows(study, folder, name).n
        sampled, samples = "lm_eval" not in block, block.get("samples", 1)
        suite = "controls" if name in study.controls else "confirm"
        found.append(Replied(suite, one * rows * len(variants), True, sampled, samples))
        if name in study.tasks:
            count = min(block["split"]["val"], study.config["limit"] or block["split"]["val"])
            asked = sum(f"{name}.val" in study.select_evalsets(one) for one in variants)
            found.append(Replied("select", one * count * asked, False, True, samples))
    return found


def token_factor(sets: Sequence[Replied], times: int, replies: int) -> float:
    """Return how many times the tokens of one reply to each prompt are generated at most."""
    return sum(one.of(times, replies) for one in sets) / sum(one.of(1, 1) for one in sets)


def hours(
    study: Study,
    student: str,
    sets: Sequence[Replied],
    folder: Path,
    past: Sequence[Path],
    cells: Sequence[tuple[int, int]],
) -> dict[tuple[int, int], float] | None:
    """Return the hours of a student's part of the study by (times, replies).

    They are those of `make forecast`, with each suite's predictions taking longer as it has more
    tokens. None where past jobs of the student are not known for all of it: limits are no hours.
    """
    forecast = next(f for f in forecasts(study, folder, past) if f.student == student)
    known = [cost for root in (folder / study.root, *past) for cost in costs(root)]
    mine = [cost for cost in known if cost.student == student and cost.kind == "predict"]
    of_suite = {
        suite: [cost.gpu_seconds for cost in mine if cost.suite == suite] for suite in SUITES
    }
    used = {one.suite for one in sets}
    if not forecast.measured or not all(of_suite[suite] for suite in used):
        return None
    found = {}
    for cell in cells:
        more = 0.0
        for suite in used:
            of_it = [one for one in sets if one.suite == suite]
            factor = sum(one.of(*cell) for one in of_it) / sum(one.now for one in of_it)
            more += fmean(of_suite[suite]) * len(study.variants(student)) * (factor - 1) / 3600
        found[cell] = forecast.expected_hours + more
    return found
