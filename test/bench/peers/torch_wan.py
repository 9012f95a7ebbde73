"""One block of Wan2.1 in PyTorch eager, without gradient: {"setup": {config, latents}, "threads": n}, {"steps": n}."""

import json
import sys
import time

import torch

from torch_models import Wan


def make(case):
    torch.manual_seed(0)
    model = Wan(**case["config"]).eval()
    x = torch.randn(case["latents"])
    t = torch.tensor([500.0])
    with torch.inference_mode():
        text = model.text_keys(torch.randn(1, case["config"]["text_len"], case["config"]["text_dim"]))

    def step():
        with torch.inference_mode():
            model(x, t, text=text)

    return step, sum(weight.numel() for weight in model.parameters())


def timed(step):
    start, cpu = time.perf_counter(), time.process_time()
    step()
    return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3


def main():
    step = None
    for line in sys.stdin:
        message = json.loads(line)
        if "setup" in message:
            torch.set_num_threads(message["threads"])
            step, parameters = make(message["setup"])
            answer = {"parameters": parameters, "version": torch.__version__}
        else:
            wall, cpu = zip(*(timed(step) for _ in range(message["steps"])))
            answer = {"ms": wall, "cpuMs": cpu}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
