"""oumi and axolotl read the recommended files with their own parsers.

The tools are no dependencies: their packages are unpacked beside the environment, without what they
depend on, most of which their parsers do not need.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recommendation_study import GOOD, MadeUpStudy
from sftstudy.recommendation.run_files import run_files

pytestmark = [pytest.mark.slow, pytest.mark.deploy]

PACKAGES = [
    "oumi==0.9",
    "axolotl==0.19.0",
    "omegaconf==2.4.0.dev4",
    "antlr4-python3-runtime==4.9.3",
]
COMMIT = "ab" * 20
OUMI = """
import json, sys
from oumi.core.configs import TrainingConfig
config = TrainingConfig.from_yaml(sys.argv[1])
config.finalize_and_validate()
training = config.training
print(json.dumps({
    "base": config.model.model_name, "revision": config.model.model_revision,
    "attention": config.model.attn_implementation, "length": config.model.model_max_length,
    "rate": training.learning_rate, "epochs": training.num_train_epochs,
    "batch": training.per_device_train_batch_size, "steps": training.gradient_accumulation_steps,
    "bf16": training.mixed_precision_dtype.name == "BF16",
    "rank": config.peft.lora_r if training.use_peft else None,
}))
"""
AXOLOTL = """
import json, sys, yaml
from axolotl.utils.schemas.config import AxolotlInputConfig
document = yaml.safe_load(open(sys.argv[1]))
unknown = sorted(set(document) - set(AxolotlInputConfig.model_fields))
config = AxolotlInputConfig(**document)
print(json.dumps({
    "unknown": unknown,
    "base": config.base_model, "revision": config.revision_of_model,
    "attention": config.attn_implementation, "length": config.sequence_len,
    "rate": config.learning_rate, "epochs": config.num_epochs, "batch": config.micro_batch_size,
    "steps": config.gradient_accumulation_steps, "bf16": config.bf16, "rank": config.lora_r,
}))
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", folder, *PACKAGES], check=True)
    return folder


@pytest.fixture(params=["full", "lora"])
def files(request, tmp_path) -> dict[str, str]:
    """The recommended files of a student of the hub, and the data that they name as an example."""
    study = MadeUpStudy()
    for variant, document in study.provenance.items():
        document["base"] |= {"id": "org/tiny", "revision": COMMIT}
        if request.param == "lora" and variant.endswith(GOOD):
            lora = {"method": "lora", "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05}
            document["recipe"]["training"] |= lora
    messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "1"}]
    (tmp_path / "train.messages.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    document = study.recommend()
    assert document["chosen"] == GOOD
    return run_files(document, str(tmp_path))


def parsed(tools: Path, program: str, text: str, folder: Path) -> tuple[dict, str]:
    """Return what a tool's parser makes of a file, and what it printed beside."""
    (folder / "recipe.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "recipe.yaml")],
        env=os.environ | {"PYTHONPATH": str(tools), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def expected(files: dict[str, str]) -> dict:
    """Return what the study trained with, as its file for TRL says it."""
    trl = yaml.safe_load(files["trl"])
    return {
        "base": "org/tiny", "revision": COMMIT,
        "attention": trl["attn_implementation"], "length": trl["max_length"],
        "rate": trl["learning_rate"], "epochs": trl["num_train_epochs"],
        "batch": trl["per_device_train_batch_size"], "steps": trl["gradient_accumulation_steps"],
        "bf16": trl["bf16"], "rank": trl.get("lora_r"),
    }  # fmt: skip


def test_oumi_reads_its_file(tools, files, tmp_path):
    found, _ = parsed(tools, OUMI, files["oumi"], tmp_path)
    assert found == expected(files)


def test_axolotl_reads_its_file(tools, files, tmp_path):
    found, printed = parsed(tools, AXOLOTL, files["axolotl"], tmp_path)
    assert found == expected(files) | {"unknown": []}
    assert "deprecated" not in printed.lower()
