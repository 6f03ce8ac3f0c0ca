"""Write task files with which lm-eval scores any model on the test splits."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="holds {task}/test.jsonl")
    parser.add_argument(
        "--max-new-tokens", type=json.loads, required=True, help="JSON: task -> tokens of a reply"
    )
    parser.add_argument(
        "--options", type=json.loads, default={}, help="JSON: task -> options of this task alone"
    )
    parser.add_argument(
        "--decodings", type=json.loads, help="JSON: task -> samples, temperature and top_p, if any"
    )
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the files")
    arguments = parser.parse_args()

    from sftstudy.exports.lm_eval_files import write

    write(
        folder=arguments.output_dir,
        data=arguments.data,
        library=Path(__file__).resolve().parent,
        max_new_tokens=arguments.max_new_tokens,
        options=arguments.options,
        decodings=arguments.decodings,
    )


if __name__ == "__main__":
    run(main)
