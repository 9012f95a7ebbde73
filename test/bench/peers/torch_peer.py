"""PyTorch, eager or compiled, as a peer of the onnx engine.

Reads one JSON object a line from standard input and answers each with one line: {"setup": {case}, "threads": n,
"compile": false} makes a case, {"steps": n} answers {"ms": [...], "cpuMs": [...]}. Between messages it waits, so that
programs can be timed in turn.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from torch_models import CausalConv, Wan, attend, vae_decoder

LEVELS = [1.0, 0.9, 0.75, 0.5]  # noise levels of the few-step student: timesteps 1000, 750, 500, 250 with shift 3


def matmul(case, compiled):
    a, b = torch.randn(case["rows"], case["inner"]), torch.randn(case["inner"], case["columns"])
    f = compiled(torch.matmul)
    return (lambda: f(a, b)), 0


def with_gradients(module, x, compiled, backward):
    """Forward alone, or with the gradients of all weights and inputs."""
    f = compiled(module)
    weights = list(module.parameters()) if isinstance(module, nn.Module) else []
    with torch.no_grad():
        dy = torch.randn_like(module(*x))

    def step():
        if not backward:
            with torch.no_grad():
                return f(*x)
        return torch.autograd.grad(f(*(t.requires_grad_() for t in x)), [*x, *weights], dy)

    return step, 0


def attention(case, compiled):
    x = [torch.randn(case["batch"], case["tokens"], case["heads"], case["width"]) for _ in range(3)]
    return with_gradients(attend, x, compiled, case["backward"])


def normalisation(case, compiled):
    width = case["width"]
    module = nn.LayerNorm(width) if case["norm"] == "layer" else nn.RMSNorm(width)
    return with_gradients(module, [torch.randn(case["rows"], width)], compiled, case["backward"])


def mlp(case, compiled):
    width, hidden = case["width"], case["hidden"]
    module = nn.Sequential(nn.Linear(width, hidden), nn.GELU("tanh"), nn.Linear(hidden, width))
    return with_gradients(module, [torch.randn(case["rows"], width)], compiled, case["backward"])


def conv2d(case, compiled):
    b, h, w, into, out = case["shape"]
    module = nn.Conv2d(into, out, 3, padding=1)
    return with_gradients(module, [torch.randn(b, into, h, w)], compiled, case["backward"])


def conv3d(case, compiled):
    b, f, h, w, into, out = case["shape"]
    return with_gradients(CausalConv(into, out), [torch.randn(b, into, f, h, w)], compiled, case["backward"])


def small(case, compiled):
    x, count = torch.randn(case["size"]), case["count"]

    def chain(y):
        for _ in range(count):
            y = torch.tanh(y) + x
        return y

    f = compiled(chain)

    def step():
        with torch.no_grad():
            return f(x)

    return step, 0


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


class Learner:
    """AdamW on clipped gradients."""

    def __init__(self, model, clip):
        self.model, self.clip = model, clip
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def update(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return loss.item()


def latents_of(case):
    return (case["batch"], *case["latents"])


def context_of(case):
    return torch.randn(case["batch"], case["config"]["text_len"], case["config"]["text_dim"])


def spread(sigma):
    return sigma.reshape(*sigma.shape, *[1] * (5 - sigma.dim()))


def noised(x0, noise, sigma):
    s = spread(sigma)
    return (1 - s) * x0 + s * noise


def teacher(case, compiled):
    model = Wan(**case["config"])
    forward, learner = compiled(model), Learner(model, 1.0)
    latents, context = torch.randn(latents_of(case)), context_of(case)

    def step():
        noise, sigma = torch.randn_like(latents), torch.rand(case["batch"])
        v = forward(noised(latents, noise, sigma), sigma * 1000, context)
        return learner.update(F.mse_loss(v, noise - latents))

    return step, count(model)


def dmd(case, compiled):
    real, fake, generator = (Wan(**case["config"]) for _ in range(3))
    run = {m: compiled(m) for m in (real, fake, generator)}
    learners = [Learner(generator, 10.0), Learner(fake, 10.0)]
    context, empty = context_of(case), torch.zeros(case["batch"], case["config"]["text_len"], case["config"]["text_dim"])

    def clean(model, x, sigma, text):
        return x - spread(sigma) * run[model](x, sigma * 1000, text)

    def draw():
        return torch.randn(latents_of(case)), torch.rand(case["batch"]) * 0.96 + 0.02

    def generate():
        return clean(generator, torch.randn(latents_of(case)), torch.ones(case["batch"]), context)

    def step():
        x0, (noise, level) = generate(), draw()
        with torch.no_grad():
            x = noised(x0, noise, level)
            f, r, u = clean(fake, x, level, context), clean(real, x, level, context), clean(real, x, level, empty)
            r = r + 3.0 * (r - u)
            g = torch.nan_to_num((f - r) / (x0 - r).abs().mean(dim=(1, 2, 3, 4), keepdim=True))
        learners[0].update(0.5 * F.mse_loss(x0, (x0 - g).detach()))
        with torch.no_grad():
            x0, (noise, level) = generate(), draw()
        v = run[fake](noised(x0, noise, level), level * 1000, context)
        return learners[1].update(F.mse_loss(v, noise - x0))

    return step, count(real)


def phase1(case, compiled):
    model = Wan(**case["config"])
    forward, learner = compiled(model), Learner(model, 1.0)
    frames, tokens = case["latents"][0], case["latents"][1] * case["latents"][2] // 4
    frame = torch.arange(frames * tokens) // tokens
    mask = frame[:, None] >= frame[None, :]
    states, context = torch.randn(case["batch"], 5, *case["latents"]), context_of(case)
    levels = torch.tensor([*LEVELS, 0.0])

    def step():
        index = torch.randint(0, 4, (case["batch"], frames))
        x = states[torch.arange(case["batch"])[:, None], index, torch.arange(frames)]
        sigma = levels[index]
        estimate = x - spread(sigma) * forward(x, sigma * 1000, context, mask)
        return learner.update(F.mse_loss(estimate, states[:, -1]))

    return step, count(model)


def roll_out(forward, model, noise, context, exit_gradient):
    """Blocks of one frame, a cache of the past; the last step of the last block with gradient if asked."""
    b, frames, h, w, _ = noise.shape
    blocks = []
    with torch.no_grad():
        text = model.text_keys(context)
        past = model.empty_past(b, frames * h * w // 4)
        for i in range(frames):
            x = noise[:, i : i + 1]
            for j, sigma in enumerate(LEVELS):
                last = j == len(LEVELS) - 1
                gradient = exit_gradient and last and i == frames - 1
                t = torch.full((b,), sigma * 1000)
                with torch.set_grad_enabled(gradient):
                    given = {"context": context} if gradient else {"text": text}
                    x = x - sigma * forward(x, t, past=past, **given)
                if not last:
                    x = (1 - LEVELS[j + 1]) * x + LEVELS[j + 1] * torch.randn_like(x)
            blocks.append(x)
            if i < frames - 1:
                forward(x, torch.zeros(b), past=past, text=text)
                for layer in past:
                    layer.end += h * w // 4
    return torch.cat(blocks, 1)


def rollout(case, compiled):
    model = Wan(**case["config"])
    forward, context = compiled(model), context_of(case)
    return (lambda: roll_out(forward, model, torch.randn(latents_of(case)), context, False)), count(model)


def decode(case, compiled):
    model = vae_decoder(case["layers"])
    forward, latents = compiled(model), torch.randn(latents_of(case)).movedim(-1, 1).contiguous()

    def step():
        with torch.no_grad():
            return forward(latents).clamp(-1, 1)

    return step, count(model)


def phase2(case, compiled):
    model, decoder = Wan(**case["config"]), vae_decoder(case["layers"]).requires_grad_(False)
    forward, pixels, context = compiled(model), compiled(decoder), context_of(case)
    learner = Learner(model, 10.0)

    def step():
        latents = roll_out(forward, model, torch.randn(latents_of(case)), context, True)
        video = pixels(latents.movedim(-1, 1)).clamp(-1, 1)
        return learner.update(-(video[:, :, -1] * 0.5 + 0.5).mean())

    return step, count(model, decoder)


KINDS = [matmul, attention, normalisation, mlp, conv2d, conv3d, small, teacher, dmd, phase1, rollout, decode, phase2]


def timed(step, repeat):
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        step()
    return (time.perf_counter() - start) * 1e3 / repeat, (time.process_time() - cpu) * 1e3 / repeat


def main():
    kinds = {kind.__name__: kind for kind in KINDS}
    step, repeat = None, 1
    for line in sys.stdin:
        message = json.loads(line)
        if "setup" in message:
            torch.manual_seed(0)
            torch.set_num_threads(message["threads"])
            case, repeat = message["setup"], message["setup"].get("repeat", 1)
            compiled = torch.compile if message.get("compile") else lambda f: f
            step, parameters = kinds[case["kind"]](case, compiled)
            answer = {"parameters": parameters, "version": torch.__version__}
        else:
            wall, cpu = zip(*(timed(step, repeat) for _ in range(message["steps"])))
            answer = {"ms": wall, "cpuMs": cpu}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
