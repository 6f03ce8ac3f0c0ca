"""A student made of a GGUF file: its weights, its tokenizer, what SOURCE.json says, errors."""

import hashlib
import json
from pathlib import Path

import pytest

from programs import run
from sftstudy.documents.source import read_source
from sftstudy.errors import StudyError
from sftstudy.sources.gguf import convert, snapshot
from tiny_gguf import save_gguf, weights
from tiny_tokenizer import make_tokenizer

gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
TALK = [{"role": "user", "content": "abba"}, {"role": "assistant", "content": "a b"}]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_gguf(tmp_path_factory.mktemp("gguf") / "tiny.Q8_0.gguf")


@pytest.fixture(scope="module")
def folder(file: Path) -> Path:
    output = file.parent / "base"
    snapshot(file, output)
    return output


def test_weights_are_those_of_the_file_rounded_once(folder: Path) -> None:
    """The rows of the query and key projections lie in another order in GGUF: not compared."""
    import torch
    from safetensors.torch import load_file

    found = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in found.values()} == {torch.bfloat16}
    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
        "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, ours in names.items():
        values = weights()[name]
        if values.ndim > 1:
            values = gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind)
        assert torch.equal(found[ours], torch.from_numpy(values).to(torch.bfloat16)), name
    assert "lm_head.weight" not in found, "it is the embedding"


def test_tokenizer_and_template_are_those_of_the_file(folder: Path) -> None:
    from transformers import AutoTokenizer

    ours, given = AutoTokenizer.from_pretrained(folder), make_tokenizer()
    for talk, prompt in ((TALK, False), (TALK[:1], True)):
        told = {"add_generation_prompt": prompt, "return_dict": False}
        assert ours.apply_chat_template(talk, **told) == given.apply_chat_template(talk, **told)
    assert ours.eos_token == "<|im_end|>"


def test_it_is_a_student_that_loads(folder: Path) -> None:
    import torch

    from sftstudy.students.models import load_model

    model = load_model(folder, "float32", "sdpa")
    logits = model(torch.tensor([[1, 2, 3]])).logits
    assert torch.isfinite(logits).all() and logits.std() > 0


def test_source_json_names_the_file_its_hash_and_that_it_was_dequantised(
    file: Path, folder: Path
) -> None:
    source = read_source(folder / "SOURCE.json")
    assert (source["kind"], source["id"]) == ("gguf", "tiny.Q8_0.gguf")
    assert source["revision"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert source["dequantised"] == ["Q8_0"]
    told = source["files"]["model.safetensors"]["sha256"]
    assert told == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert set(source["files"]) == {path.name for path in folder.iterdir()} - {"SOURCE.json"}


@pytest.mark.slow
def test_the_same_file_gives_the_same_bytes_wherever_it_lies(file: Path, folder: Path) -> None:
    """By the program, in a process of its own."""
    moved = file.parent / "elsewhere" / file.name
    moved.parent.mkdir()
    moved.write_bytes(file.read_bytes())
    output = file.parent / "again"
    status, said = run("convert_student.py", "--gguf", moved, "--output", output)
    assert status == 0, said
    assert contents(output) == contents(folder)
    assert str(file.parent) not in json.dumps(contents(output), default=str)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "base.gguf", template=None)
    with pytest.raises(StudyError, match=r"base\.gguf: holds no chat template"):
        snapshot(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "part.gguf", lacking="blk.0.ffn_up.weight")
    with pytest.raises(StudyError, match=r"part\.gguf: lacks 1 weights of its LlamaForCausalLM"):
        convert(file, tmp_path / "out")


@pytest.mark.parametrize("left", [3000, 20_000])
def test_a_file_that_was_cut_off_is_refused(file: Path, tmp_path: Path, left: int) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:left])
    with pytest.raises(StudyError, match=r"cut\.gguf: transformers cannot make a model of it"):
        convert(cut, tmp_path / "out")


def test_an_architecture_that_transformers_does_not_read(tmp_path: Path) -> None:
    file = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(file, "rwkv6")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(StudyError, match=r"other\.gguf: transformers cannot .* rwkv6"):
        convert(file, tmp_path / "out")
