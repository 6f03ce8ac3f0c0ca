#!/usr/bin/env python3
"""Train the smoke student from scratch and save it as a Hugging Face checkpoint."""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.device import compute


def main() -> None:
    """Parse arguments and build the student."""
    parser = Parser(__doc__)
    parser.add_argument("--seed", type=int, required=True, help="of the corpus and the weights")
    parser.add_argument(
        "--steps", type=int, required=True, help="of training, 16 conversations each"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    arguments = parser.parse_args()
    compute(threads=1, device="cpu")  # more threads make tiny models slower

    from sftstudy.students.smoke import Pretraining, build

    source = build(arguments.output, Pretraining(seed=arguments.seed, steps=arguments.steps))
    print(f"{arguments.output}: {source['parameters']} parameters, loss {source['loss']}")


if __name__ == "__main__":
    run(main)
