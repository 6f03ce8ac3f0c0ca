"""Run a command on GPUs of this machine that no other job has taken; see sftstudy.cluster.gpus."""

import argparse
import os

from sftstudy.cli import Parser, run
from sftstudy.cluster.gpus import take


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("number", type=int, help="how many GPUs")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("a command is missing")
    for lock in take(arguments.number):
        os.set_inheritable(lock, True)  # the command holds them from now on
    os.execvp(arguments.command[0], arguments.command)


if __name__ == "__main__":
    run(main)
