"""Killing a study with SIGKILL at random moments of all its stages: `make chaos`.

After each kill every file that the workflow declares is either absent or exactly what an
undisturbed study has there; the same command goes on; a training resumes from the newest state that
it had saved, and a prediction from every reply that was in its journal. In the end every file is
that of the undisturbed study.

The victim is a job, Snakemake itself (its jobs live on as orphans, and the next Snakemake starts
them again beside these), or the whole process group.
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from sftstudy.files.hashing import sha256_json
from sftstudy.files.reading import read_json
from workflow.running import MINI, SNAKEMAKE, Editor, copy_repository, snakemake

RESULTS = Path("results/mini")
VICTIMS = ("job", "snakemake", "group")
SNAKEMAKE_ALONE = "snakemake"  # in place of a program: at some moment, whatever runs
# In the order in which a study comes to them, each with the seconds within which it is killed.
STAGES = {
    SNAKEMAKE_ALONE: 4.0,
    "make_smoke_dataset": 0.5,
    "build_smoke_student": 3.0,
    "plan": 0.2,
    "prepare": 0.5,
    "recipe": 0.2,
    "lengths": 3.0,
    "fits": 3.0,
    "card": 1.0,
    "duplicates": 1.0,
    "train": 15.0,
    "predict": 8.0,
    "score": 1.0,
    "recommend": 2.0,
    "collate": 1.0,
    "draw": 3.0,
    "report": 2.0,
}
OFTEN = ("train", "predict", "score")  # twice a round: most of a study's time goes there
MOST_ROUNDS_MORE = 4  # for jobs that have ended before they could be killed
# Measured times differ from run to run: in provenance.json, and in the report made of it. So does
# the version of the code: that of the victim saves after every step.
DIFFERENT = {"train_seconds", "gpu_seconds", "code"}
TIMES = re.compile(rb'data-value="[0-9.]+"|\b[0-9][0-9.,]* (?:s|min|h)\b')


UNDECLARED = ("logs", "records", "scratch")  # folders of the results


@dataclass(frozen=True)
class Kill:
    """When and what: `victim` at `seconds` after the start of the `skip`-th job of a stage.

    With `at_work` the seconds count from when a training has saved a state, or a prediction has
    replies in its journal.
    """

    stage: str
    victim: str
    seconds: float
    skip: int
    at_work: bool

    def __str__(self) -> str:
        when = " at work" if self.at_work else ""
        return f"{self.victim} during {self.stage}{when}, {self.seconds:.2f} s"


def kills(seed: int) -> Iterator[list[Kill]]:
    """Yield the kills of one round after the other, without end: each stage in a round.

    In the first round it is the jobs themselves that are killed, so that no kind of job is spared.
    """
    draw = random.Random(seed)
    victims: tuple[str, ...] = ("job",)
    while True:
        stages = [stage for stage in STAGES for _ in range(2 if stage in OFTEN else 1)]
        yield [_random_kill(draw, stage, victims) for stage in stages]
        victims = VICTIMS


def _random_kill(draw: random.Random, stage: str, victims: tuple[str, ...]) -> Kill:
    victim = SNAKEMAKE_ALONE if stage == SNAKEMAKE_ALONE else draw.choice(victims)
    at_work = stage in ("train", "predict") and draw.random() < 0.6
    seconds = draw.random() * (1.0 if at_work else STAGES[stage])
    return Kill(stage, victim, seconds, draw.randrange(2 if stage in OFTEN else 1), at_work)


def prepared(folder: Path) -> Path:
    """Return a copy of the repository whose trainings save their state after every step."""
    checkout = copy_repository(folder)
    file = "scripts/sftstudy/training/resume.py"
    Editor(checkout).replace(file, "SAVE_SECONDS = 600.0", "SAVE_SECONDS = 0.0")
    return checkout


def contents(checkout: Path) -> dict[str, str]:
    """Return a hash of each file that the workflow declares, measured times left out."""
    found = {}
    for file in sorted((checkout / RESULTS).rglob("*")):
        name = file.relative_to(checkout / RESULTS)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or name.parts[0] in UNDECLARED or not file.is_file():
            continue
        try:
            found[str(name)] = _content(file)
        except FileNotFoundError:
            continue  # an orphan's Snakemake is gone, but a new one may be clearing up
    return found


def _content(file: Path) -> str:
    if file.name == "provenance.json":
        document = read_json(file)
        return sha256_json({key: document[key] for key in document if key not in DIFFERENT})
    found = file.read_bytes()
    return hashlib.sha256(TIMES.sub(b"", found) if file.name == "index.html" else found).hexdigest()


@dataclass(frozen=True)
class Work:
    """What a training or prediction has saved: the step of its newest state, or its replies."""

    log: Path
    output: Path
    saved: int


class Watch:
    """Waits, in one run of Snakemake, for the moment of a kill."""

    def __init__(self, kill: Kill, works: Callable[[psutil.Process], bool]) -> None:
        self.kill = kill
        self.job: psutil.Process | None = None
        self._works = works
        self._seen: set[int] = set()
        self._since = time.monotonic() if kill.stage == SNAKEMAKE_ALONE else None

    def due(self, jobs: dict[str, list[psutil.Process]]) -> bool:
        """Say whether the moment has come, given the jobs that run now."""
        running = jobs.get(self.kill.stage, [])
        if self.job not in running:
            self.job = None
        for job in running:
            self._seen.add(job.pid)
            if self.job is None and len(self._seen) > self.kill.skip:
                self.job = job
                self._since = None
        if self.job and self._since is None and (not self.kill.at_work or self._works(self.job)):
            self._since = time.monotonic()
        elapsed = time.monotonic() - self._since if self._since else -1.0
        return elapsed >= self.kill.seconds and (
            self.job is not None or self.kill.stage == SNAKEMAKE_ALONE
        )


class Chaos:
    """A study in `checkout` that is killed, and what the undisturbed one has."""

    def __init__(self, checkout: Path, undisturbed: dict[str, str]) -> None:
        self.checkout = checkout
        self.undisturbed = undisturbed
        self.done: Counter[tuple[str, str]] = Counter()
        self.continued = 0  # jobs that went on from what they had saved before they were killed
        self._saved: dict[Path, Work] = {}  # of jobs that were killed, by log
        self._locked = False

    def round(self, planned: list[Kill]) -> list[Kill]:
        """Run a study from nothing with these kills; return those whose moment never came."""
        open_kills = list(planned)
        while kill := self._attempt(open_kills):
            open_kills.remove(kill)
        assert not self._saved, f"saved before the kill, and not used after it: {self._saved}"
        assert not self._differences()
        assert contents(self.checkout).keys() == self.undisturbed.keys()
        hidden = self._results().rglob(".*")
        leftovers = [file for file in hidden if file.suffix in (".tmp", ".old")]
        assert not leftovers, leftovers
        shutil.rmtree(self._results())
        shutil.rmtree(self.checkout / ".snakemake")
        return [replace(kill, seconds=kill.seconds / 2, skip=0) for kill in open_kills]

    def spared(self) -> list[str]:
        """Return the stages of which no job has been killed itself."""
        return [s for s in STAGES if s != SNAKEMAKE_ALONE and not self.done[s, "job"]]

    def _attempt(self, planned: list[Kill]) -> Kill | None:
        """Run the study's command; return the kill that ended it, None if it came to its end."""
        if self._locked:
            snakemake(self.checkout, "--unlock", "--configfile", MINI)
        with (self.checkout / "snakemake.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [str(SNAKEMAKE), "--profile", "profiles/smoke", "--configfile", MINI],
                cwd=self.checkout,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"HF_HUB_OFFLINE": "1"},
                start_new_session=True,
            )
        killed = self._kill_one(planned, process)
        status = process.wait()
        self._locked = killed is not None and killed.victim != "job"
        if killed:
            wrong = self._differences()
            assert not wrong, f"half done or wrong after a kill: {wrong}"
            return killed
        assert status == 0, Path(log.name).read_text(encoding="utf-8")[-4000:]
        self._check_progress()
        self._await_orphans()
        return None

    def _kill_one(self, planned: list[Kill], process: subprocess.Popen[bytes]) -> Kill | None:
        """Wait for the first moment of the planned ones and kill; None if the study ends first."""
        watches = [Watch(kill, self._works) for kill in planned]
        while process.poll() is None:
            self._check_progress()  # what an orphan's log says is lost when its job starts again
            jobs = _jobs(process.pid)
            for watch in watches:
                if watch.due(jobs):
                    return self._do(watch.kill, process, watch.job)
            time.sleep(0.03)
        return None

    def _do(self, kill: Kill, process: subprocess.Popen[bytes], job: psutil.Process | None) -> Kill:
        self._check_progress()
        work = self._progress(job) if job and kill.victim != "snakemake" else None
        if kill.victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif kill.victim == "snakemake":
            process.kill()
        else:
            with suppress(psutil.NoSuchProcess):
                job.kill()
        process.wait()
        # A training that ended just now is not resumed: its checkpoint is there.
        if work and work.saved and not (work.output / "provenance.json").exists():
            self._saved[work.log] = work
            work.log.unlink()  # what stands there next is said by the next attempt
        self.done[kill.stage, kill.victim] += 1
        print(f"{self.done.total():3}: {kill}", flush=True)
        return kill

    def _works(self, job: psutil.Process) -> bool:
        work = self._progress(job)
        return work is not None and work.saved > 0

    def _progress(self, job: psutil.Process) -> Work | None:
        """Return what a training or prediction has saved so far, None for other jobs."""
        try:
            program, arguments = job.cmdline()[1], job.cmdline()
            log = Path(f"/proc/{job.pid}/fd/1").readlink()
        except (psutil.Error, FileNotFoundError, IndexError):
            return None  # it has ended
        if program not in ("scripts/train.py", "scripts/predict.py"):
            return None
        output = self.checkout / arguments[arguments.index("--output") + 1]
        if program == "scripts/train.py":
            return Work(log, output, self._newest_state(job.pid))
        journal = output.parent / ".journal" / output.name
        return Work(log, output, journal.read_bytes().count(b"\n") if journal.exists() else 0)

    def _check_progress(self) -> None:
        """Compare what was saved with where the job went on, once its log says so."""
        for work in list(self._saved.values()):
            if not work.log.exists():
                continue
            text = work.log.read_text(encoding="utf-8", errors="replace")
            resumed = re.findall(r"resuming from checkpoint-(\d+)|replies, (\d+) known", text)
            found = sum(int(step or known) for step, known in resumed)
            if found >= work.saved:
                self.continued += 1
                del self._saved[work.log]

    def _differences(self) -> list[str]:
        """Return the files that are there and not what the undisturbed study has."""
        found = contents(self.checkout)
        return [name for name in found if found[name] != self.undisturbed.get(name)]

    def _newest_state(self, process: int) -> int:
        """Return the step of the newest complete state of a training, 0 if there is none."""
        for file in self._results().glob("scratch/*.owner"):
            if f'"process": {process},' in file.read_text(encoding="utf-8"):  # or half written
                states = file.with_suffix("").glob("checkpoint-*/complete.json")
                return max((int(s.parent.name.rpartition("-")[2]) for s in states), default=0)
        return 0

    def _await_orphans(self) -> None:
        """Wait until no process of this checkout is left."""
        for process in psutil.process_iter(["cwd"]):
            if process.info["cwd"] == str(self.checkout) and process.pid != os.getpid():
                process.wait(timeout=120)

    def _results(self) -> Path:
        return self.checkout / RESULTS


def _jobs(snakemake: int) -> dict[str, list[psutil.Process]]:
    """Return the running programs of a Snakemake, by stage."""
    found = defaultdict(list)
    try:
        for child in psutil.Process(snakemake).children(recursive=True):
            words = child.cmdline()
            if len(words) > 1 and words[1].startswith("scripts/"):
                found[Path(words[1]).stem].append(child)
    except psutil.Error:
        pass  # one has ended while we looked: look again
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="at least so many (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"Working in {folder}, seed {arguments.seed}", flush=True)
    undisturbed = copy_repository(folder / "undisturbed")
    snakemake(undisturbed, "--configfile", MINI)
    chaos = Chaos(prepared(folder / "killed"), contents(undisturbed))
    rounds, late, more = kills(arguments.seed), [], MOST_ROUNDS_MORE
    while chaos.done.total() < arguments.kills:
        late = chaos.round(late + next(rounds))
    while chaos.spared() and more:  # moments that never came, earlier now
        late, more = chaos.round(late), more - 1
    for stage in STAGES:
        counts = ", ".join(f"{victim} {chaos.done[stage, victim]}" for victim in VICTIMS)
        print(f"{stage:20} {counts}")
    if chaos.spared():
        raise SystemExit(f"never killed themselves: {', '.join(chaos.spared())}")
    print(
        f"{chaos.done.total()} kills; {chaos.continued} killed trainings and predictions went on "
        "from what they had saved; every file is that of the undisturbed study"
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
