"""How the replies to an eval set are drawn, where that is not one greedy reply to each prompt."""

from typing import TypedDict


class Decoding(TypedDict):
    """As the study file says it of a task or control; parameters of jobs, and in metrics files."""

    samples: int  # replies to each prompt
    temperature: float  # above 0
    top_p: float  # of the probability, that is drawn from; 1: all
