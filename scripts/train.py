"""Train one trial as its recipe says.

Start it with python, or with `accelerate launch` for more than one process. A killed training goes
on from its last saved state when the same command is given again.
"""

import os
import sys
from pathlib import Path

from sftstudy.cli import TERMINATED, Parser, run
from sftstudy.cluster.gpus import take
from sftstudy.device import DEVICES, compute
from sftstudy.training.tracking import TRACKERS, prepare


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="YAML of every hyperparameter")
    parser.add_argument("--train", type=Path, required=True, help="JSONL of the training split")
    parser.add_argument("--lengths", type=Path, required=True, help="JSON made by lengths.py")
    parser.add_argument("--base", type=Path, required=True, help="checkpoint to start from")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for saved states")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument(
        "--memory", type=int, help="MiB of main memory to train in (default: what is available)"
    )
    parser.add_argument("--tracking", choices=TRACKERS, default="none", help="default: none")
    parser.add_argument(
        "--tracking-dir", type=Path, default="tracking", help="for its files (default: ./tracking)"
    )
    parser.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    arguments = parser.parse_args()

    compute(arguments.threads, arguments.device)
    if arguments.device in ("auto", "cuda") and "WORLD_SIZE" not in os.environ:
        take(1)  # of several processes the launcher has taken them
    prepare(arguments.tracking, arguments.tracking_dir)
    from sftstudy.training.trial import Outcome, train

    outcome = train(
        recipe_file=arguments.recipe,
        train_file=arguments.train,
        lengths_file=arguments.lengths,
        base=arguments.base,
        scratch_root=arguments.scratch,
        output=arguments.output,
        tracking=arguments.tracking,
        memory=arguments.memory,
    )
    status = {
        Outcome.FINISHED: 0,
        Outcome.INTERRUPTED: TERMINATED,
        Outcome.OUT_OF_MEMORY: os.EX_TEMPFAIL,
    }
    sys.exit(status[outcome])


if __name__ == "__main__":
    run(main)
