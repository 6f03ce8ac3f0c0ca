"""Documents as programs write them, for tests that need one and care for some of its keys only."""

from typing import Any


def source(name: str = "made", **keys: Any) -> dict[str, Any]:
    """A SOURCE.json."""
    made = {"kind": "hub", "id": f"example/{name}", "revision": "cd" * 20, "files": {}}
    return made | keys


def lengths(**keys: Any) -> dict[str, Any]:
    """The lengths of a task's rows under a student's tokenizer."""
    made = {"schema": 1, "task": "made", "student": "made", "max_length": 1024}
    return made | {"chat_template_kwargs": {}, "splits": {}, "dropped": {}} | keys


def duplicates(**keys: Any) -> dict[str, Any]:
    """The duplicates of a task's data."""
    return {"schema": 1, "task": "made", "pairs": {}} | keys


def provenance(training: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """The provenance.json of a training with these hyperparameters."""
    recipe = {
        "student": "made",
        "task": "banking77",
        "trial": "made",
        "model": {
            "attention": "sdpa",
            "chat_template_kwargs": {},
            "dtype": "bfloat16",
            "max_length": 1024,
        },
        "training": training or {},
    }
    made = {
        "recipe": recipe,
        "base": source(),
        "identity": "45" * 32,
        "code": "scripts/train.py 0123456789abcdef",
        "base_sha256": "67" * 32,
        "data_sha256": "ef" * 32,
        "rows": 80,
        "steps": 80,
        "tokens": 1_200_000,
        "parameters": 10**9,
        "trainable_parameters": 10**9,
        "train_flops": 1e18,
        "batches": "prefix sharing",
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "out_of_memory": [],
        "processes": 1,
        "device": "NVIDIA H100 80GB HBM3",
        "train_seconds": 3600.0,
        "gpu_seconds": 3600.0,
        "weights_sha256": {"model.safetensors": "ab" * 32},
        "packages": {"torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0"},
        "log_history": [],
    }
    return made | keys


def measured(value: float | None = 0.5, **keys: Any) -> dict[str, Any]:
    """One metric of a metrics file."""
    made = {"value": value, "n": 80, "se": 0.05, "low": 0.25, "high": 0.75, "interval": "made"}
    made |= {"outcome": "correct", "description": "made", "better": "higher", "counts": None}
    return made | keys


def metrics(primary: str, entry: dict[str, Any], items: list[Any], **keys: Any) -> dict[str, Any]:
    """A metrics file of one metric."""
    made = {
        "schema": 1,
        "student": "made",
        "variant": "base",
        "evalset": "banking77.val",
        "task": "banking77",
        "split": "val",
        "task_version": 1,
        "primary": primary,
        "n": len(items),
        "groups": len({item["group"] for item in items}),
        "metrics": {primary: entry},
        "items": items,
        "prompt_sha256": "cd" * 32,
        "data_sha256": "ef" * 32,
        "predictions_sha256": "01" * 32,
        "code_sha256": "23" * 32,
        "versions": {},
    }
    return made | keys


def record(outputs: dict[str, str], **keys: Any) -> dict[str, Any]:
    """The record of a job that made these files (path -> SHA-256)."""
    made = {
        "schema": 1,
        "program": "made",
        "command": ["scripts/made.py"],
        "code": {"commit": "unknown", "changed": []},
        "packages": {"python": "3.11.7"},
        "hardware": {"machine": "here", "cpu": "x86_64", "cores": 1, "device": "cpu"},
        "memory": {"peak_bytes": 1, "device_peak_bytes": None},
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "cpu_seconds": 1.0,
        "facts": {},
        "inputs": {},
        "outputs": outputs,
    }
    return made | keys
