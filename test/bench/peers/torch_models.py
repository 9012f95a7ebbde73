"""The product's networks in PyTorch, as its users write them: nn.Linear, F.layer_norm, scaled_dot_product_attention.

Sizes come from the caller, so that each has exactly the parameters of ours.
"""

import math

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
    """Turns pairs of x [B, L, N, D] by the angles [L, D/2]."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def attend(q, k, v, mask=None):
    """[B, L, N, D] each."""
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, dim, heads, eps):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = RMSNorm(dim, eps), RMSNorm(dim, eps)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1))

    def keys(self, y):
        return self.split(self.norm_k(self.k(y))), self.split(self.v(y))

    def forward(self, x, keys, rope=None, mask=None):
        q = self.split(self.norm_q(self.q(x)))
        return self.o(attend(q if rope is None else rotate(q, *rope), *keys, mask).flatten(2))


class Block(nn.Module):
    def __init__(self, dim, ffn, heads, eps):
        super().__init__()
        self.dim, self.eps = dim, eps
        self.self_attn, self.cross_attn = Attention(dim, heads, eps), Attention(dim, heads, eps)
        self.norm3 = nn.LayerNorm(dim, eps)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn), nn.GELU("tanh"), nn.Linear(ffn, dim))
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def norm(self, x, shift, scale):
        y = F.layer_norm(x, (self.dim,), eps=self.eps).unflatten(1, (shift.shape[1], -1))
        return (y * (1 + scale) + shift).flatten(1, 2)

    def gate(self, x, factor):
        return (x.unflatten(1, (factor.shape[1], -1)) * factor).flatten(1, 2)

    def forward(self, x, e, text, rope, mask, past):
        """x [B, L, D], e [B, T, 6, D], text keys and values, past (cached keys, values, length) or None."""
        e = (self.modulation + e).unsqueeze(3).unbind(2)  # 6 x [B, T, 1, D]
        y = self.norm(x, e[0], e[1])
        k, v = self.self_attn.keys(y)
        k = rotate(k, *rope)
        if past is not None:
            k, v = past.extend(k, v)
        x = x + self.gate(self.self_attn(y, (k, v), rope, mask), e[2])
        x = x + self.cross_attn(self.norm3(x), text)
        return x + self.gate(self.ffn(self.norm(x, e[3], e[4])), e[5])


class Past:
    """Keys and values of one layer in a buffer of full length; a pass replaces what lies from `end` on."""

    def __init__(self, batch, length, heads, width):
        self.k, self.v = torch.empty(batch, length, heads, width), torch.empty(batch, length, heads, width)
        self.end = 0

    def extend(self, k, v):
        if torch.is_grad_enabled():
            return torch.cat([self.k[:, : self.end], k], 1), torch.cat([self.v[:, : self.end], v], 1)
        until = self.end + k.shape[1]
        self.k[:, self.end : until], self.v[:, self.end : until] = k, v
        return self.k[:, :until], self.v[:, :until]


class Wan(nn.Module):
    def __init__(self, dim, ffn_dim, freq_dim, num_heads, num_layers, in_dim, out_dim, patch_size, text_dim, eps, **_):
        super().__init__()
        self.dim, self.freq, self.eps, self.patch_size, self.heads = dim, freq_dim, eps, patch_size, num_heads
        cells = math.prod(patch_size)
        self.patch = nn.Linear(in_dim * cells, dim)
        self.text = nn.Sequential(nn.Linear(text_dim, dim), nn.GELU("tanh"), nn.Linear(dim, dim))
        self.time = nn.Sequential(nn.Linear(freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.project = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(dim, ffn_dim, num_heads, eps) for _ in range(num_layers))
        self.modulation = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)
        self.head = nn.Linear(dim, out_dim * cells)
        half = dim // num_heads // 2
        angles = torch.arange(4096)[:, None] * 100.0 ** (-torch.arange(half) / half)
        self.cos, self.sin = angles.cos(), angles.sin()

    def text_keys(self, context):
        y = self.text(context)
        return [block.cross_attn.keys(y) for block in self.blocks]

    def empty_past(self, batch, tokens):
        return [Past(batch, tokens, self.heads, self.dim // self.heads) for _ in self.blocks]

    def forward(self, x, t, context=None, mask=None, past=None, text=None):
        """x [B, F, H, W, C], t [B] or [B, F] in 0..1000; the velocity."""
        (b, f, h, w, c), (_, ph, pw) = x.shape, self.patch_size
        rows = x.reshape(b, f, h // ph, ph, w // pw, pw, c).permute(0, 1, 2, 4, 6, 3, 5).flatten(1, 3).flatten(2)
        half = self.freq // 2
        t = t if t.dim() == 2 else t[:, None]
        angle = t[..., None] * torch.exp(torch.arange(half) * (-math.log(10000) / half))
        e = self.time(torch.cat([angle.cos(), angle.sin()], -1))  # [B, T, D]
        e0 = self.project(e).unflatten(-1, (6, self.dim))
        start = past[0].end if past else 0
        rope = self.cos[start : start + rows.shape[1]], self.sin[start : start + rows.shape[1]]
        text = text if text is not None else self.text_keys(context)
        y = self.patch(rows)
        for i, block in enumerate(self.blocks):
            y = block(y, e0, text[i], rope, mask, past[i] if past else None)
        shift, scale = (self.modulation[:, None] + e[:, :, None]).unsqueeze(3).unbind(2)  # 2 x [B, T, 1, D]
        y = F.layer_norm(y, (self.dim,), eps=self.eps).unflatten(1, (e.shape[1], -1))
        y = self.head((y * (1 + scale) + shift).flatten(1, 2))
        y = y.reshape(b, f, h // ph, w // pw, ph, pw, -1).permute(0, 1, 2, 4, 3, 5, 6)
        return y.reshape(b, f, h, w, -1)


class ChannelNorm(nn.Module):
    def __init__(self, channels, axes):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * axes))

    def forward(self, x):
        return F.normalize(x, dim=1) * x.shape[1] ** 0.5 * self.gamma


class CausalConv(nn.Conv3d):
    def __init__(self, into, out, kernel=3):
        size = (3, kernel, kernel)
        super().__init__(into, out, size)
        side = kernel // 2
        self.around = (side, side, side, side, 2, 0)

    def forward(self, x):
        return super().forward(F.pad(x, self.around))


def per_frame(x, f):
    """f on images of a clip [B, C, F, H, W]."""
    b, _, t = x.shape[:3]
    y = f(x.transpose(1, 2).flatten(0, 1))
    return y.unflatten(0, (b, t)).transpose(1, 2)


class Residual(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.change = nn.Sequential(
            *(ChannelNorm(into, 3), nn.SiLU(), CausalConv(into, out)),
            *(ChannelNorm(out, 3), nn.SiLU(), CausalConv(out, out)),
        )
        self.shortcut = nn.Identity() if into == out else nn.Conv3d(into, out, 1)

    def forward(self, x):
        return self.change(x) + self.shortcut(x)


class ImageAttention(nn.Module):
    def __init__(self, channels, _):
        super().__init__()
        self.norm = ChannelNorm(channels, 2)
        self.qkv, self.proj = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def image(self, x):
        q, k, v = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1).chunk(3, -1)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.squeeze(1).transpose(1, 2).unflatten(2, x.shape[2:]))

    def forward(self, x):
        return x + per_frame(x, self.image)


class Upsample(nn.Module):
    def __init__(self, into, out, temporal):
        super().__init__()
        self.time = CausalConv(into, 2 * into, 1) if temporal else None
        self.conv = nn.Conv2d(into, out, 3, padding=1)

    def forward(self, x):
        if self.time is not None and x.shape[2] > 1:
            pairs = self.time(x[:, :, 1:]).unflatten(1, (2, -1))  # [B, 2, C, F, H, W]
            x = torch.cat([x[:, :, :1], pairs.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)], 2)
        return per_frame(x, lambda y: self.conv(F.interpolate(y, scale_factor=2.0, mode="nearest")))


def head(into, out):
    return nn.Sequential(ChannelNorm(into, 3), nn.SiLU(), CausalConv(into, out))


LAYERS = {
    "conv": CausalConv,
    "pointwise": lambda into, out: nn.Conv3d(into, out, 1),
    "residual": Residual,
    "attention": ImageAttention,
    "head": head,
    "upsample2d": lambda into, out: Upsample(into, out, False),
    "upsample3d": lambda into, out: Upsample(into, out, True),
}


def vae_decoder(layers):
    """The decoder of layers {"kind", "in", "out"}: latents [B, z, f, h, w] to video [B, 3, F, H, W]."""
    return nn.Sequential(*(LAYERS[layer["kind"]](layer["in"], layer["out"]) for layer in layers))
