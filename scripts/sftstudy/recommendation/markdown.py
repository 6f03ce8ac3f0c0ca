"""The recommendation document for people: one Markdown page."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.metrics import Estimate
from sftstudy.documents.recommendation import (
    Alternative,
    BaselineGate,
    JudgedGate,
    MissingCell,
    Recommendation,
    TaskGain,
)


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
        "## Gain over the baseline on the test splits\n" + _gains(document["gains"]["confirm"]),
        "## Gates\n" + _gates(document),
        "## Configurations\n" + _configurations(document),
        "## Had the gates been drawn elsewhere\n" + _sensitivity(document["sensitivity"]),
        "## Left out one task at a time\n" + _left_out(document),
        "## Missing cells\n" + _missing(document["missing"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


def _gains(gains: Mapping[str, TaskGain | None]) -> str:
    rows = []
    for task, gain in gains.items():
        if gain is None:
            rows.append([task, *["not measured"] * 6])
            continue
        interval = f"{_number(gain['low'], sign=True)} to {_number(gain['high'], sign=True)}"
        rows.append(
            [
                task,
                _number(gain["baseline"]),
                _number(gain["tuned"]),
                f"{_number(gain['value'], sign=True)} ({interval})",
                str(gain["n"]),
                f"{gain['p_holm']:.2g} ({gain['test']})",
                gain["evidence"],
            ]
        )
    header = ["task", "baseline %", "tuned %", "gain (95% interval)", "n", "Holm p", "evidence"]
    return _table(header, rows)


def _gates(document: Recommendation) -> str:
    rows = [
        ["baseline", gate["control"], gate["rule"], _number(gate["value"]), str(gate["n"] or 0),
         _unsure(gate), _yes(gate["passes"]), gate["evidence"], gate["note"]]
        for gate in document["baseline"]["gates"]
    ]  # fmt: skip
    least = document["least_violating"]
    shown = document["chosen"] or (least["configuration"] if least else None)
    for entry in document["configurations"]:
        if entry["configuration"] == shown:
            rows += [
                [gate["task"], gate["control"], gate["rule"], _number(gate["value"]),
                 str(gate["n"]), _unsure(gate), _yes(gate["passes"]), gate["evidence"],
                 gate["note"]]
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
        "note",
    ]
    title = f"Of the baseline and of `{shown}`.\n\n" if shown else ""
    return title + _table(header, rows)


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
