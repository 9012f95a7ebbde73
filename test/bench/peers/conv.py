"""Causal 3x3x3 convolution with its gradients in PyTorch eager, as a peer of the onnx engine.

{"setup": {"shape": [B, F, H, W, In, Out], "threads": n}} makes the data; {"steps": n} answers {"ms": [...], "cpuMs": [...]}.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F


def make(shape):
    batch, frames, height, width, inputs, outputs = shape
    x = torch.randn(batch, inputs, frames, height, width, requires_grad=True)
    weight = torch.randn(outputs, inputs, 3, 3, 3, requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)

    def step():
        start, cpu = time.perf_counter(), time.process_time()
        y = F.conv3d(F.pad(x, (1, 1, 1, 1, 2, 0)), weight, bias)
        torch.autograd.grad(y.square().sum(), (x, weight, bias))
        return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3

    return step


def main():
    step = None
    for line in sys.stdin:
        message = json.loads(line)
        if "setup" in message:
            torch.set_num_threads(message["setup"]["threads"])
            step = make(message["setup"]["shape"])
            answer = {"torch": torch.__version__}
        else:
            wall, cpu = zip(*(step() for _ in range(message["steps"])))
            answer = {"ms": wall, "cpuMs": cpu}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
