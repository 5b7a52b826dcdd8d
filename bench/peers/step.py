"""step.py MODEL WAY STEPS THREADS: the milliseconds of each step of a Python Muon on MODEL's shapes.

WAY: shipped         torch.optim.Muon as it is, products in bfloat16
     float32         the same with its cast changed to float32
     keller_jordan   the update of github.com/KellerJordan/Muon, one matrix after the other, products in bfloat16
"""
import inspect
import sys
import time

import torch
import torch.optim._muon as module

model, way, steps, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
layer = [(2304, 768), (768, 768), (3072, 768), (768, 3072)]
shapes = {"small_net": [(256, 784), (10, 256)], "1000x32x32": [(32, 32)] * 1000, "gpt2": layer * 12, "gpt2_layer": layer}[model]


def parameters():
    made = []
    for shape in shapes:
        parameter = torch.nn.Parameter(torch.randn(shape) * 0.02)
        parameter.grad = torch.randn(shape)
        made.append(parameter)
    return made


def newton_schulz(gradient, steps=5):
    x = gradient.bfloat16()
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.mT
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


class KellerJordan:
    def __init__(self, params):
        self.params, self.buffers = params, [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self):
        for p, buffer in zip(self.params, self.buffers):
            buffer.lerp_(p.grad, 0.05)
            update = newton_schulz(p.grad.lerp(buffer, 0.95)) * max(1, p.size(0) / p.size(1)) ** 0.5
            p.mul_(1 - 1e-3 * 0.1).add_(update, alpha=-1e-3)


if way == "keller_jordan":
    optimizer = KellerJordan(parameters())
else:
    if way == "float32":
        name = "_zeropower_via_newtonschulz"
        source = inspect.getsource(getattr(module, name))
        assert "bfloat16()" in source
        exec(source.replace("bfloat16()", "float()"), module.__dict__)
    optimizer = torch.optim.Muon(parameters(), lr=1e-3)
if model != "gpt2_layer":
    optimizer.step()
for _ in range(steps):
    begin = time.perf_counter()
    optimizer.step()
    print(f"{(time.perf_counter() - begin) * 1e3:.4f}", flush=True)
