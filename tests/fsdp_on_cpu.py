"""Run a program under accelerate's FSDP on CPU processes: torch's own sharding over gloo.

accelerate shards only where it finds several GPUs. Here it is told that it did; device, model,
wrapping, gathering and saving are the real ones. With the environment variable STOP_AFTER=N the
second process gets a SIGTERM after step N, with OUT_OF_MEMORY=1 it has no memory for a first step.
"""

import os
import runpy
import signal
import sys
from typing import Any

import torch.distributed
from accelerate.state import PartialState
from accelerate.utils import DistributedType

from sftstudy.training.divergence import WatchedTrainer
from sftstudy.training.resume import Resumable

torch.distributed.init_process_group("gloo")
PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
_on_step_end = Resumable.on_step_end


def stopping(self: Resumable, arguments: Any, state: Any, *others: Any, **values: Any) -> Any:
    if os.environ["RANK"] == "1" and state.global_step == int(os.environ.get("STOP_AFTER", "0")):
        os.kill(os.getpid(), signal.SIGTERM)
    return _on_step_end(self, arguments, state, *others, **values)


def out_of_memory(*_: Any, **__: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


Resumable.on_step_end = stopping
if os.environ["RANK"] == "1" and os.environ.get("OUT_OF_MEMORY") == "1":
    WatchedTrainer.training_step = out_of_memory
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
