"""train.py DATA EPOCHS THREADS muon|adamw: the training loop of `muon train` in Python, with torch.optim.Muon in float32.

Prints the seconds of the loop and the test accuracy. DATA is a folder with MNIST's four gzipped files.
"""
import gzip
import inspect
import sys
import time

import torch
import torch.optim._muon as module

data, epochs, threads, way = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(threads)
torch.manual_seed(0)
source = inspect.getsource(module._zeropower_via_newtonschulz)
exec(source.replace("bfloat16()", "float()"), module.__dict__)


def read(name, offset):
    with gzip.open(f"{data}/{name}.gz") as file:
        return torch.frombuffer(bytearray(file.read()[offset:]), dtype=torch.uint8)


def images(name):
    return (read(name, 16).view(-1, 784).float() / 255 - 0.1307) / 0.3081


train_x, train_y = images("train-images-idx3-ubyte"), read("train-labels-idx1-ubyte", 8).long()
test_x, test_y = images("t10k-images-idx3-ubyte"), read("t10k-labels-idx1-ubyte", 8).long()
net = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
if way == "muon":
    others = [net[0].bias, net[2].weight, net[2].bias]
    optimizers = [torch.optim.Muon([net[0].weight], lr=0.02, weight_decay=0.01), torch.optim.AdamW(others, lr=3e-3, weight_decay=0.01)]
else:
    optimizers = [torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)]
total = epochs * ((len(train_x) + 127) // 128)
schedulers = [torch.optim.lr_scheduler.CosineAnnealingLR(o, total) for o in optimizers]
begin = time.perf_counter()
for _ in range(epochs):
    order = torch.randperm(len(train_x))
    for first in range(0, len(order), 128):
        batch = order[first : first + 128]
        loss = torch.nn.functional.cross_entropy(net(train_x[batch]), train_y[batch])
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for scheduler in schedulers:
            scheduler.step()
    with torch.no_grad():
        accuracy = (net(test_x).argmax(1) == test_y).float().mean().item()
print(f"{time.perf_counter() - begin:.2f} {100 * accuracy:.2f}")
