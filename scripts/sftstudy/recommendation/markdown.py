"""The recommendation document for people: one Markdown page."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.metrics import Estimate
from sftstudy.documents.recommendation import (
    Alternative,
    BaselineGate,
    JudgedGate,
    MeanGain,
    MissingCell,
    PairedGain,
    Recommendation,
    SideEffect,
    WithoutDuplicates,
)
from sftstudy.pages.numbers import near, p_digits
from sftstudy.pages.text import in_words
from sftstudy.recommendation.phrases import limit_of, percent, strength


def to_markdown(document: Recommendation) -> str:
    """Return the page; every number in it is in the document."""
    chosen = f": `{document['chosen']}`" if document["chosen"] else ""
    parts = [
        f"# {document['student']}",
        f"**{document['verdict']}**{chosen}",
        "\n".join(f"- {reason}" for reason in document["reasons"]),
        "## What to do next\n" + "\n".join(f"- {step}" for step in document["next_steps"]),
        _values(document),
        _dropped(document.get("dropped", {})),
        _decoding(document.get("decoding", {})),
        "## Gain over the baseline on the test splits\n" + _gains(document),
        "## What training on one task does to the others\n" + _side_effects(document),
        "## Gates\n" + _gates(document),
        "## Configurations\n" + _configurations(document),
        "## Had the gates been drawn elsewhere\n" + _sensitivity(document["sensitivity"]),
        "## Left out one task at a time\n" + _left_out(document),
        "## Missing cells\n" + _missing(document["missing"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(document: Recommendation) -> str | None:
    """Return the chosen configuration, or the least violating one, or None."""
    least = document["least_violating"]
    return document["chosen"] or (least["configuration"] if least else None)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None, digits: int = 1, scale: float = 100, sign: bool = False) -> str:
    if value is None:
        return "not measured"
    return f"{scale * value:{'+' if sign else ''}.{digits}f}"


def _pflop(flops: float | None) -> str:
    return "not measured" if flops is None else f"{flops / 1e15:.3g}"


def _values(document: Recommendation) -> str:
    if not document["config"]:
        return ""
    rows = [[f"`{field}`", f"`{value}`"] for field, value in document["config"].items()]
    for task, fields in document["config_by_task"].items():
        rows += [[f"`{field}` on {task}", f"`{value}`"] for field, value in fields.items()]
    return "## Configuration\n" + _table(["field", "value"], rows)


def _dropped(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    told = ", ".join(f"{count} of {evalset}" for evalset, count in counts.items())
    return f"Too long for the student, so asked of no variant (not in n): {told}."


def _decoding(decodings: Mapping[str, Decoding]) -> str:
    """Say which scores are of users who sample."""
    return "\n".join(
        f"- {evalset}: {in_words(decoding)}. Scores say what users get who sample so, on average "
        "over replies."
        for evalset, decoding in decodings.items()
    )


def _gains(document: Recommendation) -> str:
    rows = []
    for task, gain in document["gains"]["confirm"].items():
        if gain is None:
            rows.append([task, *["not measured"] * 7])
            continue
        rows.append(
            [
                task,
                _number(gain["baseline"]),
                _number(gain["tuned"]),
                _change(gain),
                str(gain["n"]),
                f"{p_digits(gain['p_holm'])} ({gain['test']})",
                strength(gain),
                _without(gain["without_duplicates"]),
            ]
        )
    header = ["task", "baseline %", "tuned %", "gain (95% interval)", "n", "Holm p", "evidence",
              "without rows that are in train too"]  # fmt: skip
    return f"{_one_each(document)}\n\n" + _table(header, rows)


def _one_each(document: Recommendation) -> str:
    """Return the sentence that says how many checkpoints the gains are of."""
    mean, count = document["gains"]["mean"], len(document["tasks"])
    text = "There is one checkpoint per task, and each gain is that of the task's own checkpoint"
    if mean is None:
        return f"{text}."
    return f"{text}; their mean, over {count} checkpoints, is {_change(mean)} points."


def _change(change: PairedGain | MeanGain | SideEffect | WithoutDuplicates) -> str:
    interval = f"{_number(change['low'], sign=True)} to {_number(change['high'], sign=True)}"
    return f"{_number(change['value'], sign=True)} ({interval})"


def _without(without: WithoutDuplicates | None) -> str:
    if without is None:
        return "-"
    told = f"{'**weaker**: ' if without['weaker'] else ''}n = {without['n']}"
    return f"{told}, too few" if without["value"] is None else f"{told}, {_change(without)}"


def _side_effects(document: Recommendation) -> str:
    order = ("violated", "proven", "not proven", "missing")
    effects = sorted(document["side_effects"], key=lambda effect: order.index(effect["evidence"]))
    if not effects:
        return "Nothing else was asked."
    words = {"violated": "proven loss", "proven": "proven gain", "missing": "not measured"}
    rows = [
        [
            effect["trained_on"],
            effect["evalset"],
            effect["metric"] or "-",
            _number(effect["baseline"]),
            _number(effect["tuned"]),
            "not measured" if effect["value"] is None else _change(effect),
            str(effect["n"] or 0),
            "-" if effect["p_holm"] is None else f"{p_digits(effect['p_holm'])} ({effect['test']})",
            words.get(effect["evidence"], effect["evidence"])
            + (", only just" if effect["only_just"] else ""),
        ]
        for effect in effects
    ]
    header = ["trained on", "evaluated on", "metric", "baseline %", "tuned %",
              "change (95% interval)", "n", "Holm p", "evidence"]  # fmt: skip
    return (
        f"Of `{_shown(document)}`. Read after the choice: no verdict rests on it. "
        "p is adjusted over all of these, intervals are not.\n\n" + _table(header, rows)
    )


def _gates(document: Recommendation) -> str:
    rows = [
        ["baseline", gate["control"], gate["rule"], _beside(gate), str(gate["n"] or 0),
         _unsure(gate), _yes(gate["passes"]), strength(gate),
         _limits(gate, gate["threshold"], "value"), gate["note"]]
        for gate in document["baseline"]["gates"]
    ]  # fmt: skip
    shown = _shown(document)
    for entry in document["configurations"]:
        if entry["configuration"] == shown:
            rows += [
                [gate["task"], gate["control"], gate["rule"], _beside(gate), str(gate["n"]),
                 _unsure(gate), _yes(gate["passes"]), strength(gate),
                 _limits(gate, limit_of(gate), gate["statistic"]), gate["note"]]
                for gate in entry["gates"]
            ]  # fmt: skip
    header = [
        "checkpoint",
        "control",
        "asked",
        "value %",
        "n",
        "unsure",
        "passes",
        "evidence",
        "95% interval",
        "note",
    ]
    title = f"Of the baseline and of `{shown}`.\n\n" if shown else ""
    return title + _table(header, rows)


def _beside(gate: BaselineGate | JudgedGate) -> str:
    return percent(gate["value"], gate["threshold"]).rstrip("%")


def _limits(gate: BaselineGate | JudgedGate, limit: float | None, statistic: str) -> str:
    """Return the interval of a gate's value, or of its ratio to the baseline's."""
    low, high = gate["low"], gate["high"]
    if low is None or high is None:
        return "-"
    if statistic == "ratio":
        ends = [f"{end:.2f}" if limit is None else near(end, limit) for end in (low, high)]
        return f"{' to '.join(ends)} of the baseline's"
    return " to ".join(percent(end, limit) for end in (low, high))


def _unsure(gate: BaselineGate | JudgedGate) -> str:
    count = gate.get("unsure")
    return "-" if count is None else str(count)


def _yes(value: bool | None) -> str:
    return "not measured" if value is None else "yes" if value else "no"


def _value(estimate: Estimate | None) -> float | None:
    return estimate["value"] if estimate else None


def _configurations(document: Recommendation) -> str:
    tasks = document["tasks"]
    rows = [
        [
            f"`{entry['configuration']}`" + (" (Pareto)" if entry["pareto"] else ""),
            entry["status"],
            *[_number(_value(entry["select"][task])) for task in tasks],
            _number(entry["mean_gain"], sign=True),
            _number(entry["control_loss"]),
            "-" if entry["max_regret"] is None else _number(entry["max_regret"]),
            _number(entry["selection_probability"], digits=0),
            _pflop(entry["train_flops"]),
            entry["why_not"] or "chosen",
        ]
        for entry in document["configurations"]
    ]
    header = ["configuration", "status", *[f"{task} val %" for task in tasks], "mean gain",
              "control loss %", "max regret", "chosen in % of resamples", "PFLOP",
              "why not chosen"]  # fmt: skip
    return f"Rule: {document['selection']['rule']}.\n\n" + _table(header, rows)


def _sensitivity(lines: list[Alternative]) -> str:
    if not lines:
        return "Needs one fully measured configuration."
    rows = [
        [
            line["control"],
            f"{'at least' if line['statistic'] == 'ratio' else 'above'} {line['limit']:g}"
            + (" of the baseline's" if line["statistic"] == "ratio" else "")
            + (" (as in the study file)" if line["configured"] else ""),
            str(line["feasible"]),
            f"`{line['chosen']}`" if line["chosen"] else "none",
            _yes(line["proven"]),
        ]
        for line in lines
    ]
    return _table(["control", "asked", "feasible", "would be chosen", "all gates proven"], rows)


def _left_out(document: Recommendation) -> str:
    rows = [
        [row["left_out"], f"`{row['chosen']}`" if row["chosen"] else "none feasible",
         "-" if row["regret"] is None else _number(row["regret"])]
        for row in document["leave_one_task_out"]
    ]  # fmt: skip
    if not rows:
        return "Needs at least two tasks and one fully measured configuration."
    return _table(["task left out", "chosen without it", "regret on it, points"], rows)


def _missing(missing: list[MissingCell]) -> str:
    if not missing:
        return "None."
    rows = [[row["variant"], row["evalset"] or "all", row["reason"]] for row in missing]
    return _table(["variant", "eval set", "why"], rows)
