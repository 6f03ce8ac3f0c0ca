"""Loading a checkpoint: every weight of it, and no other; the memory there is for it."""

import os
import re
import sys
from pathlib import Path

import pytest
import torch

from sftstudy.errors import StudyError
from sftstudy.students.models import MIB, free_memory
from tiny_student import save_student


def test_unexpected_weights_are_an_error(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from sftstudy.students.models import load_model

    file = save_student(tmp_path) / "model.safetensors"
    save_file(load_file(file) | {"model.stray.weight": torch.ones(2)}, file, {"format": "pt"})
    with pytest.raises(StudyError, match=r"1 unexpected keys .*stray"):
        load_model(tmp_path, "float32", "sdpa")


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from sftstudy.students.models import load_model

    file = save_student(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    removed = next(name for name in tensors if "layers.1" in name)
    save_file({k: v for k, v in tensors.items() if k != removed}, file, {"format": "pt"})
    with pytest.raises(StudyError, match="missing keys") as caught:
        load_model(tmp_path, "float32", "sdpa")
    assert removed in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc, which is Linux")
def test_free_memory_of_a_cpu_is_what_is_available_within_the_job() -> None:
    cpu = torch.device("cpu")
    available = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    assert free_memory(cpu, None) == pytest.approx(1024 * int(available[1]), rel=0.2)
    assert free_memory(cpu, 10**9) == pytest.approx(free_memory(cpu, None), rel=0.2)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held = pages * os.sysconf("SC_PAGE_SIZE") / MIB
    assert free_memory(cpu, int(held) + 100) == pytest.approx(100 * MIB, rel=0.2)
    assert free_memory(cpu, 2 * int(held) + 100, processes=2) == pytest.approx(50 * MIB, rel=0.2)


def test_free_memory_of_other_devices_is_not_known() -> None:
    assert free_memory(torch.device("mps"), 10**6) is None
