"""The experiment of matrix-exponential flows (arXiv 2512.20777) on CPUs: four exponentials.

The layers are those of `randla.torch.flows`, at the sizes of the published configurations for
ImageNet32 and ImageNet64: three levels of 8, 4 and 2 steps, batches of 64 images.  The images are
random crops of the two photos of scikit-learn, or Fashion-MNIST from its IDX file.  The
exponentials are the first flow's loop, torch.matrix_exp, the paper's algorithm, and randla's.

Usage:
    python flow_training.py exponentials --size 32 64     # the 28 exponentials alone
    python flow_training.py steps --size 32               # training step, sampling, shares, memory
    python flow_training.py steps --network published --shares-only
    python flow_training.py train --steps 300 --figures . # curves, samples, bits per dimension
    python flow_training.py train --fashion train-images-idx3-ubyte.gz --steps 100
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import timing  # first: it sets the thread variables, which NumPy reads when imported

# isort: split

import contextlib
import copy
import gzip
import statistics
import subprocess
import time

import numpy as np
import torch
from bench_expm_peers import flow_taylor, paper_expm
from torch import nn

import randla
from randla.torch import flows

STEPS, BATCH, LEFT_OUT = (8, 4, 2), 64, 160  # the last columns of the photos are not trained on
LOOP, TORCH, PAPER, RANDLA = "Taylor loop", "torch.matrix_exp", "paper's algorithm", "randla"
CONTROL = "randla, moved"  # from a start that is moved by one rounding: what training makes of that
COLORS = {LOOP: "#D55E00", TORCH: "#CC79A7", PAPER: "#009E73", RANDLA: "#0072B2"}

# ---- four exponentials -----------------------------------------------------------------------


def packed_matrix_exp(a):
    """torch.matrix_exp, which raises for the strides that channels before pixels give a matrix."""
    return torch.matrix_exp(a.contiguous())


def formed(expm):
    """Product with the exponential, as flows do it whose exponential must be formed."""
    return expm, lambda a, x: expm(a) @ x


EXPONENTIALS = {
    LOOP: formed(flow_taylor(torch)),
    TORCH: formed(packed_matrix_exp),
    PAPER: formed(paper_expm(torch)),
    RANDLA: (randla.torch.expm, randla.torch.expm_multiply),
}


@contextlib.contextmanager
def exponential(name, wrap=lambda f: f):
    """Let the layers use that exponential; phi, for more than 24 channels, is not reached here."""
    before = flows.expm, flows.expm_multiply
    flows.expm, flows.expm_multiply = map(wrap, EXPONENTIALS[name])
    try:
        yield
    finally:
        flows.expm, flows.expm_multiply = before


class Stopwatch:
    """Time spent in wrapped functions, forward and in the backward pass.

    The gradient of a result starts the clock and the gradients of all arguments stop it: torch's
    engine takes the nodes in between one after the other.
    """

    def __init__(self, clock):
        self.clock, self.seconds = clock, 0.0

    def start(self):
        self.seconds -= self.clock()

    def stop(self):
        self.seconds += self.clock()

    def wrap(self, function):
        watch = self

        class Stop(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *arguments):
                return tuple(x.view_as(x) for x in arguments)

            @staticmethod
            def backward(ctx, *gradients):
                watch.stop()
                return gradients

        class Start(torch.autograd.Function):
            @staticmethod
            def forward(ctx, result):
                return result.view_as(result)

            @staticmethod
            def backward(ctx, gradient):
                watch.start()
                return gradient

        def timed(*arguments):
            graph = torch.is_grad_enabled()
            arguments = Stop.apply(*arguments) if graph else arguments
            watch.start()
            result = function(*arguments)
            watch.stop()
            return Start.apply(result) if graph else result

        return timed


# ---- images ----------------------------------------------------------------------------------


class Photos:
    """Random crops of scikit-learn's two photos, as floats in [0, 1) with dequantising noise."""

    channels = 3

    def __init__(self, size):
        from sklearn.datasets import load_sample_images

        self.size = (size, size)
        self.photos = torch.from_numpy(np.stack(load_sample_images().images)).permute(0, 3, 1, 2)

    def batch(self, generator, *, held_out=False, count=BATCH):
        (side, _), (height, width) = self.size, self.photos.shape[2:]
        edge = width - LEFT_OUT
        low, high = (edge, width) if held_out else (0, edge)

        def draw(end):
            return torch.randint(end, (count,), generator=generator).tolist()

        places = zip(draw(2), draw(height - side + 1), draw(high - low - side + 1), strict=True)
        crops = [self.photos[p, :, i : i + side, low + j : low + j + side] for p, i, j in places]
        return dequantised(torch.stack(crops), generator)


class Fashion:
    """Fashion-MNIST with a margin, 32 x 32; the last tenth is not trained on."""

    channels, size = 1, (32, 32)

    def __init__(self, path):
        with gzip.open(path) if str(path).endswith(".gz") else open(path, "rb") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        self.images = torch.from_numpy(np.pad(pixels, ((0, 0), (0, 0), (2, 2), (2, 2))))

    def batch(self, generator, *, held_out=False, count=BATCH):
        edge = len(self.images) * 9 // 10
        low, high = (edge, len(self.images)) if held_out else (0, edge)
        chosen = torch.randint(low, high, (count,), generator=generator)
        return dequantised(self.images[chosen], generator)


def dequantised(pixels, generator):
    return (pixels + torch.rand(pixels.shape, generator=generator)) / 256


# ---- flows -----------------------------------------------------------------------------------


class Affine(nn.Module):
    """Scale and shift of each channel."""

    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        return self.scale * x + self.shift


class PublishedNetwork(nn.Module):
    """Network of a coupling at the published size: 8 residual blocks of 3 x 3, 1 x 1, 3 x 3."""

    def __init__(self, inputs, outputs, hidden=128, blocks=8):
        super().__init__()

        def convolution(start, side):
            inner = nn.Conv2d(start, hidden, side, padding=side // 2, bias=False)
            return nn.Sequential(inner, Affine(hidden))

        def block():
            a, b, c = (convolution(hidden, side) for side in (3, 1, 3))
            return nn.Sequential(a, nn.ELU(), b, nn.ELU(), c)

        self.first = convolution(inputs, 3)
        self.blocks = nn.ModuleList(block() for _ in range(blocks))
        self.last = nn.Conv2d(hidden, outputs, 3, padding=1)
        for inner in self.blocks:  # they begin as the identity
            nn.init.zeros_(inner[-1][1].scale)

    def forward(self, x):
        x = nn.functional.elu(self.first(x))
        for block in self.blocks:
            x = nn.functional.elu(x + block(x))
        return self.last(x)


def make_flow(channels, network, seed):
    """A flow whose couplings begin close to the identity.

    At M = 0 itself the loop stops before its first term, and its result has no gradient.
    """
    torch.manual_seed(seed)
    model = flows.FlowModel(channels, STEPS, hidden=32, blocks=1)
    for layer in couplings(model):
        if network == "published":
            layer.network = PublishedNetwork(layer.order, layer.outputs)
            nn.init.zeros_(layer.network.last.bias)
        nn.init.normal_(layer.network.last.weight, std=1e-3)
    return model


def couplings(model):
    return [layer for layer in model.layers if isinstance(layer, flows.MatrixExpCoupling)]


def infinity_norms(matrices):
    return matrices.abs().sum(-1).amax(-1).flatten()


@torch.no_grad()
def excite(model, images, median=0.85):
    """Give the couplings' matrices the median norm that they reach in training.

    At the start they are zero, where every exponential is cheap.  Returns the norms of all.
    """
    norms = {"couplings": [], "convolutions": []}
    x = images
    for layer in model.layers:
        if isinstance(layer, flows.MatrixExpCoupling):
            x1 = x.chunk(2, dim=1)[0]
            layer.network.last.weight[layer.order :].normal_(0, 0.05)

            def matrix_norms(layer=layer, x1=x1):
                return infinity_norms(layer._parameters_of(x1)[1])

            layer.limit *= median / matrix_norms().median()
            norms["couplings"].append(matrix_norms())
        elif isinstance(layer, flows.MatrixExp1x1Conv):
            norms["convolutions"].append(infinity_norms(layer.weight))
        x = layer(x)[0]
    return {key: torch.cat(values) for key, values in norms.items()}


def trainer(model, rate=2e-3, steps=1):
    """Make a function that takes one step of Adamax, as published; the rate rises, then falls."""
    optimizer = torch.optim.Adamax(model.parameters(), lr=rate)
    rise = min(20, steps)
    plan = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / rise, (steps - k) / max(steps - rise, 1))
    )

    def step(images):
        optimizer.zero_grad()
        loss = model.bits_per_dim(images).mean()
        loss.backward()
        optimizer.step()
        plan.step()
        return loss.item()

    return step


# ---- the exponentials alone ------------------------------------------------------------------


def layer_matrices(size, seed=0):
    """Matrices, vectors and gradients at the shapes and norms of training: (count, tensors)."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    layers = []
    for n, pixels, count in ((6, 256, 8), (12, 64, 4), (24, 16, 2)):
        shape = (BATCH, pixels * (size // 32) ** 2)
        norm = 0.85 * torch.exp(0.3 * normal(*shape, 1, 1)).clamp(max=2 / 0.85)
        a = normal(*shape, n, n)
        a *= norm / a.abs().sum(-1, keepdim=True).amax(-2, keepdim=True)
        layers.append((count, (a, normal(*shape, n, 1)), normal(*shape, n, 1)))
    for n, count, norm in ((12, 8, 7.0), (24, 4, 9.5), (48, 2, 12.0)):
        w = normal(n, n)
        w = w - w.mT
        layers.append((count, (w / w.abs().sum(-1).max() * norm,), normal(n, n)))
    return layers


def run_exponentials(bench, size, *, backward, strided):
    """Table of all 28 exponentials, the products with x included."""
    layers = []
    for count, inputs, gradient in layer_matrices(size):
        if strided and len(inputs) > 1:
            shapes = [x.shape[2:] for x in inputs]
            inputs = tuple(x.flatten(2).mT.contiguous() for x in inputs)
            inputs = tuple(x.mT.unflatten(2, s) for x, s in zip(inputs, shapes, strict=True))
        layers.append((count, inputs, gradient))

    def call_of(name):
        expm, multiply = EXPONENTIALS[name]

        def call():
            answers = []
            for count, inputs, gradient in layers:
                for _ in range(count):
                    leaves = [x.detach().requires_grad_(backward) for x in inputs]
                    y = (multiply if len(leaves) > 1 else expm)(*leaves)
                    if backward:
                        y.backward(gradient)
                answers.append([y, *(x.grad for x in leaves)])
            return answers

        return call

    def check(answers):
        """Worst error, of result or gradient, over the largest entry of that tensor."""
        worst = 0.0
        for (_, inputs, gradient), answer in zip(layers, answers, strict=True):
            # a few matrices will do: torch's exponential in double precision is slow
            few = [x[:1, :32] if x.dim() > 2 else x for x in (*inputs, gradient)]
            leaves = [x.double().contiguous().requires_grad_() for x in few[:-1]]
            with torch.enable_grad():
                y = torch.matrix_exp(leaves[0])
                y = y @ leaves[1] if len(leaves) > 1 else y
                y.backward(few[-1].double())
            wanted = [y, *(x.grad for x in leaves)]
            for got, exact in zip(answer if backward else answer[:1], wanted, strict=False):
                got = got[:1, :32] if got.dim() > 2 else got
                worst = max(worst, ((got - exact).abs().max() / exact.abs().max()).item())
        return {"worst error": worst}

    what = "forward and backward" if backward else "forward"
    order = "channels first" if strided else "packed"
    bench.table(
        f"28 exponentials, {size} x {size}, {what}, {order}",
        [timing.Contender(name, call_of(name), role_of(name)) for name in EXPONENTIALS],
        check,
    )


def role_of(name):
    return "randla" if name == RANDLA else "peer"


def exponentials(bench, args):
    for size in args.size:
        run_exponentials(bench, size, backward=True, strided=False)
        run_exponentials(bench, size, backward=True, strided=True)
        with torch.no_grad():
            run_exponentials(bench, size, backward=False, strided=False)


# ---- whole steps -----------------------------------------------------------------------------


def describe(norms):
    return "; ".join(
        f"{key}: median norm {values.median():.2f}, largest {values.max():.2f}"
        for key, values in norms.items()
    )


def setting(args, size):
    """(flow, images, function that takes a step) away from the start; parameters stay."""
    data = data_of(args, size)
    images = data.batch(torch.Generator().manual_seed(1))
    model = make_flow(data.channels, args.network, args.seed)
    model.train()
    norms = excite(model, images)
    return model, images, trainer(model, rate=0.0), norms  # the work, without leaving these norms


def steps(bench, args):
    for size in args.size:
        model, images, step, norms = setting(args, size)
        parameters = sum(p.numel() for p in model.parameters())
        title = f"{args.network} network ({parameters:,} parameters), {size} x {size}"
        print(f"\n# {title}: {describe(norms)}", flush=True)

        def sample(model=model, size=size):
            return model.sample(BATCH, (size, size), generator=torch.Generator().manual_seed(0))

        calls = {"training step": lambda: step(images), "batch of 64 samples": sample}  # noqa: B023
        for what, call in {} if args.shares_only else calls.items():

            def swapped(name, call=call):
                with exponential(name):
                    return call()

            bench.table(
                f"{what}, {title}",
                [
                    timing.Contender(name, lambda name=name: swapped(name), role_of(name))
                    for name in EXPONENTIALS
                ],
            )
        rows = []
        print(f"\n### {title}: time, and the part of it in exponentials; memory of a step")
        for name in EXPONENTIALS:
            row = {"name": name}
            for what, call in calls.items():
                row[what], row[f"{what}, share"] = shares(bench, name, call)
            line = f"{name:20}" + "".join(
                f"{what:>22} {timing.seconds(row[what])}, {100 * row[f'{what}, share']:.1f} %"
                for what in calls
            )
            if not args.shares_only:
                row["memory"] = memory_of_a_step(args, size, name)
                line += f"{row['memory']:8.0f} MB"
            print(line, flush=True)
            rows.append(row)
        timing.keep(bench, f"shares, {title}", rows)


def shares(bench, name, call):
    """Seconds of a call, and the part that its exponentials take: medians of a few calls."""
    samples = []
    for _ in range(1 if bench.args.shares_only else 3):
        watch = Stopwatch(bench.clock)
        with exponential(name, watch.wrap):
            start = bench.clock()
            call()
            spent = bench.clock() - start
        samples.append((spent, watch.seconds / spent))
    return [statistics.median(column) for column in zip(*samples, strict=True)]


def memory_of_a_step(args, size, name):
    """Megabytes that one step adds to the peak of a process of its own."""
    command = [sys.executable, __file__, "memory", "--size", str(size), "--exponential", name]
    command += ["--network", args.network, "--seed", str(args.seed)]
    if args.fashion:
        command += ["--fashion", str(args.fashion)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def memory(args):
    """Print what `memory_of_a_step` reads."""
    _, images, step, _ = setting(args, args.size[0])
    before = peak_memory()
    with exponential(args.exponential):
        step(images)
    print(peak_memory() - before)


def peak_memory():
    """Megabytes. Linux counts ru_maxrss on across exec; its own line in /proc begins anew."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


# ---- training --------------------------------------------------------------------------------


def bar(done, total, text, began):
    """Draw a line that replaces itself, on terminals alone."""
    if sys.stderr.isatty():
        left = (time.perf_counter() - began) / max(done, 1) * (total - done)
        filled = "#" * (30 * done // total)
        end = "\n" if done == total else ""
        print(f"\r[{filled:30}] {done}/{total} {text} {left:5.0f} s left", end=end, file=sys.stderr)


def train(bench, args):
    for size in args.size:
        train_one(bench, args, size)


def train_one(bench, args, size):
    """Train copies of a flow, step by step in turns, on the same images."""
    data = data_of(args, size)
    first = make_flow(data.channels, args.network, args.seed)
    kept = [name for name in EXPONENTIALS if not args.only or any(x in name for x in args.only)]
    models = {name: copy.deepcopy(first).train() for name in [*kept, CONTROL]}
    with torch.no_grad():
        for parameter in models[CONTROL].parameters():
            parameter *= 1 + torch.finfo(parameter.dtype).eps
    take = {name: trainer(model, steps=args.steps) for name, model in models.items()}
    losses, seconds = ({name: [] for name in models} for _ in range(2))
    generator, began = torch.Generator().manual_seed(args.seed), time.perf_counter()
    for number in range(args.steps):
        images = data.batch(generator)
        for name in list(models) if number % 2 == 0 else list(models)[::-1]:
            start = bench.clock()
            with exponential(RANDLA if name == CONTROL else name):
                losses[name].append(take[name](images))
            seconds[name].append(bench.clock() - start)
        text = f"{statistics.mean(x[-1] for x in losses.values()):.3f} bits/dim"
        bar(number + 1, args.steps, text, began)

    generator = torch.Generator().manual_seed(args.seed + 1)
    held_out = [data.batch(generator, held_out=True) for _ in range(8)]
    print(
        f"\n### {args.steps} training steps, {args.network} network, "
        f"{data.size[0]} x {data.size[1]}"
    )
    print(
        f"{'':20}{'step':>10}{'vs randla':>10}{'last ten':>10}{'held out':>10}"
        f"{f'off in {args.early}':>12}{'off later':>11}"
    )
    rows, samples = [], {"real": images}
    base = losses.get(RANDLA, losses[CONTROL])
    for name, model in models.items():
        model.eval()
        with torch.no_grad(), exponential(RANDLA if name == CONTROL else name):
            test = statistics.mean(model.bits_per_dim(x).mean().item() for x in held_out)
            noise = torch.Generator().manual_seed(args.seed)
            samples[name] = model.sample(8, data.size, temperature=0.7, generator=noise)
        off = [abs(x - y) for x, y in zip(losses[name], base, strict=True)]
        ours = seconds.get(RANDLA, seconds[CONTROL])
        ratios = [x / y for x, y in zip(seconds[name], ours, strict=True)]
        row = {
            "name": name,
            "step": statistics.median(seconds[name]),
            "vs_randla": statistics.median(ratios),
            "last": statistics.mean(losses[name][-10:]),
            "held_out": test,
            "early": max(off[: args.early]),
            "late": max(off[args.early :], default=float("nan")),
            "losses": losses[name],
            "seconds": seconds[name],
        }
        print(
            f"{name:20}{timing.seconds(row['step']):>10}{timing.times(row['vs_randla']):>10}"
            f"{row['last']:>10.4f}{test:>10.4f}{row['early']:>12.2g}{row['late']:>11.2g}"
        )
        rows.append(row)
    worst = max(row["early"] for row in rows)
    verdict = "agree" if worst <= args.tolerance else "DISAGREE"
    spread = max(row["held_out"] for row in rows) - min(row["held_out"] for row in rows)
    print(f"=> losses of the first {args.early} steps {verdict} to {worst:.2g} bits", end="")
    print(f" (asked: {args.tolerance}); held out to {spread:.2g} in the end")
    timing.keep(bench, f"training, {args.network}, {data.size[0]}", rows)
    if args.figures:
        samples.pop(CONTROL)
        shown = [row for row in rows if row["name"] != CONTROL]
        images_of = "fashion" if args.fashion else f"photos{size}"
        draw(args.figures, f"{args.network}-{images_of}", shown, samples)


def draw(folder, name, rows, samples):
    """Loss curves and samples, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
    width = min(5, len(rows[0]["losses"]))
    for number, row in enumerate(rows):
        smooth = np.convolve(row["losses"], np.ones(width) / width, mode="valid")
        clock = np.cumsum(row["seconds"])[width - 1 :]
        style = {"color": COLORS[row["name"]], "label": row["name"], "lw": 1.6}
        # the curves coincide: dashes let those below show
        left.plot(np.arange(len(smooth)) + width, smooth, ls=(4 * number, (4, 12)), **style)
        right.plot(clock, smooth, **style)
    left.set(xlabel="training step", ylabel="bits per dimension")
    right.set(xlabel="CPU seconds")
    left.set_title("The same steps", loc="left", fontsize=12)
    right.set_title("in less time", loc="left", fontsize=12)
    right.legend(frameon=False)
    fig.savefig(Path(folder) / f"flow-curves-{name}.png", dpi=120)

    fig, axes = plt.subplots(
        len(samples), 8, figsize=(8.6, 1.1 * len(samples)), layout="constrained"
    )
    for line, (label, images) in zip(axes, samples.items(), strict=True):
        for axis, image in zip(line, images, strict=False):
            pixels = image.clamp(0, 1).permute(1, 2, 0).expand(-1, -1, 3)
            axis.imshow(pixels.numpy())
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    fig.savefig(Path(folder) / f"flow-samples-{name}.png", dpi=120)


# ---- command line ----------------------------------------------------------------------------


def data_of(args, size):
    return Fashion(args.fashion) if args.fashion else Photos(size)


def main():
    parser = timing.parser(__doc__)
    add = parser.add_argument
    add("part", choices=("exponentials", "steps", "train", "memory"), help="memory: of one step")
    add("--size", type=int, nargs="+", choices=(32, 64), default=[32], help="of the crops")
    add("--fashion", type=Path, help="an IDX file of Fashion-MNIST, instead of crops of photos")
    add("--network", choices=("small", "published"), default="small")
    add("--shares-only", action="store_true", help="steps: one call each, for slow networks")
    add("--steps", type=int, default=200, help="of training")
    add("--seed", type=int, default=0)
    add("--early", type=int, default=30, help="steps whose losses must agree: training is chaotic")
    add("--tolerance", type=float, default=0.002, help="of these losses, in bits per dimension")
    add("--figures", type=Path, help="write curves and samples to this folder")
    add("--exponential", choices=list(EXPONENTIALS), default=RANDLA, help="for `memory`")
    args = parser.parse_args()
    if args.fashion and args.size != [32]:
        parser.error("Fashion-MNIST has one size, 32 with its margin")
    torch.set_num_threads(args.threads)
    if args.part == "memory":
        memory(args)
        return
    bench = timing.Bench("flow", args)
    bench.versions |= {"randla": randla.__version__, "torch": torch.__version__}
    bench.header()
    {"exponentials": exponentials, "steps": steps, "train": train}[args.part](bench, args)


if __name__ == "__main__":
    main()
