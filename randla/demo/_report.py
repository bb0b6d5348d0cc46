"""What the demo prints and draws: conditions, progress, tables, the figure."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata, util

from .. import show_config
from .._core.progress import Progress as Progress  # for the parts of the demo

PEERS = {"SciPy": "scipy", "torch": "torch", "JAX": "jax"}
# Okabe and Ito's colours, told apart by colour-blind eyes; the lines are labelled directly.
COLOURS = {
    "randla": "#D55E00",
    "SciPy": "#0072B2",
    "NumPy": "#0072B2",
    "torch": "#009E73",
    "JAX": "#CC79A7",
    "scikit-learn": "#56B4E9",
}
MARKERS = {
    "randla": "o",
    "SciPy": "s",
    "NumPy": "s",
    "torch": "^",
    "JAX": "D",
    "scikit-learn": "v",
}


@dataclass
class Demo:
    """One run: its size, the peers that are installed, and what it found wrong."""

    quick: bool
    peers: list[str] = field(
        default_factory=lambda: [name for name, top in PEERS.items() if util.find_spec(top)]
    )
    wrong: list[str] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    def share(self, wish: float) -> float:
        """Seconds for one more comparison: `wish`, or little once the demo has run for long."""
        late = time.perf_counter() - self.start > (5 if self.quick else 35)
        return wish / 8 if late else wish


@dataclass
class Panel:
    """One plot: seconds against a size, a line for each library."""

    title: str
    x_label: str
    y_label: str
    lines: dict[str, tuple[Sequence[float], Sequence[float]]]


# ---- text ------------------------------------------------------------------------------------


def conditions(demo: Demo) -> None:
    """Print what the times stand on."""
    show_config()
    print(f"{'processor':<14} {_processor()}, {os.cpu_count()} CPUs")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    print(f"{'load average':<14} {load:.2f}")
    versions = [f"{name} {_version(PEERS[name])}" for name in demo.peers]
    absent = [f"{name} not installed" for name in PEERS if name not in demo.peers]
    print(f"{'peers':<14} {', '.join(versions + absent)}")
    if load > 0.5:
        print("Other programs are running: expect times that are off.")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "?"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    import platform

    return platform.processor() or platform.machine()


def table(
    groups: Sequence[tuple[str, int]], head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print columns: the first flush left, the others right; a group names so many of them."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    above, column = [], 0
    for title, span in groups:
        mine = range(column, column + span)
        column += span
        lacking = len(title) - sum(widths[i] for i in mine) - 2 * (span - 1)
        widths[mine[0]] += max(0, lacking)
        above.append(title.rjust(sum(widths[i] for i in mine) + 2 * (span - 1)))
    print("  ".join(above).rstrip())
    for number, line in enumerate(lines):
        if number == 1:
            print("-" * (sum(widths) + 2 * len(widths) - 2))
        first, *others = (
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())


def seconds(value: float) -> str:
    """Format 1.23e-4 as '123 us'."""
    if math.isnan(value):
        return "-"
    units = (("us", 1e6, 9.995e-4), ("ms", 1e3, 0.9995), ("s", 1.0, math.inf))
    unit, factor = next((u, f) for u, f, limit in units if value < limit)
    return f"{number(value * factor)} {unit}"


def times(value: float) -> str:
    """Format a ratio."""
    return "-" if math.isnan(value) else f"{number(value)}x"


def number(value: float) -> str:
    """Format with two or three digits."""
    if math.isnan(value):
        return "-"
    if value >= 1e5:
        return f"{value:.0e}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.{1 if value >= 0.995 else 2}f}"


# ---- figure ----------------------------------------------------------------------------------


def draw(demo: Demo, path: str, panels: Sequence[Panel]) -> None:
    """Draw the panels side by side and say where; a word if matplotlib is missing."""
    if not panels:
        return
    if util.find_spec("matplotlib") is None:
        print('\nNo figure: matplotlib is not installed.  pip install "randla[demo]" brings it.')
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2 * len(panels), 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        _panel(axes, panel)
    try:
        figure.savefig(path, dpi=160)
    except (OSError, ValueError) as error:
        print(f"\nNo figure: {error}")
        return
    print(f"\nFigure: {path}")


def _panel(axes: object, panel: Panel) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, NullLocator

    assert isinstance(axes, Axes)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ends: list[tuple[float, str]] = []
    right = 1.0
    ticks: set[float] = set()
    for name, (x, y) in panel.lines.items():
        main = name == "randla"
        axes.plot(
            x,
            y,
            color=COLOURS[name],
            marker=MARKERS[name],
            markersize=5.5 if main else 4.5,
            linewidth=2.4 if main else 1.5,
            zorder=3 if main else 2,
            clip_on=False,
        )
        ends.append((math.log10(y[-1]), name))
        right = max(right, x[-1])
        ticks.update(x)
    axes.set_xticks(sorted(ticks))

    axes.set_ylim(auto=True)
    low, high = (math.log10(v) for v in axes.get_ylim())
    for (_, name), place in zip(
        sorted(ends), _apart(sorted(v for v, _ in ends), (high - low) * 0.055), strict=True
    ):
        axes.annotate(
            name,
            (right, 10**place),
            xytext=(12, 0),
            textcoords="offset points",
            color=COLOURS[name],
            fontsize=11,
            fontweight="bold" if name == "randla" else "normal",
            va="center",
            annotation_clip=False,
        )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _round_seconds(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(panel.x_label)
    axes.set_title(panel.title, loc="left", fontsize=12, fontweight="bold", pad=22)
    axes.text(0, 1.025, panel.y_label, transform=axes.transAxes, fontsize=9.5, color="#555555")
    axes.grid(axis="y", color="#E3E3E3", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#888888")
    axes.tick_params(length=0, labelcolor="#333333")


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places, moved until neighbours are `gap` apart."""
    moved = list(places)
    for _ in range(200):
        for i in range(len(moved) - 1):
            short = gap - (moved[i + 1] - moved[i])
            if short > 0:
                moved[i] -= short / 2
                moved[i + 1] += short / 2
    return moved


def _round_seconds(value: float) -> str:
    if value <= 0:
        return ""
    exponent = round(math.log10(value))
    for unit, base in (("ns", -9), ("µs", -6), ("ms", -3), ("s", 0)):
        if exponent < base + 3 or unit == "s":
            return f"{10.0 ** (exponent - base):g} {unit}"
    return ""
