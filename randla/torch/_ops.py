"""How a function of the core becomes an operation of torch; no other module knows that machinery.

An operation has three ways in.  While torch compiles or exports, and for fake and meta tensors, it
is ``torch.ops.randla.<name>``, which a graph can hold.  Under `torch.func` and forward mode it is
an `autograd.Function` with vjp, jvp and vmap.  Else the kernel is called at once, or recorded by
the lightest `Function` there is: the other two cost 10 to 50 us, as many small exponentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("randla", "DEF")

# (tensors, constants, gradients by the results, which tensors want one) -> gradients
Backward = Callable[[Sequence[Tensor], Sequence[Any], Sequence[Any], Sequence[bool]], Any]
# (tensors, constants, tangents or None) -> tangents of the results
Jvp = Callable[[Sequence[Tensor], Sequence[Any], Sequence[Tensor | None]], Any]


class Operation:
    """One operation: some tensors, then constants, in; one tensor out, or several.

    Parameters
    ----------
    schema : str
        In torch's language, ``name(Tensor a, ..., int k) -> Tensor``.
    tensors : int
        Arguments that are tensors; they come first.
    results : int, default 1
        Tensors that come out, a tuple where there are more.  The derivatives get those too, after
        the arguments that are tensors, and None for what nobody asks of them.
    kernel, on_gpu : callable
        Compute the result from tensors on the CPU, or on a GPU, without autograd.
    like : callable
        Makes an empty result from the same arguments, whatever they are.
    backward, jvp : callable
        Derivatives, made of operations, so that they have derivatives themselves.
    keep : bool, default False
        Whether these get the result too, after the tensors.
    """

    def __init__(
        self,
        schema: str,
        tensors: int,
        *,
        results: int = 1,
        kernel: Callable[..., Any],
        on_gpu: Callable[..., Any],
        like: Callable[..., Any],
        backward: Backward,
        jvp: Jvp,
        keep: bool = False,
    ) -> None:
        name = schema.partition("(")[0]
        self._tensors, self._kernel = tensors, kernel
        _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
        _LIBRARY.impl(name, kernel, "CPU")
        _LIBRARY.impl(name, on_gpu, "CUDA")
        torch.library.register_fake(f"randla::{name}", like, lib=_LIBRARY)
        self._op = op = getattr(torch.ops.randla, name).default

        def kept(inputs: tuple[Any, ...], output: Any) -> tuple[Tensor, ...]:
            outputs = output if results > 1 else (output,)
            return (*inputs[:tensors], *(outputs if keep or results > 1 else ()))

        def setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.save_for_backward(*kept(inputs, output))
            ctx.constants = inputs[tensors:]
            if results > 1:
                ctx.set_materialize_grads(False)

        def reverse(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
            needed = ctx.needs_input_grad[:tensors]
            parts = backward(ctx.saved_tensors, ctx.constants, gradients, needed)
            return (*parts, *(None for _ in ctx.constants))

        torch.library.register_autograd(
            f"randla::{name}", reverse, setup_context=setup, lib=_LIBRARY
        )

        def spread(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
            moved = _batched(info.batch_size, in_dims, arguments, tensors)
            return self(*moved), 0 if results == 1 else (0,) * results

        torch.library.register_vmap(f"randla::{name}", spread, lib=_LIBRARY)

        class Eager(torch.autograd.Function):
            backward = staticmethod(reverse)

            @staticmethod
            def forward(ctx: Any, *arguments: Any) -> Any:
                output = kernel(*arguments)
                setup(ctx, arguments, output)
                return output

        class Transformed(torch.autograd.Function):
            backward = staticmethod(reverse)
            vmap = staticmethod(spread)

            @staticmethod
            def forward(*arguments: Any) -> Any:
                return op(*arguments)

            @staticmethod
            def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
                setup(ctx, inputs, output)
                ctx.save_for_forward(*kept(inputs, output))

            @staticmethod
            def jvp(ctx: Any, *tangents: Any) -> Any:
                return jvp(ctx.saved_tensors, ctx.constants, tangents[:tensors])

        Eager.__name__ = Eager.__qualname__ = name
        Transformed.__name__ = Transformed.__qualname__ = name
        self._eager, self._transformed = Eager, Transformed

    def __call__(self, *arguments: Any) -> Any:
        """Compute the result by the way that fits."""
        given = arguments[: self._tensors]
        if torch.compiler.is_compiling():
            return self._op(*arguments)
        if _transforms_active() or any(type(x) not in PLAIN for x in given):
            return self._transformed.apply(*arguments)
        if any(x.device.type != "cpu" for x in given):
            return self._op(*arguments)
        if torch.is_grad_enabled() and any(x.requires_grad for x in given):
            return self._eager.apply(*arguments)
        return self._kernel(*arguments)


class Constant:
    """One operation whose result has no derivative: indices, thresholds.

    Parameters
    ----------
    schema : str
        In torch's language, ``name(Tensor x, ...) -> Tensor``.  Tensors may be optional after the
        first.  Their batch dimensions come first, and those of the result.
    kernel : callable
        Computes the result from tensors on any device, without autograd.
    like : callable
        Makes an empty result from the same arguments, whatever they are.
    """

    def __init__(self, schema: str, *, kernel: Callable[..., Tensor], like: Callable[..., Tensor]):
        name = schema.partition("(")[0]
        self._kernel = kernel
        _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
        for device in ("CPU", "CUDA"):
            _LIBRARY.impl(name, kernel, device)
        torch.library.register_fake(f"randla::{name}", like, lib=_LIBRARY)
        self._op = getattr(torch.ops.randla, name).default

        def spread(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Tensor, int]:
            moved = [
                x
                if not isinstance(x, Tensor)
                else x.expand(info.batch_size, *x.shape)
                if d is None
                else x.movedim(d, 0)
                for x, d in zip(arguments, in_dims, strict=True)
            ]
            return self._op(*moved), 0

        torch.library.register_vmap(f"randla::{name}", spread, lib=_LIBRARY)

    def __call__(self, x: Tensor, *arguments: Any) -> Tensor:
        """Compute the result by the way that fits."""
        x = x.detach()
        if torch.compiler.is_compiling() or not is_plain(x):
            return self._op(x, *arguments)
        return self._kernel(x, *arguments)


def is_plain(x: Tensor) -> bool:
    """Whether this is memory of a device, and no transform is at work."""
    return type(x) in PLAIN and x.device.type != "meta" and not _transforms_active()


# types whose memory is what it seems
PLAIN = (Tensor, torch.nn.Parameter)


def _transforms_active() -> bool:
    return bool(
        torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0
    )


def _batched(size: int, in_dims: Any, arguments: Any, tensors: int) -> list[Any]:
    """Arguments with the dimension of vmap in front, before the batch dimensions of each."""
    moved = []
    rank = max(
        x.dim() - (d is not None)
        for x, d in zip(arguments[:tensors], in_dims[:tensors], strict=True)
    )
    for x, d in zip(arguments[:tensors], in_dims[:tensors], strict=True):
        x = x.unsqueeze(0) if d is None else x.movedim(d, 0)
        moved.append(x.reshape(x.shape[0], *(1,) * (rank + 1 - x.dim()), *x.shape[1:]))
    return [*moved, *arguments[tensors:]]
