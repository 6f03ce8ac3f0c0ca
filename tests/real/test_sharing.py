"""What prefix sharing saves with real tokenizers, and that real weights get the same gradient."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from real.conftest import RealTokenizer, Rows
from real.documents import shortest_documents
from repository import ROOT
from sftstudy.tasks.registry import TASKS
from sftstudy.training.rows import samples

pytestmark = pytest.mark.real

LEAST = {"banking77": 0.85, "pubmedqa": 0.2, "tatqa": 0.7, "nl2sql": 0.4}  # share saved


@pytest.mark.parametrize("task", TASKS)
def test_share_of_tokens_saved_is_the_documented_one(
    real: RealTokenizer,
    task: str,
    shared_data: Path,
    measured: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "benchmarks")])
    import bench_shared_tokens as bench

    rows = bench.rows_of_steps(task)
    cells = bench.line(real.student, task, real.tokenizer, real.facts, rows)
    line = f"| {' | '.join(cells)} |"
    measured(line)
    assert float(cells[-1].rstrip("%")) > 100 * LEAST[task]
    assert line in (ROOT / "docs/prefix_sharing.md").read_text(encoding="utf-8")


def test_gradients_of_shared_and_of_padded_batches_agree(
    smollm2: Path, real_rows: Rows, measured: Callable[[str], None]
) -> None:
    """In float32, and under the autocast to bfloat16 in which half types are trained.

    The noise floor is what two padded layouts of the same samples differ by. In bfloat16 both ways
    are also compared with the gradient in float32. At last the trie is computed as a training on a
    CPU does, by TRL's loss, whose rounding is its own: it is compared with TRL's padded batch.
    """
    import torch
    from trl.trainer.utils import add_fused_lm_head

    from sftstudy.prefix_sharing.collator import enable
    from sftstudy.students.chat import load_tokenizer
    from sftstudy.students.models import load_model
    from sftstudy.training.sparing import spare
    from unit.prefix_sharing.models import (
        gradient,
        padded_batch,
        relative_difference,
        trl_gradient,
    )

    tokenizer = load_tokenizer(smollm2, {})
    rows = shortest_documents(real_rows("tatqa"), documents=2, questions=2)
    examples = samples(rows, tokenizer, {}, 8192, Path("tatqa"))
    model = load_model(smollm2, "float32", "sdpa").train()
    collator, reason = enable(model, tokenizer.pad_token_id)
    assert collator is not None, reason
    batches = {
        "padded": [padded_batch(examples)],
        "split": [padded_batch(examples[:2]), padded_batch(examples[2:])],
        "shared": [collator(examples)],
    }
    tokens = sum(len(example["input_ids"]) for example in examples)
    assert batches["shared"][0]["input_ids"].numel() < 0.6 * tokens

    def away(way: str, *others: torch.Tensor) -> list[float]:
        """Return how far the gradient of a layout is from others; it is as large as the model."""
        found = gradient(model, batches[way])
        return [relative_difference(found, other) for other in others]

    exact = gradient(model, batches["padded"])
    [noise], [apart] = away("split", exact), away("shared", exact)
    measured(f"gradient, float32: shared {apart:.1e} from padded; split {noise:.1e}")
    assert apart < 1e-5
    assert apart < 3 * noise
    with torch.autocast("cpu", dtype=torch.bfloat16):
        padded = gradient(model, batches["padded"])
        lost = relative_difference(padded, exact)
        [noise], [apart, ours] = away("split", padded), away("shared", padded, exact)
    measured(
        f"gradient, bfloat16: shared {apart:.2%} from padded; split {noise:.2%}; "
        f"from float32: padded {lost:.2%}, shared {ours:.2%}"
    )
    assert apart < 0.05
    assert ours < 1.5 * lost
    add_fused_lm_head(model)
    trl = [trl_gradient(model, batch) for batch in (*batches["padded"], *batches["split"])]
    floor = relative_difference(trl[1] + trl[2], trl[0])
    spare(model)
    apart = relative_difference(trl_gradient(model, batches["shared"][0]), trl[0])
    measured(
        f"gradient of TRL's loss, float32: as a CPU trains {apart:.1e} from padded; split "
        f"{floor:.1e}; padded from that of logits {relative_difference(trl[0], exact):.1e}"
    )
    assert apart < 1e-5
    assert apart < 3 * floor
