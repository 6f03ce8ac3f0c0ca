"""The chances that `sftstudy.costs.power` draws, as tables, and what each of their cells costs."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sftstudy.costs.forecast import past_costs
from sftstudy.costs.judge_jobs import judge_jobs
from sftstudy.costs.measured import unit_of
from sftstudy.costs.past_rates import ASSUMED, MEASURED
from sftstudy.costs.power import ALIKE, OWN, REPLIES, TIMES, Drawn, Power, Requirement
from sftstudy.costs.power_costs import Cell, hours, replied, tokens
from sftstudy.pages.columns import aligned
from sftstudy.study.grid import Study

WIDTH = 100
Row = tuple[str, ...]
Cells = dict[Cell, float]
_HEAD = ("what must be proven", "rows", "from", "rate", "between", "noise", "runs")
_RECOMMENDED = "RECOMMENDED: all of these"


def table(study: Study, powers: Iterable[Power], folder: Path, past: Sequence[Path] = ()) -> str:
    """Return a student after the other: what is drawn, chances and costs; and how to read them.

    Students of whom the same is known stand together.
    """
    found = list(powers)
    together: dict[int, list[Power]] = {}
    for power in found:
        together.setdefault(id(power.drawn), []).append(power)
    blocks = [_block(study, same, folder, past) for same in together.values()]
    return "\n\n".join([*blocks, _notes(study, found)])


def _block(study: Study, same: Sequence[Power], folder: Path, past: Sequence[Path]) -> str:
    power = same[0]
    by_replies = [Cell(times, k, study.replicates) for times in TIMES for k in REPLIES]
    by_replicates = [Cell(replicates=number) for number in power.replicated]
    named = [one.student for one in same]
    of_tokens, of_hours = _costs(study, named, folder, past, [*by_replies, *by_replicates])
    unit = unit_of("GPU" if study.student(name)["gpus"] else "CPU" for name in named)
    return "\n".join(
        [
            *textwrap.wrap(f"{study.root}: {', '.join(named)}", WIDTH, break_on_hyphens=False),
            "",
            *aligned([_HEAD, *map(_row, power.requirements)]),
            "",
            *_by_replies(power, study.replicates, of_tokens, of_hours, unit),
            "",
            *_by_replicates(power, len(same) * power.tasks, of_tokens, of_hours, unit),
        ]
    )


def _row(one: Requirement) -> Row:
    rates, basis = one.basis.rates, one.basis

    def told(text: str, source: str) -> str:
        return text + ("*" if source == ASSUMED else " ")

    return (
        one.label,
        f"{one.rows.n:,}",
        one.rows.source,
        told(f"{rates.mean:.1%}", basis.mean),
        told(f"{rates.between:.0%}", basis.between),
        told(f"{rates.noise:.2f}", basis.noise),
        told(f"{100 * basis.spread:.1f}", basis.runs),
    )


# -- by replies to a prompt ------------------------------------------------------------------------


def _by_replies(
    power: Power, replicates: int, of_tokens: Cells, of_hours: Cells | None, unit: str
) -> list[str]:
    """Return the lines of chances and costs, for each number of prompts."""
    over = f" over {1 + replicates} runs" if replicates else ""
    head = f"chance % of a proof{over}, by replies to a prompt"
    rows: list[Row] = [(head, "rows", *map(str, REPLIES))]
    for one in power.requirements:
        for label, share in _shares(one, power.tasks):
            rows += _lines(label, one.rows.n, power, share)
    rows += _lines(_RECOMMENDED, 0, power, lambda drawn: drawn.recommended)
    at = len(rows)
    rows.append(("cost, by replies to a prompt", "rows", *map(str, REPLIES)))
    one_reply = of_tokens[Cell(1, 1, replicates)]
    factors = {cell: count / one_reply for cell, count in of_tokens.items()}
    rows += _cost_lines("tokens of replies, times those of one", factors, replicates)
    if of_hours:
        rows += _cost_lines(f"{unit} h of the study", of_hours, replicates)
    lines = aligned(rows)
    return [*lines[:at], "", *lines[at:]]


def _shares(one: Requirement, tasks: int) -> list[tuple[str, Callable[[Drawn], float]]]:
    """Return labels and how to find their chance; of a gate for one checkpoint, and for all."""
    if one.gate is None or tasks == 1:
        return [(one.name, lambda drawn: drawn.one[one.name])]
    return [
        (f"{one.name}, one checkpoint", lambda drawn: drawn.one[one.name]),
        (f"{one.name}, all {tasks}", lambda drawn: drawn.every[one.name]),
    ]


def _lines(label: str, rows: int, power: Power, share: Callable[[Drawn], float]) -> list[Row]:
    """Return a line for each number of prompts, the first of them with the label."""
    found = []
    for times in TIMES:
        shares = (share(power.drawn[times, replies]) for replies in REPLIES)
        count = f"{times * rows:,}" if rows else f"x{times}"
        found.append((label, count, *map(_percent, shares)))
        label = ""
    return found


def _percent(chance: float) -> str:
    return f"{100 * chance:.0f}"


def _cost_lines(label: str, values: Cells, replicates: int) -> list[Row]:
    return [
        (
            label if times == TIMES[0] else "",
            f"x{times}",
            *(f"{values[Cell(times, k, replicates)]:,.1f}" for k in REPLIES),
        )
        for times in TIMES
    ]


# -- by replicates ---------------------------------------------------------------------------------


def _by_replicates(
    power: Power, trained: int, of_tokens: Cells, of_hours: Cells | None, unit: str
) -> list[str]:
    """Return the lines of chances and costs with the prompts and replies of the study file.

    `trained` are the trainings of one replicate of all tasks and students that are told of.
    """
    numbers = list(power.replicated)
    asked = sorted({one.replies(OWN) for one in power.requirements})
    told = f"{asked[0]} to {asked[-1]} replies" if len(asked) > 1 else f"{asked[0]} replies"
    told = "1 reply" if asked == [1] else told
    head = f"chance % of a proof, by replicates, with {told} to a prompt"
    rows: list[Row] = [(head, *map(str, numbers))]
    for one in power.requirements:
        label, share = _shares(one, power.tasks)[-1]
        rows.append((label, *(_percent(share(drawn)) for drawn in power.replicated.values())))
    chances = (_percent(drawn.recommended) for drawn in power.replicated.values())
    rows.append((_RECOMMENDED, *chances))
    none, cells = of_tokens[Cell()], [Cell(replicates=number) for number in numbers]
    factors = (f"{of_tokens[cell] / none:,.2f}" for cell in cells)
    rows.append(("tokens of replies, times those without", *factors))
    rows.append(("trainings, beside those of the grid", *(f"{n * trained}" for n in numbers)))
    if of_hours:
        rows.append((f"{unit} h of the study", *(f"{of_hours[cell]:,.1f}" for cell in cells)))
    return aligned(rows)


def _costs(
    study: Study, students: Sequence[str], folder: Path, past: Sequence[Path], cells: Sequence[Cell]
) -> tuple[Cells, Cells | None]:
    """Return tokens and hours of some students together; None where hours are not known."""
    known, judged = past_costs(study, folder, past), judge_jobs(study, folder)
    sets = {name: replied(study, name, folder) for name in students}
    every = [one for of_student in sets.values() for one in of_student]
    of_tokens: Cells = {cell: tokens(every, cell) for cell in cells}
    of_hours = [hours(study, name, sets[name], known, judged, cells) for name in students]
    if not all(of_hours):
        return of_tokens, None
    return of_tokens, {cell: sum(one[cell] for one in of_hours if one) for cell in cells}


def _notes(study: Study, powers: Sequence[Power]) -> str:
    required = [one for power in powers for one in power.requirements]
    draws = powers[0].drawn[1, 1].draws
    error = 100 * (0.25 / draws) ** 0.5
    lines = [
        f"Of {draws} studies drawn, in which no control truly changes and every task gains what is",
        f"written there; a chance is off by {error:.1f} points at most (standard error).",
        "between  share of a single reply's variance that lies between prompts: it stays with more",
        "         replies; a greedy reply counts as one drawn",
        "noise    what training does to a single prompt, on the logit scale",
        "runs     standard deviation between the true means of runs, in points; with replicates",
        "         their mean is fine, without them the one run is, and the next one is not known",
        "Gates, gains (by Holm over the tasks) and the verdict are judged as a recommendation is.",
    ]
    sources = {
        source
        for one in required
        for source in (one.basis.mean, one.basis.between, one.basis.noise, one.basis.runs)
    }
    if ASSUMED in sources:
        rest = "the others are measured" if MEASURED in sources else "nothing is measured"
        lines.append(
            f'* assumed ({rest}): docs/statistics.md, "Before a study"; --past takes the results\n'
            "of other studies."
        )
    grouped = [one for one in powers[0].requirements if one.rows.groups < one.rows.n]
    if grouped:
        told = ", ".join(f"{one.name} has {one.rows.groups:,}" for one in grouped)
        lines.append(
            f"Rows of one group are drawn alike (correlation {ALIKE:g} on a latent scale): {told}."
        )
    return "\n".join(lines)
