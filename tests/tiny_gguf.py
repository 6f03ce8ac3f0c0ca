"""A GGUF file of a student that is made in a moment: random weights, a vocabulary of bytes."""

from pathlib import Path

import numpy as np

from tiny_tokenizer import CHATML, make_tokenizer

LAYERS, WIDTH, INNER, HEADS = 1, 64, 96, 4


def save_gguf(file: Path, template: str | None = CHATML, lacking: str = "") -> Path:
    """Write a Llama-style model whose large weights are quantised (Q8_0); return the file.

    The weight named `lacking` is left out.
    """
    import gguf

    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    _add_tokenizer(writer, template)
    for name, values in weights().items():
        if name == lacking:
            continue
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def weights() -> dict[str, np.ndarray]:
    """Return the weights by GGUF's names, before they are quantised; the embedding is tied."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(make_tokenizer()), WIDTH),
        "output_norm.weight": (WIDTH,),
    }
    for layer in range(LAYERS):
        own = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        own |= {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in own.items()}
        shapes |= {f"blk.{layer}.{norm}_norm.weight": (WIDTH,) for norm in ("attn", "ffn")}
    random = np.random.default_rng(0)
    return {
        name: random.normal(0.0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()
    }


def _add_tokenizer(writer, template: str | None) -> None:  # type: ignore[no-untyped-def]
    import gguf

    tokenizer = make_tokenizer()
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    special = set(tokenizer.all_special_tokens)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.CONTROL if t in special else kinds.NORMAL for t in tokens])
    writer.add_token_merges(["a b"])
    end = vocabulary["<|im_end|>"]
    for add in (writer.add_eos_token_id, writer.add_pad_token_id):
        add(end)
    writer.add_bos_token_id(vocabulary["<|im_start|>"])
    if template:
        writer.add_chat_template(template)
