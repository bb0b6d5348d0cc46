"""Layers of matrix-exponential flows (arXiv 2512.20777), invertible with exact log-determinants.

Every layer maps images (N, C, H, W) by `forward` to ``(y, log_det)``, log_det of shape (N,), and
back by `inverse`.  The log-determinant of ``exp(M)`` is the trace of M and its inverse ``exp(-M)``,
so neither is ever solved for.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ._expm import expm, expm_multiply, phi

__all__ = [
    "ActNorm",
    "FlowModel",
    "MatrixExp1x1Conv",
    "MatrixExpCoupling",
    "Split",
    "Squeeze",
]

_FULL = 24  # largest matrix of a coupling that is not of low rank


def _images(layer: nn.Module, x: Tensor, channels: int) -> None:
    if x.dim() != 4 or x.shape[1] != channels:
        raise ValueError(
            f"{type(layer).__name__} takes images of shape (N, {channels}, H, W), "
            f"got {tuple(x.shape)}"
        )


def _positive(layer: nn.Module, **named: int) -> None:
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(
                f"{type(layer).__name__}: {name} must be an integer, got {type(value).__name__}"
            )
        if value < 1:
            raise ValueError(f"{type(layer).__name__}: {name} must be at least 1, got {value}")


class ActNorm(nn.Module):
    """Scale and shift of each channel, set by the first batch in training to normalise it.

    Parameters
    ----------
    channels : int
        Channels of the images.
    smallest : float, default 1e-3
        Least standard deviation that is divided by: constant borders of images have none.
    """

    initialised: Tensor

    def __init__(self, channels: int, smallest: float = 1e-3) -> None:
        super().__init__()
        _positive(self, channels=channels)
        self.channels, self.smallest = channels, smallest
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(False))

    def extra_repr(self) -> str:
        """Give the arguments."""
        return f"{self.channels}, smallest={self.smallest}"

    @torch.no_grad()
    def _initialise(self, x: Tensor) -> None:
        spread, mean = torch.std_mean(x.float(), dim=(0, 2, 3), correction=0)
        self.log_scale.copy_(-spread.clamp(min=self.smallest).log())
        self.shift.copy_(-mean)
        self.initialised.fill_(True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise."""
        _images(self, x, self.channels)
        if self.training and not self.initialised:
            self._initialise(x)
        y = (x + self.shift[:, None, None]) * self.log_scale.exp()[:, None, None]
        log_det = self.log_scale.sum() * (x.shape[2] * x.shape[3])
        return y, log_det.expand(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Take it back."""
        _images(self, y, self.channels)
        return y * (-self.log_scale).exp()[:, None, None] - self.shift[:, None, None]


class MatrixExp1x1Conv(nn.Module):
    """One matrix exp(W) for the channels of every pixel; it begins as a rotation.

    Parameters
    ----------
    channels : int
        Channels of the images.
    generator : torch.Generator, optional
        What draws the rotation.
    """

    def __init__(self, channels: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        _positive(self, channels=channels)
        self.channels = channels
        W = torch.randn(channels, channels, generator=generator)
        # its angles reach about pi, as those of a logarithm: larger ones only wrap round
        self.weight = nn.Parameter((W - W.mT) * (math.pi / math.sqrt(8 * channels)))

    def extra_repr(self) -> str:
        """Give the arguments."""
        return f"{self.channels}"

    def _apply_matrix(self, W: Tensor, x: Tensor) -> Tensor:
        _images(self, x, self.channels)
        return nn.functional.conv2d(x, expm(W).to(x.dtype)[:, :, None, None])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Multiply by exp(W)."""
        log_det = self.weight.diagonal().sum() * (x.shape[2] * x.shape[3])
        return self._apply_matrix(self.weight, x), log_det.expand(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Multiply by exp(-W)."""
        return self._apply_matrix(-self.weight, y)


class _Network(nn.Module):
    """A residual network of 3 x 3 convolutions whose last layer begins at zero."""

    def __init__(self, inputs: int, outputs: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(hidden, hidden, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(hidden, hidden, 1),
            )
            for _ in range(blocks)
        )
        self.last = nn.Conv2d(hidden, outputs, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.last(nn.functional.relu(h))
        return out


class MatrixExpCoupling(nn.Module):
    """Half of the channels of each pixel times exp(M), plus a shift; the other half decides both.

    ``y2 = exp(M(x1)) x2 + b(x1)``, with one matrix for each pixel.  Its log-determinant is the sum
    of the traces of M.  Up to 24 channels M is a full matrix, and the action on x2 is computed
    without its exponential; beyond, ``M = A1 A2`` has a low rank t, and ``exp(M) = I + A1
    phi_1(A2 A1) A2`` takes functions of matrices t x t alone.  Entries are a learned limit, at
    first 1 over the order, times a tanh: without one the first steps of training overflow.

    Parameters
    ----------
    channels : int
        Channels of the images, even.
    hidden : int, default 64
        Channels inside the network that gives M and b.
    blocks : int, default 2
        Its residual blocks.
    rank : int, optional
        Rank of M; default: full up to 24 channels in a half, 8 beyond.
    network : Module, optional
        Instead of that network: from (N, channels / 2, H, W) to `outputs` channels.
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 64,
        blocks: int = 2,
        *,
        rank: int | None = None,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        _positive(self, channels=channels, hidden=hidden, blocks=blocks)
        if channels % 2:
            raise ValueError(f"MatrixExpCoupling: channels must be even, got {channels}")
        self.channels, self.order = channels, channels // 2
        if rank is None and self.order > _FULL:
            rank = 8
        if rank is not None:
            _positive(self, rank=rank)
            if rank > self.order:
                most = f"channels / 2 = {self.order}"
                raise ValueError(f"MatrixExpCoupling: rank must be at most {most}, got {rank}")
        self.rank = rank
        n = self.order
        self.outputs = n + (n * n if rank is None else 2 * n * rank)
        self.network = network or _Network(n, self.outputs, hidden, blocks)
        self.limit = nn.Parameter(torch.tensor(1 / n))

    def extra_repr(self) -> str:
        """Give the arguments."""
        return f"{self.channels}, rank={self.rank}"

    def _parameters_of(self, x1: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Shift (N, n, H, W), and M or its factors (N, H, W, ...), in float32 or wider."""
        n, t = self.order, self.rank
        out = self.network(x1)
        if out.dtype in (torch.float16, torch.bfloat16):
            out = out.float()
        # one split, whose gradient is one concatenation; one copy to where matrices are packed,
        # which the exponential would else make again for its gradient
        shift, entries = out.split([n, self.outputs - n], dim=1)
        entries = self.limit * entries.permute(0, 2, 3, 1).contiguous().tanh()
        if t is None:
            return shift, entries.unflatten(-1, (n, n)), None
        # one factor begins away from zero: else neither would ever have a gradient
        first = entries[..., : n * t].unflatten(-1, (n, t))
        second = entries[..., n * t :].unflatten(-1, (t, n))
        eye = torch.eye(t, n, dtype=out.dtype, device=out.device)
        return shift, first, second + eye

    def _transform(self, x: Tensor, sign: int) -> tuple[Tensor, Tensor]:
        """Give y for sign 1 and x for sign -1, and the sum of the traces."""
        _images(self, x, self.channels)
        x1, x2 = x.chunk(2, dim=1)
        shift, first, second = self._parameters_of(x1)
        v = x2.to(first.dtype)
        v = (v if sign > 0 else v - shift).permute(0, 2, 3, 1).unsqueeze(-1)
        if second is None:
            trace = first.diagonal(dim1=-2, dim2=-1).sum((1, 2, 3))
            w = expm_multiply(first if sign > 0 else -first, v)
        else:
            small = second @ first
            w = v + sign * (first @ (phi(sign * small, 1) @ (second @ v)))
            trace = small.diagonal(dim1=-2, dim2=-1).sum((1, 2, 3))
        w = w.squeeze(-1).permute(0, 3, 1, 2)
        w = w + shift if sign > 0 else w
        return torch.cat([x1, w.to(x.dtype)], dim=1), trace

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Transform the second half."""
        return self._transform(x, 1)

    def inverse(self, y: Tensor) -> Tensor:
        """Take it back."""
        return self._transform(y, -1)[0]


class Squeeze(nn.Module):
    """Blocks of 2 x 2 pixels become four times the channels."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Fold."""
        if x.dim() != 4 or x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"Squeeze takes images with even sides, got shape {tuple(x.shape)}")
        return nn.functional.pixel_unshuffle(x, 2), x.new_zeros(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Unfold."""
        if y.dim() != 4 or y.shape[1] % 4:
            raise ValueError(
                f"Squeeze takes back images whose channels are a multiple of 4, "
                f"got shape {tuple(y.shape)}"
            )
        return nn.functional.pixel_shuffle(y, 2)


class Split(nn.Module):
    """Half of the channels leave the flow, as Gaussians whose mean and scale the others give.

    Parameters
    ----------
    channels : int
        Channels of the images, even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        _positive(self, channels=channels)
        if channels % 2:
            raise ValueError(f"Split: channels must be even, got {channels}")
        self.channels = channels
        self.prior = nn.Conv2d(channels // 2, channels, 3, padding=1)
        nn.init.zeros_(self.prior.weight)
        assert self.prior.bias is not None
        nn.init.zeros_(self.prior.bias)

    def extra_repr(self) -> str:
        """Give the arguments."""
        return f"{self.channels}"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the first half; log_det is the log-probability of the second."""
        _images(self, x, self.channels)
        kept, left = x.chunk(2, dim=1)
        mean, log_scale = self.prior(kept).chunk(2, dim=1)
        return kept, _log_normal(left, mean, log_scale)

    def inverse(self, y: Tensor, noise: Tensor | None = None) -> Tensor:
        """Draw the half that left, from standard normal numbers if given."""
        _images(self, y, self.channels // 2)
        mean, log_scale = self.prior(y).chunk(2, dim=1)
        noise = torch.randn_like(y) if noise is None else noise
        return torch.cat([y, mean + log_scale.exp() * noise], dim=1)


def _log_normal(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability under a normal distribution, summed over all but the first axis."""
    z = (x - mean) * (-log_scale).exp()
    half_log_two_pi = 0.9189385332046727
    return -(0.5 * z * z + log_scale + half_log_two_pi).flatten(1).sum(1)


class FlowModel(nn.Module):
    """A multi-scale flow: levels of squeeze, steps, split; a step is ActNorm, 1x1, coupling.

    Parameters
    ----------
    channels : int
        Channels of the images.
    steps : sequence of int, default (8, 4, 2)
        Steps of each level, as in the published configurations.
    hidden, blocks : int, default 64 and 2
        Size of the networks of the couplings.
    generator : torch.Generator, optional
        What draws the rotations.

    Examples
    --------
    >>> import torch
    >>> from randla.torch.flows import FlowModel
    >>> _ = torch.manual_seed(0)
    >>> flow = FlowModel(3, steps=(2, 1), hidden=16, blocks=1)
    >>> images = torch.rand(4, 3, 8, 8)
    >>> flow.log_prob(images).shape
    torch.Size([4])
    >>> flow.sample(2, (8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        steps: tuple[int, ...] = (8, 4, 2),
        *,
        hidden: int = 64,
        blocks: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _positive(self, channels=channels, hidden=hidden, blocks=blocks)
        if not steps:
            raise ValueError("FlowModel: steps must not be empty")
        self.channels, self.steps = channels, tuple(steps)
        layers: list[nn.Module] = []
        width = channels
        for level, count in enumerate(self.steps):
            _positive(self, steps=count)
            layers.append(Squeeze())
            width *= 4
            for _ in range(count):
                layers += [
                    ActNorm(width),
                    MatrixExp1x1Conv(width, generator=generator),
                    MatrixExpCoupling(width, hidden, blocks),
                ]
            if level + 1 < len(self.steps):
                layers.append(Split(width))
                width //= 2
        self.layers = nn.ModuleList(layers)
        self.width = width

    def extra_repr(self) -> str:
        """Give the arguments."""
        return f"{self.channels}, steps={self.steps}"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latent variables of the last level, and log-determinants with what the splits left."""
        _images(self, x, self.channels)
        total = x.new_zeros(x.shape[0], dtype=torch.float32 if x.dtype != torch.float64 else None)
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of each image, in nats."""
        z, log_det = self.forward(x)
        zero = z.new_zeros(())
        return log_det + _log_normal(z, zero, zero.expand_as(z))

    def bits_per_dim(self, x: Tensor, levels: int = 256) -> Tensor:
        """Bits per dimension of images in [0, 1) that are quantised to so many levels."""
        dimensions = x[0].numel()
        nats = -self.log_prob(x) / dimensions
        return nats / 0.6931471805599453 + torch.tensor(float(levels)).log2()

    @torch.no_grad()
    def sample(
        self,
        count: int,
        size: tuple[int, int],
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images drawn from the model."""
        _positive(self, count=count)
        scale = 2 ** len(self.steps)
        if size[0] % scale or size[1] % scale:
            raise ValueError(f"FlowModel: sides must be multiples of {scale}, got {size}")
        like: Any = next(self.parameters())

        def draw(*shape: int) -> Tensor:
            noise = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
            return temperature * noise

        y = draw(count, self.width, size[0] // scale, size[1] // scale)
        layer: Any
        for layer in reversed(self.layers):
            y = layer.inverse(y, draw(*y.shape)) if isinstance(layer, Split) else layer.inverse(y)
        return y
