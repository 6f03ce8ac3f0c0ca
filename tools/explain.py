"""Print where a file of a study comes from: every job behind it, back to the sources.

Of every file it says whether it is still what its job wrote and what its readers have read.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "file", type=Path, nargs="?", help="as Snakemake names it: results/smoke/report/index.html"
    )
    arguments = parser.parse_args()

    from sftstudy.records.explain import explain

    for line in explain(arguments.file):
        print(line)


if __name__ == "__main__":
    run(main)
