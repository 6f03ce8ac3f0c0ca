"""How many tokens a checkpoint has positions for, as the families state it in config.json."""

from pathlib import Path
from typing import Any

import pytest

from random_models import ARCHITECTURES
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_json
from sftstudy.students.limits import positions, require_positions, without_room

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}
LLAMA3 |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
# As published: Llama-3.1-8B-Instruct, Qwen3-8B, the model card of Qwen2.5-7B-Instruct for long
# texts, DeepSeek-V3, Phi-3-mini-128k-instruct, vicuna-7b-v1.5-16k, gemma-3-4b-it (whose maximum is
# the default of its architecture), gpt2, Mistral-7B-Instruct-v0.1 (a window is no limit), bloom.
CONFIGS: dict[str, tuple[dict[str, Any], int | None]] = {
    "llama3": (
        {"model_type": "llama", "max_position_embeddings": 131072, "rope_scaling": LLAMA3},
        131072,
    ),
    "plain": (
        {"model_type": "qwen3", "max_position_embeddings": 40960, "rope_scaling": None},
        40960,
    ),
    "yarn of the original": (
        {
            "model_type": "qwen2",
            "max_position_embeddings": 32768,
            "rope_scaling": {
                "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768,
            },
        },
        131072,
    ),
    "yarn of the product": (
        {
            "model_type": "deepseek_v3",
            "max_position_embeddings": 163840,
            "rope_scaling": {
                "type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
                "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0,
            },
        },
        163840,
    ),
    "longrope": (
        {
            "model_type": "phi3",
            "max_position_embeddings": 131072,
            "original_max_position_embeddings": 4096,
            "rope_scaling": LONG,
        },
        131072,
    ),
    "linear": (
        {
            "model_type": "llama",
            "max_position_embeddings": 4096,
            "rope_scaling": {"factor": 4.0, "type": "linear"},
        },
        16384,
    ),
    "nested, by layer": (
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                "sliding_window": 1024,
            },
        },
        131072,
    ),
    "another name": ({"model_type": "gpt2", "n_positions": 1024}, 1024),
    "window": (
        {"model_type": "mistral", "max_position_embeddings": 32768, "sliding_window": 4096},
        32768,
    ),
    "none": ({"model_type": "bloom"}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_positions_of_published_configs(tmp_path: Path, name: str) -> None:
    config, expected = CONFIGS[name]
    write_json(tmp_path / "config.json", config)
    assert positions(tmp_path) == expected


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_positions_of_saved_models(tmp_path: Path, name: str) -> None:
    """As transformers 5 writes them, with ``rope_parameters``."""
    ARCHITECTURES[name]().config.save_pretrained(tmp_path)
    assert positions(tmp_path) == 2048


def test_more_than_the_positions_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "gpt2", "n_positions": 1024})
    require_positions(tmp_path, 1024, "small")
    with pytest.raises(StudyError) as caught:
        require_positions(tmp_path, 8192, "small")
    words = ("small: ", "max_length is 8192", "config.json", "1024 tokens", "catalog.students")
    assert not [word for word in words if word not in str(caught.value)]
    write_json(tmp_path / "config.json", {"model_type": "no such"})
    with pytest.raises(StudyError, match=r"config\.json: cannot be read"):
        positions(tmp_path)


def test_rows_without_room() -> None:
    ids, tokens = ["a", "b", "c"], [90, 91, 200]
    assert without_room(ids, tokens, 10, 100, True, "val.jsonl") == ["b", "c"]
    assert without_room(ids, tokens, 10, 210, False, "val.jsonl") == []
    with pytest.raises(StudyError, match=r"val\.jsonl: row 'b' has .* 91 tokens.* 2 of 3 rows"):
        without_room(ids, tokens, 10, 100, False, "val.jsonl")
    with pytest.raises(StudyError, match="all of its 3 rows are too long"):
        without_room(ids, tokens, 10, 99, True, "val.jsonl")
