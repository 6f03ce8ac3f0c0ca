"""What is used of Snakemake without being documented is there, in the version that is installed."""

import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from snakemake.api import DAGApi, WorkflowApi
from snakemake.dag import DAG
from snakemake.jobs import Job, Reason
from snakemake.persistence import MetadataRecord, ParamsChange, PersistenceBase
from snakemake.persistence.file import FilePersistence
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, DAGSettings
from snakemake.workflow import Workflow

from repository import ROOT
from sftstudy.run import snakemake_internals

USED = {
    Workflow: "persistence dag checkpoints is_main_process dryrun resource_settings "
    "output_settings _localrules _prepare_dag _build_dag async_run overwrite_configfiles "
    "config_settings touch",
    DAG: "needrun_jobs needrun reason jobs stats update_needrun dependencies depending ready_jobs "
    "_n_until_ready forcerules in_until update_checkpoint_dependencies",
    Job: "rule is_checkpoint input output wildcards threads resources non_derived_params",
    Rule: "wildcard_names expand_output",
    Reason: "clear get_names forced",
    PersistenceBase: "path locked lock metadata has_metadata has_outdated_metadata params_changed "
    "input_changed code_changed _code _params _get_key _read_record",
    FilePersistence: "_lockfile _clear_cache _filter_incomplete_keys _record_path _metadata_path "
    "_incomplete_path",
    ParamsChange: "only_old only_new",
    MetadataRecord: "params code items",
    WorkflowApi: "_workflow dag",
    DAGApi: "dag_settings",
    ConfigSettings: "config_args",
    DAGSettings: "force_incomplete rerun_triggers max_checksum_file_size",
}


def test_it_was_checked_on_the_version_that_is_installed() -> None:
    assert version("snakemake") == snakemake_internals.CHECKED_ON, (
        "read what scripts/sftstudy/run/snakemake_internals/ uses in the new version, run "
        "tests/workflow, and name the version there"
    )


@pytest.mark.parametrize("owner", USED, ids=lambda owner: owner.__name__)
def test_every_name_that_is_used_is_there(owner: type) -> None:
    source = inspect.getsource(owner)
    for name in USED[owner].split():
        assert re.search(rf"(def |self\.|^    ){name}\b", source, re.MULTILINE), name


def test_no_other_module_uses_private_names_of_snakemake() -> None:
    private = [name for names in USED.values() for name in names.split() if name[0] == "_"]
    found = re.compile(rf"(workflow|persistence|dag)\.({'|'.join(private)})\b|import snakemake")
    inside = ROOT / "scripts/sftstudy/run/snakemake_internals"
    files = [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("tools/*.py"), *ROOT.glob("rules/*.smk")]
    for file in files:
        if not file.is_relative_to(inside):
            assert not found.search(file.read_text(encoding="utf-8")), file


def test_all_profiles_say_the_same_of_what_reruns_a_job() -> None:
    """Results are kept by what one of them says."""
    said = {}
    for file in sorted(ROOT.glob("profiles/*/config.yaml")):
        profile = yaml.safe_load(file.read_text(encoding="utf-8"))
        said[file] = profile["rerun-triggers"], profile["max-checksum-file-size"]
    assert len(said) == 3 and len(set(map(str, said.values()))) == 1


RAISING = """
import sys
sys.path.insert(0, {scripts!r})
from sftstudy.errors import StudyError
from sftstudy.run.snakemake_internals.errors import tell_plainly

tell_plainly()

def fail(*_):
    raise {error}("mend this")

{part}
"""
PARTS = {
    "the Snakefile": "fail()",
    "a hook": "onstart:\n    fail()\n\nrule:\n    output: 'x'\n    shell: 'touch {output}'",
    "a function of a rule": "rule:\n    input: fail\n    output: 'x'\n    shell: 'touch {output}'",
}


def last_words(folder: Path, error: str, part: str) -> tuple[int, str]:
    (folder / "Snakefile").write_text(
        RAISING.format(scripts=str(ROOT / "scripts"), error=error, part=part)
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("snakemake"), "--cores", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("where", PARTS)
def test_an_error_for_users_is_told_without_frames(tmp_path: Path, where: str) -> None:
    status, said = last_words(tmp_path, "StudyError", PARTS[where])
    assert status == 1 and said.splitlines()[-1] == "error: mend this"
    assert "line" not in said and "Traceback" not in said
    assert not list(tmp_path.glob(".snakemake/locks/*"))


def test_other_errors_keep_their_frames(tmp_path: Path) -> None:
    status, said = last_words(tmp_path, "KeyError", PARTS["the Snakefile"])
    assert status == 1 and "KeyError in file" in said and "in fail" in said


HOLDING = """
import sys
sys.path.insert(0, {scripts!r})
from sftstudy.run.snakemake_internals.run import Run

onstart:
    Run(workflow).hold_back("train", until=["fits"])

rule all:
    input: "a.verdict", "b.verdict"

rule fits:
    output: "{{student}}.fits"
    params: seconds=lambda w: {{"a": 0, "b": 5}}[w.student]
    shell: "sleep {{params.seconds}}; touch {{output}}"

rule train:
    output: "{{student}}.train"
    shell: "test -e {{wildcards.student}}.fits && touch {{output}}"

checkpoint choose:
    input: "{{student}}.train"
    output: "{{student}}.choice"
    shell: "touch {{output}}"

rule again:
    input: "{{student}}.choice"
    output: "{{student}}.again"
    shell: "touch {{output}}"

def replicates(wildcards):
    checkpoints.choose.get(student=wildcards.student)
    return f"{{wildcards.student}}.again"

rule verdict:
    input: "{{student}}.fits", replicates
    output: "{{student}}.verdict"
    shell: "touch {{output}}"
"""


@pytest.mark.slow
def test_what_is_held_back_stays_so_when_a_checkpoint_ends(tmp_path: Path) -> None:
    """Snakemake then counts anew what each job waits for, and once more what has finished."""
    (tmp_path / "Snakefile").write_text(HOLDING.format(scripts=str(ROOT / "scripts")))
    done = subprocess.run(
        [Path(sys.executable).with_name("snakemake"), "--cores", "3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.returncode, done.stderr[-2000:]
    assert (tmp_path / "b.verdict").exists()


FORCING = """
import sys
sys.path.insert(0, {scripts!r})
from sftstudy.run.snakemake_internals.run import Run

onstart:
    jobs = [{{"who": "a_rep1"}}, {{"who": "a_rep1", "what": "x"}}]
    print("found:", *sorted(map(str, Run(workflow).forced_by_rule(jobs))))

rule all:
    input: "a.said"

rule say:
    output: "{{who}}.said", "{{who}}.also"
    shell: "touch {{output}}"

rule judge:
    output: "{{who}}.{{what}}.judged"
    shell: "touch {{output}}"

rule other:
    output: "{{who}}.other"
    shell: "touch {{output}}"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--forcerun", "say", "judge"], "a_rep1.said a_rep1.x.judged"),
        (["--forceall"], "a_rep1.other a_rep1.said a_rep1.x.judged"),
        (["--force"], ""),
    ],
)
def test_forced_rules_name_the_outputs_of_jobs_to_come(
    tmp_path: Path, options: list[str], found: str
) -> None:
    (tmp_path / "Snakefile").write_text(FORCING.format(scripts=str(ROOT / "scripts")))
    done = subprocess.run(
        [Path(sys.executable).with_name("snakemake"), "--cores", "1", *options, "--", "a.said"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr[-2000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("found:")]
    assert line.split()[1:] == found.split()
