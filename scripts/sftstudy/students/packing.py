import torch
from torch import nn


def pack(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            w = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach(), 64)

            def f(x, w=w, b=module.bias):
                return torch.ops.mkldnn._linear_pointwise(x, w, b, "none", [], "")

            module.forward = f
