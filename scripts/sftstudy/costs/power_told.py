"""The chances that `sftstudy.costs.power` draws, as a table, and what each of its cells costs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sftstudy.costs.measured import unit_of
from sftstudy.costs.past_rates import ASSUMED
from sftstudy.costs.power import ALIKE, REPLIES, TIMES, Drawn, Power, Requirement
from sftstudy.costs.power_costs import hours, replied, token_factor
from sftstudy.pages.columns import aligned
from sftstudy.study.grid import Study

Row = tuple[str, ...]
_CELLS = [(times, replies) for times in TIMES for replies in REPLIES]
_HEAD = ("what must be proven", "rows", "from", "rate", "between prompts", "training's noise")


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
    rows: list[Row] = [("chance % of a proof, by replies to a prompt", "rows", *map(str, REPLIES))]
    for one in power.requirements:
        rows += _chances(one, power)
    rows += _lines("RECOMMENDED: all of these", 0, power, lambda drawn: drawn.recommended)
    rows.append(("cost, by replies to a prompt", "rows", *map(str, REPLIES)))
    rows += _costs(study, same, folder, past)
    lines = aligned(rows)
    at = len(rows) - 1 - next(n for n, row in enumerate(rows[::-1]) if row[0].startswith("cost"))
    return "\n".join(
        [
            f"{study.root}: {', '.join(one.student for one in same)}",
            "",
            *aligned([_HEAD, *map(_row, power.requirements)]),
            "",
            *lines[:at],
            "",
            *lines[at:],
        ]
    )


def _row(one: Requirement) -> Row:
    rates, basis, groups = one.basis.rates, one.basis, one.rows.groups
    return (
        one.label,
        f"{one.rows.n:,}" + (f" in {groups:,} groups" if groups < one.rows.n else ""),
        one.rows.source,
        f"{rates.mean:.1%} {basis.mean}",
        f"{rates.between:.0%} {basis.between}",
        f"{rates.noise:.2f} {basis.noise}",
    )


def _chances(one: Requirement, power: Power) -> list[Row]:
    """Return a line for each number of prompts; of a gate for one checkpoint, and for all."""
    if one.gate is None or power.tasks == 1:
        return _lines(one.name, one.rows.n, power, lambda drawn: drawn.one[one.name])
    return [
        *_lines(f"{one.name}, one checkpoint", one.rows.n, power, lambda d: d.one[one.name]),
        *_lines(f"{one.name}, all {power.tasks}", one.rows.n, power, lambda d: d.every[one.name]),
    ]


def _lines(label: str, rows: int, power: Power, share: Callable[[Drawn], float]) -> list[Row]:
    """Return a line for each number of prompts, the first of them with the label."""
    found = []
    for times in TIMES:
        shares = (share(power.drawn[times, replies]) for replies in REPLIES)
        count = f"{times * rows:,}" if rows else f"x{times}"
        found.append((label, count, *(f"{100 * chance:.0f}" for chance in shares)))
        label = ""
    return found


def _costs(study: Study, same: Sequence[Power], folder: Path, past: Sequence[Path]) -> list[Row]:
    """Return a line of tokens for each number of prompts, and one of hours where they are known."""
    sets = {one.student: replied(study, one.student, folder) for one in same}
    every = [one for of_student in sets.values() for one in of_student]
    factors = {cell: token_factor(every, *cell) for cell in _CELLS}
    rows = _cost_lines("tokens of replies, times those of one", factors)
    known = [hours(study, name, sets[name], folder, past, _CELLS) for name in sets]
    if all(known):
        unit = unit_of("GPU" if study.student(name)["gpus"] else "CPU" for name in sets)
        sums = {cell: sum(one[cell] for one in known if one) for cell in _CELLS}
        rows += _cost_lines(f"{unit} h of the study", sums)
    return rows


def _cost_lines(label: str, values: dict[tuple[int, int], float]) -> list[Row]:
    return [
        (
            label if times == TIMES[0] else "",
            f"x{times}",
            *(f"{values[times, k]:,.1f}" for k in REPLIES),
        )
        for times in TIMES
    ]


def _notes(study: Study, powers: Sequence[Power]) -> str:
    required = [one for power in powers for one in power.requirements]
    draws = powers[0].drawn[1, 1].draws
    error = 100 * (0.25 / draws) ** 0.5
    lines = [
        f"Of {draws} studies drawn, in which no control truly changes and every task gains what is",
        f"written there; a chance is off by {error:.1f} points at most (standard error). Between "
        "prompts is",
        "the share of a single reply's variance that more replies do not take away; noise is what",
        "training does to a single prompt, on the logit scale. A greedy reply counts as one drawn.",
        "Gates, gains (by Holm over the tasks) and the verdict are judged as a recommendation is.",
    ]
    if any(ASSUMED in (one.basis.mean, one.basis.between, one.basis.noise) for one in required):
        lines.append(
            'Assumed is what no metrics file tells: docs/statistics.md, "Before a study"; --past '
            "takes\nresults of other studies."
        )
    if any(one.rows.groups < one.rows.n for one in required):
        lines.append(
            f"Rows of one group are drawn alike (correlation {ALIKE:g} on a latent scale)."
        )
    return "\n".join(lines)
