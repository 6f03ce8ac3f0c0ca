"""What a run prints, made short: a line per job as it starts, now and then how far each stage is.

Snakemake's own log takes seven lines for a job, of which the reason alone may be 12,000 characters
long, and tells no stages apart. The records that are read here are those that Snakemake describes
for logger plugins. A plugin would have to print everything else, errors above all, by itself; so
the formatters of Snakemake's own handlers are replaced, and print what is not named here as before.
"""

import logging
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sftstudy.pages.numbers import lasting
from sftstudy.run.snakemake_internals.run import Kind, Run
from sftstudy.run.stages import CHECKPOINTS, STAGE_OF, STAGES

EVERY_SECONDS = 30  # at most as often is told how far a run is, and no oftener than each percent
LONG_SECONDS = 60  # the end of a job is told as well if it took as long
LONGEST_REASON, SHORT_REASON = 400, 100  # characters in a dry run, and behind a job that starts
EXPECTED = ("Missing output files", "Input files updated by another job")
FILES_SHOWN = 2  # of a reason, or of a failed job
_FILES = re.compile(
    "((?:Missing|Incomplete) output files|Updated input files|Input files updated by another job)"
    ": ([^;]*)"
)


def shorten(workflow: Any) -> None:
    """Have a run print this short log, unless its user asks for another by ``--quiet``.

    The profiles say ``quiet: [host, reason]``; without a profile, or with ``--quiet host``, the log
    is Snakemake's own, with the reasons in full.
    """
    from snakemake.logging import logger
    from snakemake.settings.enums import Quietness

    settings = workflow.output_settings
    if not workflow.is_main_process or Quietness.REASON not in (settings.quiet or ()):
        return
    for handler in logger.handlers:
        if handler.name in ("DefaultStreamHandler", "DefaultLogFileHandler"):
            log = _short_log(settings, Run(workflow).kinds)
            handler.setFormatter(log)
            handler.addFilter(log)


@dataclass(frozen=True)
class _Started:
    kind: Kind
    text: str
    at: float  # seconds since the epoch


class Progress:
    """How far the jobs of a run are, by stage, and how long those that are left will take."""

    def __init__(self, planned: Counter[Kind]) -> None:
        self.planned = Counter({kind: n for kind, n in planned.items() if kind[1] in STAGE_OF})
        self.done = Counter[Kind]()
        self.running: dict[int, _Started] = {}  # by job
        self.began: float | None = None
        self._took: dict[Kind, list[float]] = defaultdict(list)
        self._told = (0.0, 0)  # when, and how many jobs were done
        self._complete: set[str] = set()  # stages

    def start(self, job: int, kind: Kind, text: str, now: float) -> None:
        """Note that a job has started."""
        if self.began is None:
            self.began, self._told = now, (now, 0)
        self.running[job] = _Started(kind, text, now)

    def is_checkpoint(self, job: int) -> bool:
        """Whether a job that runs is one behind which others are planned once it has ended."""
        return job in self.running and self.running[job].kind[1] in CHECKPOINTS

    def end(self, job: int, now: float) -> tuple[str, float] | None:
        """Note that a job has ended; return its text and how long it took, None if not known."""
        started = self.running.pop(job, None)
        if started is None:
            return None
        if started.kind in self.planned:
            self.done[started.kind] += 1
        self._took[started.kind].append(now - started.at)
        return started.text, now - started.at

    def plan_anew(self, left: Counter[Kind]) -> None:
        """Count the jobs that are left again: a checkpoint has brought some that none knew of."""
        self.planned = self.done + Counter(
            {kind: n for kind, n in left.items() if kind[1] in STAGE_OF}
        )

    def is_due(self, now: float) -> bool:
        """Say whether there is enough to tell; a stage that is complete always is."""
        total, done = self.planned.total(), self.done.total()
        at, before = self._told
        complete = {stage for stage in STAGES if self.of(stage)[0] == self.of(stage)[1] > 0}
        due = now - at >= EVERY_SECONDS and 100 * (done - before) >= total
        if not due and complete <= self._complete:
            return False
        self._told, self._complete = (now, done), complete
        return True

    def of(self, stage: str) -> tuple[int, int]:
        """Return how many jobs of a stage are done, and how many there are."""
        done, planned = (
            sum(count for (_, rule), count in counts.items() if STAGE_OF.get(rule) == stage)
            for counts in (self.done, self.planned)
        )
        return done, planned

    def text(self, now: float) -> str:
        """Return one line."""
        counts = {stage: self.of(stage) for stage in STAGES}
        told = ", ".join(f"{s} {done:,} of {all_:,}" for s, (done, all_) in counts.items() if all_)
        left = self.seconds_left(now)
        return told + (f"; roughly {lasting(left)} left" if left else "")

    def seconds_left(self, now: float) -> float | None:
        """Return how long the run still takes, if the jobs that are left take as long as those of
        their rule and student have, as many at a time as on average so far.

        None until a job of each kind has ended; those of the report are few, and not waited for.
        """
        left = {
            kind: n - self.done[kind] for kind, n in self.planned.items() if n > self.done[kind]
        }
        known = {kind: n for kind, n in left.items() if kind in self._took}
        if any(STAGE_OF.get(rule) != STAGES[-1] for _, rule in left.keys() - known.keys()):
            return None
        spent = dict.fromkeys(left, 0.0)
        for started in self.running.values():
            spent[started.kind] = spent.get(started.kind, 0.0) + now - started.at
        busy = sum(map(sum, self._took.values())) + sum(spent.values())
        if self.began is None or now <= self.began or not busy:
            return None
        at_a_time = busy / (now - self.began)
        work = (n * fmean(self._took[kind]) - spent[kind] for kind, n in known.items())
        return sum(max(0.0, seconds) for seconds in work) / at_a_time


def _short_log(settings: Any, planned: Callable[[], Counter[Kind]]) -> logging.Formatter:
    """Return a formatter of Snakemake's that is a filter as well."""
    from snakemake.logging import DefaultFormatter
    from snakemake_interface_logger_plugins.common import LogEvent

    class ShortLog(DefaultFormatter):
        progress: Progress | None = None
        is_outdated = False  # since a checkpoint has ended
        ended: tuple[str, float] | None = None

        def filter(self, record: Any) -> bool:
            """Take note of what happens, and say whether it is told."""
            event = getattr(record, "event", None)
            if event == LogEvent.RUN_INFO and not settings.dryrun:
                self.progress = Progress(planned())
            if event == LogEvent.JOB_INFO:
                return self._starts(record)
            if event == LogEvent.JOB_FINISHED:
                progress = self.progress
                self.is_outdated |= bool(progress and progress.is_checkpoint(record.job_id))
                self.ended = progress.end(record.job_id, record.created) if progress else None
                return bool(self.ended and self.ended[1] >= LONG_SECONDS)
            if event == LogEvent.PROGRESS:
                return bool(self.progress and self.progress.is_due(record.created))
            return event != LogEvent.JOB_STARTED and record.msg != "Select jobs to execute..."

        def _starts(self, record: Any) -> bool:
            kind = (record.wildcards.get("student", ""), record.rule_name)
            if self.progress:
                if self.is_outdated:
                    self.progress.plan_anew(planned())
                    self.is_outdated = False
                text = record.rule_msg or record.rule_name
                self.progress.start(record.jobid, kind, text, record.created)
            return record.rule_name in STAGE_OF  # not of `all`, which does nothing

        def format_job_info(self, msg: dict[str, Any]) -> str:
            what = msg["rule_msg"] or msg["rule_name"]
            reason = _FILES.sub(_fewer, msg["reason"])
            if not settings.dryrun:
                return f"{_clock(msg)} {what}{_why(reason)}"
            return f"{what}\n    {_cut(reason, LONGEST_REASON)}"

        def format_job_finished(self, msg: dict[str, Any]) -> str:
            what, seconds = self.ended or ("", 0.0)
            return f"{_clock(msg)} done in {lasting(seconds)}: {what}"

        def format_progress(self, msg: dict[str, Any]) -> str:
            return f"{_clock(msg)} {self.progress.text(msg['created']) if self.progress else ''}"

        def format_job_error(self, msg: dict[str, Any]) -> str:
            few = {key: _few(list(map(str, msg[key]))) for key in ("input", "output") if msg[key]}
            return super().format_job_error(msg | few)

    return ShortLog(settings.quiet, settings.show_failed_logs)


def _clock(msg: dict[str, Any]) -> str:
    return time.strftime("[%a %H:%M:%S]", time.localtime(msg["created"]))


def _why(reason: str) -> str:
    """Return in brackets why a job runs again; nothing for one whose files are simply not there."""
    if not reason or reason.startswith(EXPECTED):
        return ""
    return f" ({_cut(reason, SHORT_REASON)})"


def _cut(text: str, limit: int) -> str:
    """Return a text in one line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 2]} …"


def _few(files: list[str]) -> list[str]:
    more = len(files) - FILES_SHOWN
    return [*files[:FILES_SHOWN], f"and {more:,} more"] if more > 1 else files


def _fewer(match: re.Match[str]) -> str:
    return f"{match[1]}: {', '.join(_few(match[2].split(', ')))}"
