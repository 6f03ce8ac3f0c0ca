"""Few real rows that share prefixes at two depths: questions on documents of TAT-QA."""

from collections.abc import Sequence

from sftstudy.documents.rows import Row


def shortest_documents(rows: Sequence[Row], documents: int, questions: int) -> list[Row]:
    """Return some questions on each of the shortest documents that have as many."""
    asked: dict[str, list[Row]] = {}
    for row in rows:
        asked.setdefault(row["group"], []).append(row)
    shortest = sorted(
        (found for found in asked.values() if len(found) >= questions),
        key=lambda found: len(found[0]["prompt"][0]["content"]),
    )
    return [row for found in shortest[:documents] for row in found[:questions]]
