"""Compile every kernel with NVRTC: no GPU, no driver, no CuPy.

    python tests/gpu/nvrtc.py          # prints a table; fails if something spills
    python tests/gpu/nvrtc.py --all    # every variant for every architecture, which takes long

Without --all every variant is compiled for one architecture, in turn, and the first variant of each
stem for all of them.

NVRTC comes from the package nvidia-cuda-nvrtc.
"""

import ctypes
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import NamedTuple

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


class Usage(NamedTuple):
    """What ptxas reports of a kernel, in bytes but for the registers."""

    kernel: str
    registers: int
    shared: int
    stack: int
    spills: int


class CompileError(RuntimeError):
    pass


def library():
    """NVRTC of a package below `nvidia`, of any version."""
    spec = importlib.util.find_spec("nvidia")
    roots = [] if spec is None else spec.submodule_search_locations
    found = [p for root in roots for p in sorted(Path(root).rglob("libnvrtc.so.*"))]
    found = [p for p in found if "alt" not in p.name]
    if not found:
        raise ImportError("NVRTC is missing: pip install nvidia-cuda-nvrtc")
    return ctypes.CDLL(str(found[-1]))


def compile_for(nvrtc, architecture, name, source, options):
    """Usage of each kernel of a source."""
    program = ctypes.c_void_p()
    if nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), name.encode(), 0, None, None
    ):
        raise CompileError("NVRTC makes no program")
    try:
        given = (f"--gpu-architecture={architecture}", "--ptxas-options=-v", *options)
        given = [x.encode() for x in given]
        failed = nvrtc.nvrtcCompileProgram(
            program, len(given), (ctypes.c_char_p * len(given))(*given)
        )
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    if failed:
        raise CompileError(f"{name} for {architecture}, {' '.join(options)}:\n{text}")
    return list(usages(text))


def usages(log):
    """From the lines of ptxas -v."""
    kernel = stack = spills = None
    for line in log.splitlines():
        if entry := re.search(r"Compiling entry function '(\w+)'", line):
            kernel = entry[1]
        elif frame := re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line
        ):
            stack, spills = int(frame[1]), int(frame[2]) + int(frame[3])
        elif used := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            yield Usage(kernel, int(used[1]), int(shared[1]) if shared else 0, stack, spills)


def variants():
    """(stem, defines) of everything that the package compiles."""
    from randla._cuda import _launch

    for path in sorted(_launch.KERNELS.glob("*.cu")):
        for defines in importlib.import_module(f"randla._cuda.{path.stem}").VARIANTS:
            yield path.stem, defines


def jobs(everything):
    """(stem, defines, architecture) of what is to be compiled."""
    seen = set()
    for number, (stem, defines) in enumerate(variants()):
        for place, architecture in enumerate(ARCHITECTURES):
            if everything or stem not in seen or number % len(ARCHITECTURES) == place:
                yield stem, defines, architecture
        seen.add(stem)


def _compile(job):
    from randla._cuda import _launch

    stem, defines, architecture = job
    options = _launch.options(defines)
    return compile_for(library(), architecture, stem, _launch.source(stem), options)


def report(everything=False, out=sys.stdout):
    """Print what each kernel needs; the kernels that spill."""
    from concurrent.futures import ProcessPoolExecutor

    spilling, compiled, todo = [], 0, list(jobs(everything))
    print(f"{'kernel':32}{'':24}{'':8}registers  shared  stack  spills", file=out)
    with ProcessPoolExecutor(2, initializer=_install) as pool:
        for (_, defines, architecture), usages_of_it in zip(
            todo, pool.map(_compile, todo), strict=True
        ):
            text = ",".join(str(value) for value in defines.values())
            for use in usages_of_it:
                compiled += 1
                print(
                    f"{use.kernel:32}{text:24}{architecture:8}{use.registers:9}"
                    f"{use.shared:8}{use.stack:7}{use.spills:8}",
                    file=out,
                    flush=True,
                )
                if use.spills:
                    spilling.append((use.kernel, text, architecture))
    if not compiled:
        raise CompileError("there was nothing to compile")
    return spilling


def _install():
    """The launch code wants a CuPy, but compiles nothing here."""
    sys.path.insert(0, str(Path(__file__).parent))
    import cupy_stand_in

    cupy_stand_in.install()


if __name__ == "__main__":
    _install()
    if spilling := report("--all" in sys.argv[1:]):
        sys.exit(f"registers are spilled: {spilling}")
