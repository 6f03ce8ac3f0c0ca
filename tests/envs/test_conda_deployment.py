"""The unedited environment files, deployed by `snakemake --sdm conda`, run the rules.

Where a real conda is on the PATH it is used. Otherwise a stand-in makes the environments from a
channel on this disk, which holds python and pip; what pip installs comes from the package index.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lock_envs import PIP, PYTHON, pins, pip_section

from envs import conda_standin, local_channel
from envs.rule_programs import rules
from repository import ROOT
from workflow.running import copy_repository, plan, snakemake

STUDY = ["--configfile", "tests/envs/deployed.yaml"]
RESULTS = "results/deployed"
TRIAL = f"{RESULTS}/predictions/smoke/nl2sql/lr0.001"
CPU_RULES = {"recipe", "plan", "score", "score_control", "recommend", "collate", "draw", "report"}

needs_python = pytest.mark.skipif(
    shutil.which("conda") is None and sys.version_info[:2] != tuple(map(int, PYTHON.split("."))),
    reason=f"without conda the environments are made of this interpreter, and they name {PYTHON}",
)
pytestmark = [pytest.mark.slow, pytest.mark.deploy, needs_python]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository, with a conda on the PATH; its environments are removed."""
    folder = tmp_path_factory.mktemp("deployed")
    with pytest.MonkeyPatch.context() as patch:
        # Modules are compiled on their first import: that is quicker here, and leaves a trace of
        # which environment a program imported from.
        patch.setenv("PIP_NO_COMPILE", "1")
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        if shutil.which("conda") is None:
            conda = conda_standin.install(folder / "conda")
            (folder / "channel").mkdir()
            patch.setenv("PATH", f"{conda}{os.pathsep}{os.environ['PATH']}")
            patch.setenv("CONDA_CHANNEL_ALIAS", local_channel.build(folder / "channel", PIP))
            patch.setenv("RATTLER_CACHE_DIR", str(folder / "cache"))
        yield copy_repository(folder / "checkout")
    shutil.rmtree(folder)


def run(checkout: Path, *arguments: str) -> str:
    """Run Snakemake on the study; return what it printed."""
    done = snakemake(checkout, *STUDY, *arguments)
    return done.stdout + done.stderr


def prefixes(checkout: Path, *settings: str) -> dict[str, Path]:
    """Return name -> folder of every environment, as `--list-conda-envs` says."""
    command = (*STUDY, "--config", "seed=42", *settings, "--sdm", "conda", "--list-conda-envs")
    table = snakemake(checkout, *command).stdout
    return {
        name: checkout / folder
        for name, folder in re.findall(r"^envs/([\w-]+)\.yaml\s+(\S+)$", table, re.MULTILINE)
    }


def imported(prefix: Path, package: str) -> bool:
    """Say whether a program has imported `package` from this environment."""
    return (prefix / f"lib/python{PYTHON}/site-packages/{package}/__pycache__").is_dir()


def surplus_and_missing(environment: str, prefix: Path) -> set[tuple[str, str]]:
    """Return the (name, version) pairs by which an environment differs from its file.

    Build tags such as +cpu do not count, nor do the tools that conda's own pip brings.
    """
    command = [prefix / "bin/python", "-m", "pip", "list", "--format", "freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    here = pins(line.split("+")[0] for line in listed.stdout.splitlines())
    wanted = pins(pip_section(ROOT / f"envs/{environment}.yaml"))
    differing = here.items() ^ wanted.items()
    return {pair for pair in differing if pair[0] not in ("pip", "setuptools", "wheel")}


def offers_cpu_torch() -> bool:
    """Say whether pip, as configured on this machine, takes a CPU build of the locked torch."""
    version = pins((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())["torch"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"]
    command += ["--ignore-installed", "--report", "-", f"torch=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return False
    [torch] = json.loads(done.stdout)["install"]
    return torch["metadata"]["version"].endswith("+cpu")


def test_every_environment_is_listed(checkout: Path) -> None:
    assert prefixes(checkout).keys() == {rule.environment for rule in rules()}


def test_students_of_vllm_have_an_environment_of_their_own(checkout: Path) -> None:
    usual = prefixes(checkout).keys()
    assert prefixes(checkout, "engine=vllm").keys() == usual - {"predict"} | {"predict-vllm"}
    # One student each: the rule takes the one that the student of a job asks for.
    second = "catalog={students: {second: {source: {smoke: {}}, max_length: 1024, engine: vllm}}}"
    both = prefixes(checkout, "students=[smoke, second]", second)
    assert both.keys() == usual | {"predict-vllm"}
    assert prefixes(checkout, "judge=second", second).keys() == both.keys()


def test_a_dry_run_plans_the_same_jobs_as_without_conda(checkout: Path) -> None:
    without = plan(checkout, *STUDY)
    assert without.rules.keys() >= CPU_RULES
    assert plan(checkout, *STUDY, "--sdm", "conda") == without


def test_the_cluster_makes_them_where_its_site_says(checkout: Path, tmp_path: Path) -> None:
    site = checkout / "profiles/slurm/site.yaml"
    before = site.read_text(encoding="utf-8")
    site.write_text(before.replace("conda_prefix: null", f"conda_prefix: {tmp_path}"))
    command = (*STUDY, "--sdm", "conda", "--list-conda-envs")
    try:
        table = snakemake(checkout, *command, profile="slurm").stdout
    finally:
        site.write_text(before, encoding="utf-8")
    folders = re.findall(r"^envs/\w+\.yaml\s+(\S+)$", table, re.MULTILINE)
    assert len(folders) == len({rule.environment for rule in rules()})
    assert {Path(folder).parent for folder in folders} == {tmp_path}


def test_the_container_recipe_creates_every_environment(checkout: Path) -> None:
    recipe = snakemake(checkout, *STUDY, "--containerize").stdout
    for environment in {rule.environment for rule in rules()}:
        assert re.search(rf"^COPY envs/{environment}\.yaml \S+/environment\.yaml$", recipe, re.M)
    assert recipe.count("conda env create") == len({rule.environment for rule in rules()})


def test_training_and_prediction_run_in_their_environments(checkout: Path) -> None:
    if not offers_cpu_torch():
        pytest.skip("the package index offers no CPU build of torch: it would bring gigabytes")
    output = run(checkout, "--sdm", "conda", "--", f"{TRIAL}/nl2sql.val.jsonl")
    assert "Training smoke on nl2sql" in output and "Asking smoke nl2sql/" in output
    where = prefixes(checkout)
    assert imported(where["train"], "trl") and imported(where["predict"], "transformers")
    for environment in ("train", "predict"):
        assert not surplus_and_missing(environment, where[environment])


def test_scores_recommendation_and_report_are_made_without_torch(checkout: Path) -> None:
    # What needs torch is made here, beside what the test above made: switching conda on and off
    # must not make it again.
    predictions = [
        f"{RESULTS}/predictions/smoke/{variant}/{evalset}.jsonl"
        for variant in ("base", "nl2sql/lr0.001")
        for evalset in ("nl2sql.val", "nl2sql.test", "ifeval", "simple_safety_tests")
    ]
    run(checkout, "--", *predictions)
    todo = plan(checkout, *STUDY, "--sdm", "conda").rules
    assert todo.keys() - {"card", "duplicates"} <= CPU_RULES

    run(checkout, "--sdm", "conda")
    where = prefixes(checkout)
    assert (checkout / RESULTS / "report/index.html").is_file()
    assert imported(where["score"], "lm_eval") and imported(where["score"], "sqlglot")
    assert imported(where["report"], "matplotlib")
    for environment in ("fetch", "score", "report"):
        assert not surplus_and_missing(environment, where[environment])
    assert not plan(checkout, *STUDY, "--sdm", "conda").rules
    assert not plan(checkout, *STUDY).rules
