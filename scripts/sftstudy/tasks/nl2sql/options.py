"""What a study file may say about nl2sql beyond what it says about every task."""

from sftstudy.tasks.task import Option

OPTIONS = (
    Option(
        "databases",
        schema={"type": ["string", "null"], "default": None},
        meaning="Folder of SQLite files `{db_id}/{db_id}.sqlite`. With it queries are scored by "
        "what they return; see docs/statistics.md.",
        is_path=True,
    ),
)
