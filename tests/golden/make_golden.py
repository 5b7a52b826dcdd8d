#!/usr/bin/env python3
"""Makes the reference runs of this folder, which tests/optim/golden_test.cpp replays.

    python3 make_golden.py MUON_PY                 writes the three files of this folder anew
    python3 make_golden.py MUON_PY --check         makes the runs and compares them with the files
    python3 make_golden.py MUON_PY --seed 5 --out DIR    other runs, for MUON_GOLDEN_DIR=DIR build/release/bin/test_golden

The references, and what is changed in them:

torch.optim.Muon of PyTorch 2.14.1 (Debian unstable: apt-get install python3-torch).
    Newton-Schulz runs in bfloat16 there. Cases with another "ns_dtype" replace that one cast, so that the same formula can be
    compared to more digits; cases with "bfloat16" are the reference as it is.
SingleDeviceMuonWithAuxAdam of https://github.com/KellerJordan/Muon, muon.py of commit
    5bc6993fe1506fd39d5defe80b5c18c0244100a7, whose path is MUON_PY.
    The cast is replaced as above. The scale of a convolution is read from its matrix [out, in * height * width], where that
    commit reads it from the kernel's height and width; https://github.com/KellerJordan/Muon/pull/60 makes the same change.
torch.optim.AdamW and autograd of the same PyTorch, in the training of a small network.

All random numbers come from one generator a file, in the order of the cases. So a new case belongs at the end of its file's list:
the cases before it then stay as they are. Runs are made with one thread and with the vectors of AVX2. With Debian's PyTorch they
then do not depend on the kind of x86 processor; wider vectors would sum up in another order.
"""

import argparse
import hashlib
import inspect
import json
import os
import pathlib
import sys
import types

# both are read when PyTorch is loaded
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
os.environ["OPENBLAS_CORETYPE"] = "Haswell"

import torch  # noqa: E402

TORCH_VERSION = "2.14.1"
MUON_PY_SHA256 = "1eece0b562f159e88f3a65da9b6ee8d0ab2dd647cf25c88e355d4f262e796e66"
SEED = 1234

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
# dtype of the parameters, and of Newton-Schulz
PRECISIONS = [("float64", "float64"), ("float32", "float32"), ("float32", "bfloat16")]


# ---- the references ----


def replace_once(source, old, new):
    if source.count(old) != 1:
        sys.exit(f"make_golden: the reference has {source.count(old)} times, and not once: {old}")
    return source.replace(old, new)


def module_of(source, name):
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def torch_muon(ns_dtype):
    """The class torch.optim.Muon whose Newton-Schulz runs in `ns_dtype`."""
    import torch.optim._muon as reference

    source = inspect.getsource(reference).replace("from .optimizer import", "from torch.optim.optimizer import")
    if ns_dtype != "bfloat16":
        # a copy, because a cast to the type that a tensor has already would leave the momentum buffer itself to be changed in place
        source = replace_once(source, "grad.bfloat16()", f"grad.to(torch.{ns_dtype}).clone()")
    return module_of(source, "torch_muon_" + ns_dtype).Muon


def keller_jordan(muon_py, ns_dtype):
    """The class SingleDeviceMuonWithAuxAdam whose Newton-Schulz runs in `ns_dtype`."""
    source = muon_py
    if ns_dtype != "bfloat16":
        source = replace_once(source, "G.bfloat16()", f"G.to(torch.{ns_dtype})")
    flatten = "        update = update.view(len(update), -1)\n"
    source = replace_once(source, flatten, flatten + "        grad = grad.view(len(grad), -1)\n")
    return module_of(source, "keller_jordan_" + ns_dtype).SingleDeviceMuonWithAuxAdam


# ---- recorded runs ----


def recorded(tensor):
    digits = 17 if tensor.dtype == torch.float64 else 9  # enough to read back the same bits
    return {
        "shape": list(tensor.shape),
        "data": [float(f"{float(value):.{digits}g}") for value in tensor.detach().reshape(-1)],
    }


def run(make_optimizer, shapes, dtype, steps, generator):
    """Feeds `steps` gradients to an optimizer and records parameters after each. Returns the record, optimizer and parameters."""

    def normal(shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    params = [normal(shape).mul(0.1).to(dtype).requires_grad_() for shape in shapes]
    optimizer = make_optimizer(params)
    record = {"initial": [recorded(param) for param in params], "grads": [], "params": []}
    for step in range(steps):
        for param in params:
            # columns of falling size, and a scale that grows from step to step: nearer to real gradients than white noise
            columns = torch.logspace(0, -2, param.shape[-1], dtype=torch.float64)
            param.grad = (normal(param.shape) * columns * 10.0 ** (step - 3)).to(dtype)
        record["grads"].append([recorded(param.grad) for param in params])  # before the step, which may write to them
        optimizer.step()
        record["params"].append([recorded(param) for param in params])
    return record, optimizer, params


def torch_optim_muon(seed):
    """Matrices that are tall, wide, square, a row and a column, under each option."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(16, 8), (8, 16), (12, 12), (1, 5), (5, 1)]
    options = [
        {},
        {"lr": 0.02, "weight_decay": 0.01},
        {"lr": 0.01, "momentum": 0.8},
        {"lr": 0.02, "nesterov": False},
        {"lr": 0.02, "ns_steps": 6},
        {"lr": 0.02, "ns_coefficients": (3.4, -4.7, 2.0)},
        {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"},
        {"lr": 0.02, "adjust_lr_fn": "spectral_unclamped"},
        {"lr": 0.02, "eps": 1e-3},
        {"lr": 0.02, "momentum": 0.0},
        {"lr": 0.02, "weight_decay": 0.0, "ns_steps": 0},
    ]
    plan = [(precision, one) for precision in PRECISIONS for one in options]
    cases = []
    for (param_dtype, ns_dtype), one in plan:
        muon = torch_muon(ns_dtype)
        record, optimizer, params = run(lambda params: muon(params, **one), shapes, DTYPES[param_dtype], 3, generator)
        record["reference"] = f"torch.optim.Muon {TORCH_VERSION}"
        record["param_dtype"] = param_dtype
        record["ns_dtype"] = ns_dtype
        record["options"] = one
        record["momentum_buffer"] = [recorded(optimizer.state[param]["momentum_buffer"]) for param in params]
        cases.append(record)
    return cases


def muon_with_aux_adam(seed, muon_py):
    """Matrices, a convolution, vectors and a matrix under Adam, with the defaults and with options of each kind."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(16, 8), (8, 16), (6, 4, 3, 3), (16,), (10, 8), (4,)]
    use_muon = [True, True, True, False, False, False]
    options = [
        ({}, {}),
        ({"lr": 0.02, "weight_decay": 0.01}, {"lr": 3e-4, "betas": (0.9, 0.95), "weight_decay": 0.01}),
        (
            {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1},
            {"lr": 1e-2, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1},
        ),
    ]
    plan = [(precision, one) for precision in PRECISIONS for one in options]
    cases = []
    for (param_dtype, ns_dtype), (muon_options, adam_options) in plan:
        optimizer_class = keller_jordan(muon_py, ns_dtype)

        def make_optimizer(params):
            of_muon = [param for param, muon in zip(params, use_muon) if muon]
            of_adam = [param for param, muon in zip(params, use_muon) if not muon]
            return optimizer_class(
                [
                    {"params": of_muon, "use_muon": True, **muon_options},
                    {"params": of_adam, "use_muon": False, **adam_options},
                ]
            )

        record, _, _ = run(make_optimizer, shapes, DTYPES[param_dtype], 5, generator)
        record["reference"] = "KellerJordan/Muon SingleDeviceMuonWithAuxAdam, conv scale as fixed upstream"
        record["param_dtype"] = param_dtype
        record["ns_dtype"] = ns_dtype
        record["use_muon"] = use_muon
        record["muon_options"] = muon_options
        record["adam_options"] = adam_options
        cases.append(record)
    return cases


def two_optimizers_net(seed):
    """A training by autograd: fc1.weight under Muon, all else under torch.optim.AdamW, and the loss of every step."""
    generator = torch.Generator().manual_seed(seed)
    inputs, hidden, classes, batch = (20, 16, 4, 32)
    net = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)).double()
    for param in net.parameters():
        param.data = torch.randn(param.shape, generator=generator, dtype=torch.float64) * 0.2
    x = torch.randn(batch, inputs, generator=generator, dtype=torch.float64)
    y = torch.randint(0, classes, (batch,), generator=generator)
    fc1, fc2 = net[0], net[2]
    muon_options = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.01}
    adamw_options = {"lr": 1e-3, "weight_decay": 0.01}
    muon = torch_muon("float64")([fc1.weight], **muon_options)
    adamw = torch.optim.AdamW([fc1.bias, *fc2.parameters()], **adamw_options)

    def recorded_params():
        return dict(zip(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"], map(recorded, net.parameters())))

    initial = recorded_params()
    losses, grad_norms = [], []
    for _ in range(30):
        muon.zero_grad()
        adamw.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        losses.append(loss.item())
        grad_norms.append([float(param.grad.norm()) for param in net.parameters()])
        muon.step()
        adamw.step()
    return [
        {
            "reference": f"torch {TORCH_VERSION} autograd, torch.optim.Muon (NS in float64) on fc1.weight"
            " + torch.optim.AdamW on the rest",
            "muon_options": muon_options,
            "adamw_options": adamw_options,
            "initial": initial,
            "x": recorded(x),
            "y": y.tolist(),
            "losses": losses,
            "grad_norms": grad_norms,
            "final": recorded_params(),
        }
    ]


# ---- files ----


def lines_of(value, indent=""):
    """JSON with a tensor, or whatever else is short, in one line, so that a change of a case is a change of its lines."""
    one_line = json.dumps(value)
    if not isinstance(value, (dict, list)) or "shape" in value or len(one_line) <= 100:
        return one_line
    inner = indent + " "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {lines_of(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + "\n" + indent + "}"
    if all(isinstance(item, (int, float)) for item in value):
        return one_line
    return "[\n" + ",\n".join(inner + lines_of(item, inner) for item in value) + "\n" + indent + "]"


def difference(ours, stored, where):
    """The largest difference of two numbers at the same place, relative to the largest of their list. Exits if anything else differs."""
    if isinstance(ours, dict) and isinstance(stored, dict) and ours.keys() == stored.keys():
        return max((difference(ours[key], stored[key], f"{where}.{key}") for key in ours), default=0)
    if isinstance(ours, list) and isinstance(stored, list) and len(ours) == len(stored):
        if ours and all(type(item) is float for item in ours + stored):
            largest = max(abs(item) for item in stored)
            return max(abs(a - b) for a, b in zip(ours, stored)) / (largest or 1)
        return max((difference(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(ours, stored))), default=0)
    if ours != stored:
        sys.exit(f"make_golden: {where} is {str(stored)[:80]} in the file, and {str(ours)[:80]} here")
    return 0


def main():
    parser = argparse.ArgumentParser(description="Makes the reference runs of tests/golden.")
    parser.add_argument("muon_py", type=pathlib.Path, help="muon.py of KellerJordan/Muon, at the commit named in this script")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent, help="folder (default: this one)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the random numbers (default: {SEED}, the stored files')")
    parser.add_argument("--check", action="store_true", help="compare with the files in the folder, and write nothing")
    arguments = parser.parse_args()

    if torch.__version__.partition("+")[0] != TORCH_VERSION:
        sys.exit(f"make_golden: this is PyTorch {torch.__version__}; the reference is {TORCH_VERSION}")
    muon_py = arguments.muon_py.read_bytes()
    if hashlib.sha256(muon_py).hexdigest() != MUON_PY_SHA256:
        sys.exit(f"make_golden: {arguments.muon_py} is another muon.py than the one this script names (SHA-256 differs)")
    torch.set_num_threads(1)

    files = {
        "torch_optim_muon": torch_optim_muon(arguments.seed),
        "muon_with_aux_adam": muon_with_aux_adam(arguments.seed + 1, muon_py.decode()),
        "two_optimizers_net": two_optimizers_net(arguments.seed + 2),
    }
    all_equal = True
    for name, cases in files.items():
        path = arguments.out / f"{name}.json"
        text = lines_of(cases) + "\n"
        if arguments.check:
            largest = difference(json.loads(text), json.loads(path.read_text()), name)
            print(f"{path}: {len(cases)} cases, " + (f"different by {largest:.1e} of a tensor" if largest else "equal"))
            all_equal = all_equal and largest == 0
        else:
            path.write_text(text)
            print(f"{path}: {len(cases)} cases")
    return 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
