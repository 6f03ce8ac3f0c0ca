"""Which replies a person is asked about: those that decide, each once, in an order by the seed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.recommendation import Recommendation
from sftstudy.documents.replies import DROPPED, read_replies
from sftstudy.documents.reviews import FIRST, Line
from sftstudy.documents.rows import Message, read_scored
from sftstudy.errors import StudyError
from sftstudy.scoring.review import part_of, place_in_order, review_key
from sftstudy.statistics.metric import Item, Metric
from sftstudy.study.layout import Layout
from sftstudy.study.variants import BASE
from sftstudy.tables.results import shown_configuration
from sftstudy.tasks.registry import score_module
from sftstudy.tasks.replies import strip_think


class Asked(NamedTuple):
    """One reply to judge. Nothing here may tell which variant gave it."""

    key: str
    part: str
    control: str
    prompt: str
    reply: str  # what was said: without a think block
    note: str  # of a reply that was cut, or that is empty
    verdict: str  # of an earlier review; empty where there is none


def asked(
    layout: Layout,
    document: Recommendation,
    controls: Sequence[str],
    lines: Mapping[str, Line],
    seed: int,
) -> list[Asked]:
    """Return the replies of the baseline and of the configuration shown, of all its runs, in the
    order to ask.

    `lines` are an earlier review: what it says of a reply is known, and the part in which it asked
    about one stays. A reply that several gave to one prompt is asked about once; it is of the first
    part if it is for one of them.
    """
    shown = shown_configuration(document)
    if shown is None:
        raise StudyError(
            f"{document['student']}: no configuration could be judged, so no replies decide; run "
            "the missing cells first"
        )
    found: dict[str, Asked] = {}
    trials = [run["trial"] for run in document.get("runs", [])] or [shown]
    tuned = [f"{task}/{trial}" for task in document["tasks"] for trial in trials]
    for variant in (BASE, *tuned):
        for control in controls:
            for one in _replies(layout, document["student"], variant, control):
                known = lines.get(one.key)
                if known:
                    one = one._replace(part=known.part, verdict=known.verdict)
                if one.key not in found or one.part == FIRST:
                    found[one.key] = one
    return sorted(
        found.values(), key=lambda one: (one.part != FIRST, place_in_order(seed, one.key))
    )


def _replies(layout: Layout, student: str, variant: str, control: str) -> Iterator[Asked]:
    """Yield a cell's replies that were scored."""
    document = read_metrics(layout.metrics(student, variant, control))
    scored = document.get("samples", document["items"])
    items = {(item["id"], item.get("sample", 0)): item for item in scored}
    rows = {row["id"]: row for row in read_scored(layout.rows(control, "test"))}
    primary = _primary(document, control)
    for reply in read_replies(layout.predictions(student, variant, control)):
        if reply["finish_reason"] == DROPPED:
            continue
        row, (said, _) = rows[reply["id"]], strip_think(reply["text"])
        cut = "cut off at the token limit" if reply["finish_reason"] == "length" else ""
        yield Asked(
            review_key(control, row, reply["text"]),
            part_of(primary, items[reply["id"], reply.get("sample", 0)]),
            control,
            _conversation(row["prompt"]),
            said,
            cut if said.strip() else "an empty reply",
            "",
        )


def _primary(document: Metrics, control: str) -> Metric:
    items: list[Item] = document["items"]
    module = score_module(control)
    return module.metrics(items)[module.PRIMARY]


def _conversation(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
