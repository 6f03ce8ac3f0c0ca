"""What is used of Snakemake without being documented is there, in the version that is installed."""

import inspect
import re
from importlib.metadata import version

import pytest
import yaml
from snakemake.api import DAGApi, WorkflowApi
from snakemake.dag import DAG
from snakemake.jobs import Job, Reason
from snakemake.persistence import MetadataRecord, ParamsChange, PersistenceBase
from snakemake.persistence.file import FilePersistence
from snakemake.settings.types import ConfigSettings, DAGSettings
from snakemake.workflow import Workflow

from repository import ROOT
from sftstudy.run import snakemake_internals

USED = {
    Workflow: "persistence dag is_main_process dryrun resource_settings output_settings "
    "_localrules _prepare_dag _build_dag async_run overwrite_configfiles config_settings touch",
    DAG: "needrun_jobs needrun reason jobs stats update_needrun dependencies depending ready_jobs "
    "_n_until_ready forcerules in_until",
    Job: "rule input output wildcards threads resources non_derived_params",
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
