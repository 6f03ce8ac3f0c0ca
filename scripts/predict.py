"""Generate the replies of one checkpoint to one suite of eval sets.

Data files, reply limits, output files and decodings are given in the same order. A killed job goes
on where it stopped: replies are kept in a journal beside the outputs.
"""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.cluster.gpus import take
from sftstudy.device import DEVICES, compute


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="JSONL of rows")
    parser.add_argument(
        "--max-new-tokens", type=int, nargs="+", required=True, help="most tokens of a reply"
    )
    parser.add_argument(
        "--generation",
        type=json.loads,
        required=True,
        help="JSON object with attention, chat_template_kwargs, dtype, max_length and, unless it "
        "is hf, engine (vllm or openai)",
    )
    parser.add_argument(
        "--decoding",
        type=json.loads,
        help="JSON list: an object with samples, temperature and top_p for each data file, or null "
        "for one greedy reply to a row (default: greedy)",
    )
    parser.add_argument(
        "--drop-overlong", action="store_true", help="mark rows that are too long, do not refuse"
    )
    parser.add_argument(
        "--batch-size", type=int, default=0, help="hf: most prompts at a time (default: what fits)"
    )
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of this job (default: 0)")
    parser.add_argument("--serve", help="openai: command that starts a server")
    parser.add_argument(
        "--requests", type=int, default=16, help="openai: most requests at a time (default: 16)"
    )
    parser.add_argument(
        "--enforce-eager", action="store_true", help="vllm: compile nothing before the first reply"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument(
        "--memory", type=int, help="MiB of main memory to compute in (default: what is available)"
    )
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="JSONL to write")
    arguments = parser.parse_args()
    decodings = arguments.decoding or [None] * len(arguments.data)
    lists = arguments.data, arguments.max_new_tokens, arguments.output, decodings
    if len(set(map(len, lists))) > 1:
        parser.error("--data, --max-new-tokens, --output and --decoding must be equally many")

    compute(arguments.threads, arguments.device)
    if arguments.device in ("auto", "cuda"):
        take(arguments.gpus)
    from sftstudy.prediction.engine import Machine
    from sftstudy.prediction.suite import EvalSet, predict
    from sftstudy.run.owner import owned

    first = arguments.output[0]
    machine = Machine(
        gpus=arguments.gpus,
        batch_size=arguments.batch_size or None,
        serve=arguments.serve or None,
        requests=arguments.requests,
        enforce_eager=arguments.enforce_eager,
        memory=arguments.memory,
    )
    with owned(first.parent / ".journal" / f"{first.stem}.owner"):
        predict(
            arguments.checkpoint,
            [EvalSet(*evalset) for evalset in zip(*lists, strict=True)],
            arguments.generation,
            machine,
            arguments.drop_overlong,
        )


if __name__ == "__main__":
    run(main)
