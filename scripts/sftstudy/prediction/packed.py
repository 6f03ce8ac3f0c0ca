"""Linear layers whose weights are laid out once for the processor's matrix products.

torch multiplies float32 matrices by MKL, which rearranges the weights at each call: with the few
tokens of a decoding step that takes longer than the product. oneDNN keeps them rearranged.
"""

from typing import Any

import torch
from torch import Tensor, nn

_TOKENS = 64  # of a step, which the layout is chosen for


class _Packed(nn.Module):
    """`linear`, for inference in float32 on a CPU."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _TOKENS)
        self.weight = nn.Parameter(packed, requires_grad=False)  # opaque, but can be counted
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return out


def pack(model: nn.Module) -> None:
    """Replace the linear layers of a model that will only be asked, where this torch can.

    What a layer alone held is given back; an embedding that a layer shared keeps its own.
    """
    layers = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child.weight.dtype == torch.float32
    ]
    if not layers or layers[0][2].weight.device.type != "cpu" or not _works(layers[0][2]):
        return
    for parent, name, child in layers:
        setattr(parent, name, _Packed(child))


@torch.inference_mode()
def _works(linear: nn.Linear) -> bool:
    """Say whether the packed product is there and is that of the layer; torch promises neither."""
    if not torch.backends.mkldnn.is_available():
        return False
    x = torch.randn(3, linear.in_features, generator=torch.Generator().manual_seed(0))
    expected: Any = linear(x)
    try:
        found = _Packed(linear)(x)
    except (AttributeError, NotImplementedError, RuntimeError):  # built without it
        return False
    return bool((found - expected).norm() <= 1e-4 * expected.norm())
