"""The program, and the files that other tools run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from programs import run
from recommendation_study import GENTLE, GOOD, HARSH, TASKS, MadeUpStudy
from sftstudy.recommendation.run_files import run_files

TRL_PARSER = """
import json, sys
from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser
parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig))
script, training, model, data = parser.parse_args_and_config(
    ["--config", sys.argv[1], "--use_cpu", "true"], fail_with_unknown_args=True
)
from trl import get_peft_config
peft = get_peft_config(model)
lora = peft and {"r": peft.r, "alpha": peft.lora_alpha, "dropout": peft.lora_dropout,
                 "modules": peft.target_modules, "bias": peft.bias}
print(json.dumps({
    "lora": lora, "model": model.model_name_or_path,
    "data": script.dataset_name, "dtype": model.dtype,
    "learning_rate": training.learning_rate, "epochs": training.num_train_epochs,
    "batch": training.per_device_train_batch_size, "scheduler": str(training.lr_scheduler_type),
    "warmup": training.get_warmup_steps(1000), "bf16": training.bf16, "optim": str(training.optim),
    "max_length": training.max_length, "completion_only": training.completion_only_loss,
    "decay": training.weight_decay, "beta2": training.adam_beta2,
}))
"""


def write_study(study: MadeUpStudy, root: Path) -> list[object]:
    """Write a study's files under `root`; return the program's arguments."""
    for (variant, evalset), document in study.metrics.items():
        file = root / "metrics" / "tiny" / variant / f"{evalset}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    for variant, document in study.provenance.items():
        file = root / "checkpoints" / variant / "provenance.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    out = root / "recommendations"
    arguments: list[object] = ["--student", "tiny", "--plan", json.dumps(study.plan)]
    arguments += ["--metrics-root", root / "metrics" / "tiny"]
    arguments += ["--checkpoints-root", root / "checkpoints", "--output", out / "tiny.json"]
    arguments += ["--markdown", out / "tiny.md"]
    for tool in ("trl", "oumi", "axolotl"):
        arguments += [f"--{tool}", out / f"tiny.{tool}.yaml"]
    return arguments


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("study")
    status, output = run("recommend.py", *write_study(MadeUpStudy(), root))
    assert status == 0, output
    assert output.strip() == f"tiny: RECOMMENDED {GOOD}"
    return root


def test_the_program_writes_every_file(written):
    document = json.loads((written / "recommendations/tiny.json").read_text())
    assert document["chosen"] == GOOD
    for name in document["files"].values():
        assert (written / "recommendations" / name).stat().st_size > 0
    assert GOOD in (written / "recommendations/tiny.md").read_text()


def parsed_by_trl(file: Path) -> dict:
    result = subprocess.run(
        [sys.executable, "-c", TRL_PARSER, str(file)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow  # TRL alone takes ten seconds to import
def test_trl_accepts_the_file_by_its_own_parser(written):
    assert parsed_by_trl(written / "recommendations/tiny.trl.yaml") == {
        "lora": None, "model": "org/tiny",
        "data": str(written / "data/banking77"), "dtype": "float32",
        "learning_rate": 1e-5, "epochs": 3, "batch": 4, "scheduler": "SchedulerType.COSINE",
        "warmup": 30, "bf16": True, "optim": "OptimizerNames.ADAMW_TORCH_FUSED",
        "max_length": 512, "completion_only": True, "decay": 0.01, "beta2": 0.999,
    }  # fmt: skip


def test_oumi_and_axolotl_files_carry_the_same_values(written):
    folder = written / "recommendations"
    oumi = yaml.safe_load((folder / "tiny.oumi.yaml").read_text())
    axolotl = yaml.safe_load((folder / "tiny.axolotl.yaml").read_text())
    training = oumi["training"]
    assert training["learning_rate"] == axolotl["learning_rate"] == 1e-5
    assert training["num_train_epochs"] == axolotl["num_epochs"] == 3
    assert training["per_device_train_batch_size"] == axolotl["micro_batch_size"] == 4
    assert training["lr_scheduler_type"] == axolotl["lr_scheduler"] == "cosine"
    assert training["warmup_ratio"] == axolotl["warmup_ratio"] == 0.03
    assert training["optimizer"] == axolotl["optimizer"] == "adamw_torch_fused"
    assert oumi["model"]["model_max_length"] == axolotl["sequence_len"] == 512
    assert oumi["model"]["model_name"] == axolotl["base_model"] == "org/tiny"
    assert training["mixed_precision_dtype"] == "BF16" and axolotl["bf16"] is True
    assert axolotl["attn_implementation"] == "sdpa"


@pytest.fixture
def lora_files() -> dict[str, str]:
    study = MadeUpStudy()
    for variant, document in study.provenance.items():
        if variant.endswith(GOOD):
            lora = {"method": "lora", "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05}
            document["recipe"]["training"] |= lora
    document = study.recommend()
    assert document["chosen"] == GOOD
    return run_files(document, "data")


def test_lora_is_expressed_in_the_words_of_each_tool(lora_files):
    values = {"lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05}
    trl, oumi, axolotl = (yaml.safe_load(lora_files[t]) for t in ("trl", "oumi", "axolotl"))
    assert trl["use_peft"] is True and trl["lora_target_modules"] == ["all-linear"]
    assert axolotl["adapter"] == "lora" and axolotl["lora_target_linear"] is True
    assert oumi["training"]["use_peft"] is True and len(oumi["peft"]["lora_target_modules"]) == 7
    for part in (trl, oumi["peft"], axolotl):
        assert {key: part[key] for key in values} == values
    unsaid = [
        line for text in lora_files.values() for line in text.splitlines() if "key of" in line
    ]
    assert not any("lora" in line or "method" in line for line in unsaid)


@pytest.mark.slow
def test_trl_builds_the_adapter_that_the_study_trained(lora_files, tmp_path):
    (tmp_path / "lora.yaml").write_text(lora_files["trl"])
    found = parsed_by_trl(tmp_path / "lora.yaml")["lora"]
    expected = {"r": 16, "alpha": 32, "dropout": 0.05, "modules": "all-linear", "bias": "none"}
    assert found == expected


def test_files_name_the_commit_of_the_student_and_what_a_step_takes():
    study = MadeUpStudy()
    texts = run_files(study.recommend(), "data")
    assert all("revision" not in text for text in texts.values())  # a path or a made-up student
    for document in study.provenance.values():
        document["base"] |= {"id": "org/tiny", "revision": "ab" * 20}
    texts = run_files(study.recommend(), "data")
    trl, oumi, axolotl = (yaml.safe_load(texts[tool]) for tool in ("trl", "oumi", "axolotl"))
    assert trl["model_revision"] == oumi["model"]["model_revision"] == "ab" * 20
    assert axolotl["revision_of_model"] == "ab" * 20
    for text in texts.values():
        assert "an optimizer step takes 16 rows. On N GPUs divide" in text
        assert "Longer rows than 512 tokens" in text


def test_what_a_tool_has_no_key_for_is_said(written):
    text = (written / "recommendations/tiny.trl.yaml").read_text()
    assert "chat_template_kwargs = {'enable_thinking': False}" in text
    assert "prefix_sharing" not in text  # changes no gradient


@pytest.mark.parametrize(("value", "expected"), [("auto", True), (True, True), (False, False)])
def test_other_tools_recompute_where_ours_would_choose(value, expected):
    study = MadeUpStudy()
    for document in study.provenance.values():
        document["recipe"]["training"]["gradient_checkpointing"] = value
    texts = run_files(study.recommend(), "data")
    trl, oumi, axolotl = (yaml.safe_load(texts[tool]) for tool in ("trl", "oumi", "axolotl"))
    assert trl["gradient_checkpointing"] is axolotl["gradient_checkpointing"] is expected
    assert oumi["training"]["enable_gradient_checkpointing"] is expected


def test_without_a_choice_the_files_exist_and_configure_nothing():
    study = MadeUpStudy()
    for trial in (GENTLE, GOOD, HARSH):
        study.set(f"tatqa/{trial}", "simple_safety_tests", 0.7)
    for text in run_files(study.recommend(), "data").values():
        assert text.startswith("# NOT RECOMMENDED: tiny\n")
        assert "binding gate" in text and "# learning_rate" in text.replace("#   l", "# l")
        assert yaml.safe_load(text) is None
    study.metrics = {}
    for text in run_files(study.recommend(), "data").values():
        assert yaml.safe_load(text) is None


def test_a_field_that_differs_between_tasks_is_said_and_the_common_value_taken():
    study = MadeUpStudy()
    study.plan["tasks"] = [*TASKS, "nl2sql"]
    study.plan["trials"]["nl2sql"] = study.plan["trials"]["tatqa"]
    for (variant, evalset), document in list(study.metrics.items()):
        key = (variant.replace("tatqa", "nl2sql"), evalset.replace("tatqa", "nl2sql"))
        study.metrics.setdefault(key, document)
    for variant, document in list(study.provenance.items()):
        if variant.startswith("tatqa"):
            copy = json.loads(json.dumps(document))
            copy["recipe"]["training"]["weight_decay"] = 0.1
            study.provenance[variant.replace("tatqa", "nl2sql")] = copy
    document = study.recommend()
    assert document["config_by_task"]["nl2sql"] == {"weight_decay": 0.1}
    text = run_files(document, "data")["trl"]
    assert (
        "# weight_decay differed between the tasks: banking77 0.01, tatqa 0.01, nl2sql 0.1" in text
    )
    assert yaml.safe_load(text)["weight_decay"] == 0.01


def test_a_plan_for_another_student_is_refused(tmp_path):
    arguments = write_study(MadeUpStudy(), tmp_path)
    arguments[1] = "other"
    status, output = run("recommend.py", *arguments)
    assert status == 1 and "is for student 'tiny', --student says 'other'" in output


def test_a_cut_metrics_file_is_an_error_and_leaves_nothing(tmp_path):
    arguments = write_study(MadeUpStudy(), tmp_path)
    file = tmp_path / "metrics/tiny/base/ifeval.json"
    file.write_text(file.read_text()[:1000])
    status, output = run("recommend.py", *arguments)
    assert status == 1 and "ifeval.json" in output and "cut off" in output
    assert not (tmp_path / "recommendations").exists()
