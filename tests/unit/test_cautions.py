"""Which trainings are too short to tell anything, and the schedule as transformers computes it."""

import pytest

from sftstudy.cautions import crowded, too_short, warmup_steps

DEFAULT = {"warmup_ratio": 0.03, "lr_scheduler_type": "cosine"}


def test_two_steps_learn_once() -> None:
    text = too_short(16, 2, DEFAULT)
    assert text is not None
    for word in ("2 optimizer steps on 16 rows", "1 of them warm-up (50%)", "1 step changed"):
        assert word in text


@pytest.mark.parametrize(
    ("steps", "values", "short"),
    [
        (9, {}, True),
        (10, {}, False),
        (9, {"warmup_ratio": 0.0}, True),
        (1000, {"warmup_ratio": 0.3}, False),
        (1000, {"warmup_ratio": 0.34}, True),
        (1000, {"warmup_ratio": 0.9, "lr_scheduler_type": "constant"}, False),
    ],
)
def test_what_is_too_short(steps: int, values: dict[str, object], short: bool) -> None:
    assert bool(too_short(64, steps, DEFAULT | values)) == short


@pytest.mark.parametrize("scheduler", ["cosine", "linear", "constant", "constant_with_warmup"])
@pytest.mark.parametrize(("steps", "ratio"), [(2, 0.03), (4, 0.5), (3, 0.0)])
def test_steps_that_change_weights(scheduler: str, steps: int, ratio: float) -> None:
    """Counted with the scheduler that training uses: its first warm-up step has the rate 0."""
    import torch
    from transformers import get_scheduler

    training = {"warmup_ratio": ratio, "lr_scheduler_type": scheduler}
    warmup = warmup_steps(steps, training)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(scheduler, optimizer, warmup, steps)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    changing = sum(rate > 0 for rate in rates)
    assert changing == steps - (warmup > 0)
    told = f"{changing} step{'' if changing == 1 else 's'} changed weights"
    assert (told in (too_short(8, steps, training) or "")) == (warmup > 0)


def test_students_with_more_threads_than_cores_are_named() -> None:
    assert crowded({"small": 2, "smaller": 1}, cores=2) is None
    told = crowded({"small": 8, "smaller": 2}, cores=2)
    assert told is not None
    assert "2 cores, and jobs of small (cpus: 8) compute with more threads" in told
    assert "smaller" not in told
