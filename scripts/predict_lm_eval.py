"""Have lm-eval evaluate one checkpoint on one control."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.cluster.gpus import take
from sftstudy.device import DEVICES, compute


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw source")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of rows, as prepared")
    parser.add_argument(
        "--asked",
        type=json.loads,
        required=True,
        help="JSON object with lm_eval, limit, num_fewshot, apply_chat_template and group",
    )
    parser.add_argument(
        "--generation",
        type=json.loads,
        required=True,
        help="JSON object with attention, backend (hf or vllm), chat_template_kwargs, dtype and "
        "max_length",
    )
    parser.add_argument(
        "--drop-overlong", action="store_true", help="mark rows that are too long, do not refuse"
    )
    parser.add_argument(
        "--batch-size", type=int, default=0, help="most requests at a time (default: what fits)"
    )
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of this job (default: 0)")
    parser.add_argument(
        "--enforce-eager", action="store_true", help="vllm: compile nothing before the first reply"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument("--output", type=Path, required=True, help="JSONL to write")
    arguments = parser.parse_args()

    compute(arguments.threads, arguments.device)
    if arguments.device in ("auto", "cuda"):
        take(arguments.gpus)
    from sftstudy.lm_eval_controls.evaluate import evaluate
    from sftstudy.lm_eval_controls.task import Asked, offline

    offline()
    evaluate(
        arguments.checkpoint,
        arguments.raw,
        arguments.data,
        Asked(**arguments.asked),
        arguments.generation,
        arguments.output,
        gpus=arguments.gpus,
        batch_size=arguments.batch_size or None,
        eager=arguments.enforce_eager,
        drop_overlong=arguments.drop_overlong,
    )


if __name__ == "__main__":
    run(main)
