"""Make a student of a GGUF file: the Hugging Face checkpoint of its dequantised weights."""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.device import compute


def main() -> None:
    """Parse the arguments and convert."""
    parser = Parser(__doc__)
    parser.add_argument("--gguf", type=Path, required=True, help="file with weights and tokenizer")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    arguments = parser.parse_args()
    compute(threads=1, device="cpu")

    from sftstudy.sources.gguf import snapshot

    snapshot(arguments.gguf, arguments.output)


if __name__ == "__main__":
    run(main)
