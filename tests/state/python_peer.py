"""The Python side of the exchange of optimizer state.

  python_peer.py start DIR     10 steps, then the files that C++ resumes from, and what 20 and 30 steps of Python alone give
  python_peer.py finish DIR    loads the files that C++ wrote after its 10 steps, does 10 more, compares with 30 in Python
  python_peer.py golden DIR    small files with everything torch.save does to tensors, for the reader's tests

The gradient of a parameter is its distance from a target, so both sides compute the same one. PyTorch's Muon casts to bfloat16;
here its cast is changed to float32, so that differences of rounding stay small.
"""
import collections
import inspect
import os
import sys

import torch
import torch.optim._muon as module

command, folder = sys.argv[1], sys.argv[2]
torch.manual_seed(1)
torch.set_num_threads(1)

name = "_zeropower_via_newtonschulz"
exec(inspect.getsource(getattr(module, name)).replace("bfloat16()", "float()"), module.__dict__)

SHAPES = {"first": (8, 5), "second": (3, 8), "third": (8, 5), "bias": (8,), "gain": (5,)}
MATRICES, VECTORS = ["first", "second", "third"], ["bias", "gain"]


def path(file):
    return os.path.join(folder, file)


class SingleDeviceMuonWithAuxAdam(torch.optim.Optimizer):
    """The update and the state of Keller Jordan's class of that name, in float32."""

    def __init__(self, groups):
        for group in groups:
            group.setdefault("lr", 0.02 if group["use_muon"] else 3e-4)
            group.setdefault("weight_decay", 0)
            if group["use_muon"]:
                group.setdefault("momentum", 0.95)
            else:
                group.setdefault("betas", (0.9, 0.95))
                group.setdefault("eps", 1e-10)
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                p_old = p.grad
                if group["use_muon"]:
                    if not state:
                        state["momentum_buffer"] = torch.zeros_like(p)
                    buffer = state["momentum_buffer"].lerp_(p_old, 1 - group["momentum"])
                    update = p_old.lerp(buffer, group["momentum"])
                    x = update.T if update.size(0) > update.size(1) else update
                    x = x / (x.norm() + 1e-7)
                    for _ in range(5):
                        gram = x @ x.T
                        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
                    update = x.T if update.size(0) > update.size(1) else x
                    update = update * max(1, p.size(0) / p.size(1)) ** 0.5
                else:
                    if not state:
                        state.update(exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p), step=0)
                    state["step"] += 1
                    beta1, beta2 = group["betas"]
                    mean = state["exp_avg"].lerp_(p_old, 1 - beta1) / (1 - beta1 ** state["step"])
                    square = state["exp_avg_sq"].lerp_(p_old.square(), 1 - beta2) / (1 - beta2 ** state["step"])
                    update = mean / (square.sqrt() + group["eps"])
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])


class Run:
    def __init__(self, kind):
        self.parameters = {n: torch.nn.Parameter(START[n].clone()) for n in SHAPES}
        matrices, vectors = ([self.parameters[n] for n in names] for names in (MATRICES, VECTORS))
        if kind == "muon_and_adamw":
            self.optimizers = {
                "muon": torch.optim.Muon([{"params": matrices[:2]}, {"params": matrices[2:], "lr": 5e-3, "momentum": 0.9}],
                                         lr=0.02, weight_decay=0.1),
                "adamw": torch.optim.AdamW(vectors, lr=1e-2),
            }
        elif kind == "named":
            self.optimizers = {"muon": torch.optim.Muon([(n, self.parameters[n]) for n in reversed(MATRICES)], lr=0.02)}
        else:
            self.optimizers = {"both": SingleDeviceMuonWithAuxAdam([dict(params=matrices, use_muon=True),
                                                                    dict(params=vectors, use_muon=False, lr=1e-2)])}

    def steps(self, count):
        for _ in range(count):
            for n, p in self.parameters.items():
                p.grad = p.detach() - TARGET[n]
            for optimizer in self.optimizers.values():
                optimizer.step()


KINDS = ["muon_and_adamw", "named", "keller_jordan"]


def values(run):
    return {n: p.detach().clone() for n, p in run.parameters.items()}


if command == "start":
    START = {n: torch.randn(s) for n, s in SHAPES.items()}
    TARGET = {n: torch.randn(s) for n, s in SHAPES.items()}
    torch.save({"start": START, "target": TARGET}, path("problem.pt"))
    for kind in KINDS:
        run = Run(kind)
        run.steps(10)
        torch.save(values(run), path(kind + ".model.pt"))
        for which, optimizer in run.optimizers.items():
            torch.save(optimizer.state_dict(), path(f"{kind}.{which}.pt"))
        run.steps(10)
        torch.save(values(run), path(kind + ".after20.pt"))
        run.steps(10)
        torch.save(values(run), path(kind + ".after30.pt"))
elif command == "finish":
    problem = torch.load(path("problem.pt"))
    START, TARGET = problem["start"], problem["target"]
    for kind in KINDS:
        run = Run(kind)
        model = torch.load(path(f"cpp.{kind}.model.pt"))
        with torch.no_grad():
            for n, p in run.parameters.items():
                p.copy_(model[n])
        for which, optimizer in run.optimizers.items():
            optimizer.load_state_dict(torch.load(path(f"cpp.{kind}.{which}.pt")))
        run.steps(10)
        expected = torch.load(path(kind + ".after30.pt"))
        for n, p in run.parameters.items():
            error = ((p - expected[n]).norm() / expected[n].norm()).item()
            assert error < 2e-5, f"{kind}: {n} differs by {error}"
            print(f"{kind} {n} {error:.2e}")
elif command == "golden":
    layer = torch.nn.Sequential(collections.OrderedDict(fc=torch.nn.Linear(3, 2), norm=torch.nn.BatchNorm1d(2)))
    base = torch.arange(24.0)
    torch.save({
        "one": [1], "single": {"key": None}, "numbers": (2**40, -7, 3, 300, True, 1e300, -2**62),
        "text": "名前", "nested": {"a": {"b": torch.tensor([5.0])}},
        "tensors": collections.OrderedDict(
            transposed=base.view(4, 6).t(), slice=base[5:9], again=base[5:9], scalar=torch.tensor(3, dtype=torch.int64),
            bf16=torch.tensor([1.5, -2.0], dtype=torch.bfloat16), half=torch.tensor([0.5], dtype=torch.half),
            boolean=torch.tensor([True, False]), empty=torch.empty(0, 3), parameter=torch.nn.Parameter(torch.ones(2)),
            complex=torch.tensor([1 + 2j])),
        "new": {"uint16": torch.tensor([1, 65535], dtype=torch.uint16)},
    }, path("values.pt"))
    optimizer = torch.optim.Muon([layer.fc.weight], lr=0.5)
    layer(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    torch.save({"model": layer.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path("checkpoint.pt"))
    torch.save(torch.nn.Linear(2, 2), path("whole_module.pt"))

    class Evil:
        def __reduce__(self):
            return os.system, ("echo executed",)

    torch.save({"a": Evil()}, path("evil.pt"))
    torch.save({"a": torch.ones(1)}, path("old_format.pt"), _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path("script.pt"))
else:
    sys.exit(f"unknown command {command}")
