"""The reward networks in PyTorch eager, as a peer of `bench reward`; RAFT is torchvision's.

Reads one JSON object a line from standard input and answers each with one line: {"setup": {case}, "threads": n} makes
a case with random weights, {"steps": n} answers {"ms": [...], "cpuMs": [...]}.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Queries of x, keys and values of source: one matrix for all three where they are the same."""

    def __init__(self, width, heads, source=None):
        super().__init__()
        self.heads, self.own = heads, source is None
        self.qkv = nn.Linear(width, 3 * width) if self.own else nn.Linear(width, width)
        self.kv = None if self.own else nn.Linear(source, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x, source=None, mask=None):
        parts = self.qkv(x).chunk(3, -1) if self.own else (self.qkv(x), *self.kv(source).chunk(2, -1))
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class QuickGelu(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Pre-norm."""

    def __init__(self, width, heads, eps, activation):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), activation(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    def __init__(self, side, patch, width, depth, heads, eps=1e-6, activation=nn.GELU, clip=None):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch, bias=clip is None)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 1 + (side // patch) ** 2, width))
        self.pre = nn.LayerNorm(width, eps) if clip else nn.Identity()
        self.blocks = nn.Sequential(*(Block(width, heads, eps, activation) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps)
        self.out = nn.Parameter(torch.randn(width, clip)) if clip else None

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        x = self.blocks(self.pre(x))
        return self.norm(x) if self.out is None else self.norm(x[:, 0]) @ self.out


class TextLayer(nn.Module):
    """Post-norm, with a look at the image."""

    def __init__(self, width, heads, hidden, source):
        super().__init__()
        self.own, self.cross = Attention(width, heads), Attention(width, heads, source)
        self.norms = nn.ModuleList(nn.LayerNorm(width, 1e-12) for _ in range(3))
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x, mask, image):
        x = self.norms[0](self.own(x, mask=mask) + x)
        x = self.norms[1](self.cross(x, image) + x)
        return self.norms[2](self.mlp(x) + x)


class ImageReward(nn.Module):
    def __init__(self, vit, text):
        super().__init__()
        width = text["width"]
        self.vision = Vit(**vit)
        self.words = nn.Embedding(text["vocabulary"], width)
        self.places = nn.Embedding(text["positions"], width)
        self.norm = nn.LayerNorm(width, 1e-12)
        sizes = width, text["heads"], text["hidden"], vit["width"]
        self.layers = nn.ModuleList(TextLayer(*sizes) for _ in range(text["depth"]))
        widths = width, 1024, 128, 64, 16, 1
        self.head = nn.Sequential(*(nn.Linear(a, b) for a, b in zip(widths, widths[1:])))

    def forward(self, images, ids, mask):
        image = self.vision(images)
        x = self.norm(self.words(ids) + self.places.weight[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, mask[:, None, None], image)
        return self.head(x[:, 0])[:, 0]


def imagereward(case):
    model = ImageReward(case["vit"], case["text"])
    batch, length = case["batch"], 35
    return model, [torch.rand(batch, 3, case["side"], case["side"])], [
        torch.randint(0, case["text"]["vocabulary"], (batch, length)),
        torch.arange(length).expand(batch, -1) < 12,
    ]


def features(case):
    return Vit(**case["vit"]), [torch.rand(case["batch"], 3, case["side"], case["side"])], []


def raft(case):
    from torchvision.models.optical_flow import raft_large

    model = raft_large()
    pair = [torch.rand(1, 3, case["height"], case["width"]) * 2 - 1 for _ in range(2)]
    return lambda a, b: model(a, b, num_flow_updates=case["iterations"])[-1], pair, [], model


def make(case):
    run, images, rest, *model = {f.__name__: f for f in (imagereward, features, raft)}[case["kind"]](case)
    module = (model or [run])[0].eval().requires_grad_(False)

    def forward():
        with torch.no_grad():
            return run(*images, *rest)

    def gradient():
        x = images[0].clone().requires_grad_()
        return torch.autograd.grad(run(x, *rest).sum(), x)

    return gradient if case["gradient"] else forward, sum(p.numel() for p in module.parameters())


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
