"""Stopping a training whose numbers are no numbers any more, before that is saved anywhere.

transformers by default replaces such a loss by the mean of those before it and goes on.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from trl import SFTTrainer

from sftstudy.errors import StudyError
from sftstudy.files.writing import writing

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class WatchedTrainer(SFTTrainer):
    """TRL's trainer; a loss that is NaN or infinite is a `StudyError` that names the training."""

    model: "PreTrainedModel | PeftModel"  # the one that it was given
    training_name = ""  # student, task and trial

    def compute_loss(self, model: Any, *arguments: Any, **named: Any) -> Any:
        """Compute the loss of one forward pass, and look at it.

        Here, where TRL has just read its metrics from the device: behind the backward pass a look
        would wait for that, and the device then for the next kernels.
        """
        found = super().compute_loss(model, *arguments, **named)
        loss = found[0] if isinstance(found, tuple) else found  # with the model's outputs, if asked
        if not torch.isfinite(loss):
            raise self._diverged(f"the loss is {loss.item()}", self.state.global_step + 1)
        return found

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        assert self.args.output_dir is not None, "sft_arguments sets it"
        with writing(Path(self.args.output_dir)):
            super()._save_checkpoint(*arguments, **named)

    def require_finite_weights(self) -> None:
        """Raise `StudyError` if a weight is NaN or infinite: a last loss may still be finite."""
        for name, weight in self.model.named_parameters():
            # Of a sharded model each process looks at its own part.
            values = weight.to_local() if hasattr(weight, "to_local") else weight
            if not torch.isfinite(values).all():
                raise self._diverged(f"{name} holds NaN or infinity", self.state.global_step)

    def _diverged(self, found: str, step: int) -> StudyError:
        return StudyError(
            f"{self.training_name}: the training has diverged: {found} in step {step} of "
            f"{self.state.max_steps}. To start it again does not help: it fails in the same step "
            "each time. Change its hyperparameters in the study file (a lower learning_rate, a "
            "higher warmup_ratio, a lower max_grad_norm, another dtype) or take the trial out of "
            "the space; if step 1 fails, the student's own weights may be damaged. No state was "
            "saved after the last good step, and no checkpoint was written"
        )
