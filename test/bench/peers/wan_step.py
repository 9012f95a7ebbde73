"""One training step of a Wan-shaped diffusion transformer in PyTorch eager, as a peer of the onnx engine.

Reads one JSON object a line from standard input and answers each with one line:
{"setup": {...sizes}} builds the model; {"steps": n} runs n steps and answers {"ms": [...], "cpuMs": [...], "loss": x}.
The process waits on its input in between, so that two peers can be timed in turn.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rotate(x, cos, sin):
    pairs = x.unflatten(-1, (-1, 2))
    even, odd = pairs[..., 0], pairs[..., 1]
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, dim, heads, eps, sdpa):
        super().__init__()
        self.heads, self.sdpa = heads, sdpa
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = RMSNorm(dim, eps), RMSNorm(dim, eps)

    def forward(self, x, y, rope=None):
        q = self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1))
        k = self.norm_k(self.k(y)).unflatten(-1, (self.heads, -1))
        v = self.v(y).unflatten(-1, (self.heads, -1))
        if rope is not None:
            q, k = rotate(q, *rope), rotate(k, *rope)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        if self.sdpa:
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            out = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1) @ v
        return self.o(out.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, dim, ffn, heads, eps, sdpa):
        super().__init__()
        self.dim, self.eps = dim, eps
        self.self_attn = Attention(dim, heads, eps, sdpa)
        self.cross_attn = Attention(dim, heads, eps, sdpa)
        self.norm3 = nn.LayerNorm(dim, eps)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn), nn.GELU("tanh"), nn.Linear(ffn, dim))
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def norm(self, x, shift, scale, frames):
        y = F.layer_norm(x, (self.dim,), eps=self.eps).unflatten(1, (frames, -1))
        return (y * (1 + scale) + shift).flatten(1, 2)

    def gate(self, x, factor, frames):
        return (x.unflatten(1, (frames, -1)) * factor).flatten(1, 2)

    def forward(self, x, e, context, rope):
        frames = e.shape[1]
        e = (self.modulation + e).unsqueeze(3).unbind(2)  # 6 x [B, F, 1, D]
        x = x + self.gate(self.self_attn(y := self.norm(x, e[0], e[1], frames), y, rope), e[2], frames)
        x = x + self.cross_attn(self.norm3(x), context)
        return x + self.gate(self.ffn(self.norm(x, e[3], e[4], frames)), e[5], frames)


class Model(nn.Module):
    def __init__(self, *, dim, ffn, freq, heads, layers, frames, tokens, channels, text, sdpa=False, eps=1e-6):
        super().__init__()
        self.dim, self.frames, self.freq, self.eps = dim, frames, freq, eps
        self.patch = nn.Linear(channels, dim)
        self.text = nn.Sequential(nn.Linear(text, dim), nn.GELU("tanh"), nn.Linear(dim, dim))
        self.time = nn.Sequential(nn.Linear(freq, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.project = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(dim, ffn, heads, eps, sdpa) for _ in range(layers))
        self.modulation = nn.Parameter(torch.randn(1, 1, 2, dim) / dim**0.5)
        self.head = nn.Linear(dim, channels)
        half = dim // heads // 2
        angles = torch.arange(frames * tokens)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.rope = angles.cos(), angles.sin()

    def forward(self, x, t, context):
        half = self.freq // 2
        angle = t[..., None] * torch.exp(torch.arange(half) * (-math.log(10000) / half))
        e = self.time(torch.cat([angle.cos(), angle.sin()], -1))  # [B, F, D]
        e0 = self.project(e).unflatten(-1, (6, self.dim))
        h, context = self.patch(x), self.text(context)
        for block in self.blocks:
            h = block(h, e0, context, self.rope)
        shift, scale = (self.modulation + e[:, :, None]).unsqueeze(3).unbind(2)  # 2 x [B, F, 1, D]
        h = F.layer_norm(h, (self.dim,), eps=self.eps).unflatten(1, (self.frames, -1))
        return self.head((h * (1 + scale) + shift).flatten(1, 2))


class Run:
    def __init__(self, size):
        torch.manual_seed(0)
        batch, length = size.pop("batch"), size.pop("textLength")
        torch.set_num_threads(size.pop("threads"))
        self.model = Model(**size)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        frames, tokens = size["frames"], size["tokens"]
        self.x = torch.randn(batch, frames * tokens, size["channels"])
        self.target = torch.randn_like(self.x)
        self.t = torch.rand(batch, frames) * 1000
        self.context = torch.randn(batch, length, size["text"])

    def step(self):
        start, cpu = time.perf_counter(), time.process_time()
        loss = (self.model(self.x, self.t, self.context) - self.target).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3, value


def main():
    run = None
    for line in sys.stdin:
        message = json.loads(line)
        if "setup" in message:
            run = Run(message["setup"])
            answer = {"parameters": sum(p.numel() for p in run.model.parameters()), "torch": torch.__version__}
        else:
            results = [run.step() for _ in range(message["steps"])]
            wall, cpu, losses = zip(*results)
            answer = {"ms": wall, "cpuMs": cpu, "loss": losses[-1]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
