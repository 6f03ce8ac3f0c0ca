"""Generate the replies of one checkpoint to one suite of eval sets.

Data files, reply limits and output files are given in the same order. A killed job goes on where
it stopped: replies are kept in a journal beside the outputs.
"""

import json
import os
from pathlib import Path

from sftstudy.cli import Parser, run


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
        help="JSON object with attention, chat_template_kwargs, dtype and max_length",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="JSONL to write")
    arguments = parser.parse_args()
    if not len(arguments.data) == len(arguments.max_new_tokens) == len(arguments.output):
        parser.error("--data, --max-new-tokens and --output must be equally many")

    # Before torch is imported: results on CPU depend on the number of threads.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from sftstudy.cluster.owner import owned
    from sftstudy.prediction.suite import EvalSet, predict

    evalsets = zip(arguments.data, arguments.max_new_tokens, arguments.output, strict=True)
    first = arguments.output[0]
    with owned(first.parent / ".journal" / f"{first.stem}.owner"):
        predict(arguments.checkpoint, [EvalSet(*e) for e in evalsets], arguments.generation)


if __name__ == "__main__":
    run(main)
