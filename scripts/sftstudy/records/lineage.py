"""What the records of a study's jobs say together: where a file comes from, and whether it still
is what its job made, of what its job was given.

Files are linked by the paths and hashes in the records; no name of a file is taken apart. A
file is

- *unchanged* when it and all that it rests on are what their jobs read and made;
- *edited* when its content is not what its job wrote;
- *stale* when something that its job read has changed since, or rests on something that has;
- *missing*, or *unrecorded* when no job has said that it made it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sftstudy.documents.record import Record, read_record
from sftstudy.errors import StudyError
from sftstudy.records import kept
from sftstudy.records.content import content_sha256

State = Literal["unchanged", "edited", "stale", "missing", "unrecorded"]
FOLDER = "records"


@dataclass(frozen=True)
class Problem:
    """A file that is edited or stale, and why. A `cause` is no mere consequence of another's."""

    file: str
    state: State
    cause: bool
    reason: str


class Lineage:
    """The records of one results folder; names in them are relative to the folder `base`."""

    def __init__(self, results: Path, base: Path = Path()) -> None:
        self.base = base
        self.records: dict[str, Record] = {}
        for file in sorted((results / FOLDER).rglob("*.json")):
            if file.stat().st_size:  # Snakemake puts an empty file in a failed job's place
                record = read_record(file)
                self.records |= dict.fromkeys(record["outputs"], record)
        self.kept = kept.holding(results, self.records)
        self._hashes: dict[str, str | None] = {}
        self._states: dict[str, State] = {}

    def made(self, name: str) -> tuple[str, Record] | None:
        """Return the output that a file is (or lies in), and the record of the job that made it."""
        for output in (name, *(parent.as_posix() for parent in Path(name).parents)):
            if output in self.records:
                return output, self.records[output]
        return None

    def sha256(self, name: str) -> str | None:
        """Return the present hash of a file or folder; None where there is none."""
        if name not in self._hashes:
            path = self.base / name
            self._hashes[name] = content_sha256(path) if path.exists() else None
        return self._hashes[name]

    def state(self, name: str) -> State:
        """Return the state of a file; see the head of this module."""
        if name not in self._states:
            self._states[name] = self._find_state(name)
        return self._states[name]

    def _find_state(self, name: str) -> State:
        if self.sha256(name) is None:
            return "missing"
        found = self.made(name)
        if found is None:
            return "unrecorded"
        output, record = found
        if self.sha256(output) != record["outputs"][output]:
            return "edited"
        rests_on = (self.state(each) for each in record["inputs"])
        if self.changed(record) or any(state in ("edited", "stale") for state in rests_on):
            return "stale"
        return "unchanged"

    def changed(self, record: Record) -> list[str]:
        """Return the inputs of a job that are there, but not as the job has read them."""
        return [
            name
            for name, sha256 in record["inputs"].items()
            if sha256 is not None and self.sha256(name) not in (None, sha256)
        ]

    def problems(self, names: Iterable[str]) -> list[Problem]:
        """Return what is edited or stale among files and all that they rest on, causes first."""
        found: dict[str, Problem] = {}
        for name in self._upstream(names):
            made = self.made(name)
            state = self.state(name)
            if made and state in ("edited", "stale"):
                output, record = made
                found.setdefault(output, self._problem(output, state, record))
        return sorted(found.values(), key=lambda problem: not problem.cause)

    def _problem(self, output: str, state: State, record: Record) -> Problem:
        if state == "edited":
            reason = "edited by hand: its SHA-256 is not what its job wrote"
            return Problem(output, state, True, reason)
        if changed := self.changed(record):
            return Problem(output, state, True, f"{_listing(changed)} changed since it was made")
        rests_on = [name for name in record["inputs"] if self.state(name) in ("edited", "stale")]
        return Problem(output, state, False, f"rests on {_listing(rests_on)}")

    def _upstream(self, names: Iterable[str]) -> Iterator[str]:
        """Yield files and everything behind them once, what is behind before what is before."""
        seen: set[str] = set()

        def walk(name: str) -> Iterator[str]:
            if name not in seen:
                seen.add(name)
                made = self.made(name)
                for each in made[1]["inputs"] if made else ():
                    yield from walk(each)
                yield name

        for name in names:
            yield from walk(name)


def _listing(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def results_of(file: Path) -> Path:
    """Return the results folder that a file belongs to: the nearest one above with records."""
    for folder in (file, *file.parents):
        if (folder / FOLDER).is_dir():
            return folder
    raise StudyError(
        f"{file}: no folder above it holds records ({FOLDER}/); name a file below a study's "
        "results, as Snakemake names it"
    )


def edited(inputs: Mapping[str, str | None]) -> list[str]:
    """Return which files that a job has read (name -> hash) are not as their jobs wrote them."""
    lineages: dict[Path, Lineage] = {}
    found = []
    for name, sha256 in inputs.items():
        with suppress(StudyError):  # no file of a study
            results = results_of(Path(name))
            lineage = lineages.setdefault(results, Lineage(results))
            if name in lineage.records and lineage.records[name]["outputs"][name] != sha256:
                found.append(name)
    return found
