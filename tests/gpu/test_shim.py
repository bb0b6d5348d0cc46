"""The shim that runs CUDA on the CPU: what it computes, and the mistakes that it must see."""

import functools
import re
import subprocess
from pathlib import Path

import cupy_stand_in
import numpy as np
import processes
import pytest
from cupy_stand_in import CompileException, LaunchFailure, record

ROOT = Path(__file__).parent.parent.parent
SEEDS = range(1, 13)


@pytest.fixture(autouse=True)
def _in_order():
    record.seed = 0
    yield
    record.seed = 0


@pytest.fixture(scope="module", autouse=True)
def _installed(stand_in):
    pass


def kernel(code, name="f", change=lambda code: code):
    """A kernel after the common header, whose text is in the source and can be changed too."""
    from randla._cuda import _launch

    common = (_launch.KERNELS / "common.cuh").read_text()
    module = cupy_stand_in.RawModule(code=change(common + code), options=("-std=c++17",))
    return module.get_function(name)


def ints(n, fill=0):
    return cupy_stand_in.asarray(np.full(n, fill, np.int32))


# ---- what it computes ----------------------------------------------------------------------------

PREFIX = """
extern "C" __global__ void f(const int *x, int *y, int *total, int64_t rounds) {
  __shared__ uint32_t scratch[32];
  uint32_t ahead = 0, all;
  for (int64_t i = 0; i < rounds; i++) {
    const int64_t at = i * blockDim.x + threadIdx.x;
    y[at] = ahead + rl_block_prefix((uint32_t)x[at], scratch, &all);
    ahead += all;
  }
  if (threadIdx.x == 0) *total = ahead;
}
"""


def prefix_is_right(f, seed, threads=160):
    record.seed = seed
    x = np.random.default_rng(seed).integers(0, 100, 5 * threads).astype(np.int32)
    y, total = ints(len(x)), ints(1)
    f((1,), (threads,), (cupy_stand_in.asarray(x), y, total, 5))
    return total.get()[0] == x.sum() and np.array_equal(y.get(), np.cumsum(x) - x)


@pytest.mark.parametrize("threads", [32, 160, 1024])
def test_prefix_sums_of_a_block(threads):
    f = kernel(PREFIX)
    assert all(prefix_is_right(f, seed, threads) for seed in (0, *SEEDS))


@pytest.mark.parametrize("which", [0, 1])
def test_each_missing_barrier_is_seen(which):
    """Of the kernels' own block sum, by some schedule."""

    def without_one(code):
        at = [m.start() for m in re.finditer(r"__syncthreads\(\);", code)]
        assert len(at) == 2
        return code[: at[which]] + code[at[which] + len("__syncthreads();") :]

    f = kernel(PREFIX, change=without_one)
    assert not all(prefix_is_right(f, seed) for seed in SEEDS)


def test_a_missing_warp_barrier_is_seen():
    code = """
    extern "C" __global__ void f(int *y) {
      __shared__ int s[32];
      s[threadIdx.x] = threadIdx.x;
      __syncwarp();
      y[threadIdx.x] = s[31 - threadIdx.x];
    }
    """
    wanted = np.arange(32)[::-1]
    for change, seen in ((lambda c: c, False), (lambda c: c.replace("__syncwarp();", ""), True)):
        f, wrong = kernel(code, change=change), 0
        for seed in (0, *SEEDS):
            record.seed = seed
            y = ints(32)
            f((1,), (32,), (y,))
            wrong += not np.array_equal(y.get(), wanted)
        assert (wrong > 0) == seen


WARP = """
extern "C" __global__ void f(int *y) {
  const unsigned all = RL_ALL_LANES;
  const int lane = rl_lane();
  int *out = y + threadIdx.x;
  const int n = blockDim.x;
  out[0 * n] = __ballot_sync(all, lane % 3 == 0);
  out[1 * n] = __any_sync(all, lane == 40) + 2 * __all_sync(all, lane < 32);
  out[2 * n] = __shfl_sync(all, lane * 10, 7);
  out[3 * n] = __shfl_sync(all, lane, 3, 8);
  out[4 * n] = __shfl_up_sync(all, lane, 2);
  out[5 * n] = __shfl_down_sync(all, lane, 3, 16);
  out[6 * n] = __shfl_xor_sync(all, lane, 5);
  out[7 * n] = __shfl_sync(all, (double)lane + 0.5, 9) * 2;
  out[8 * n] = __match_any_sync(all, lane % 4);
  out[9 * n] = __reduce_add_sync(all, lane) + __reduce_min_sync(all, lane - 5);
  out[10 * n] = __reduce_max_sync(all, (unsigned)lane) ^ __reduce_xor_sync(all, (unsigned)lane);
  if (lane < 16) {
    out[11 * n] = __shfl_xor_sync(0xffffu, lane, 1);
    __syncwarp(0xffffu);
  } else {
    out[11 * n] = __ballot_sync(0xffff0000u, lane & 1);
  }
  out[12 * n] = __syncthreads_count(threadIdx.x < 5);
  out[13 * n] = __syncthreads_or(threadIdx.x == 6) + 2 * __syncthreads_and(threadIdx.x < 7);
  const unsigned here = __activemask();
  out[14 * n] = __popc(here & __ballot_sync(here, 1)) > 0;
}
"""


def test_warp_primitives(schedule):
    record.seed = schedule
    y = ints(15 * 64)
    kernel(WARP)((1,), (64,), (y,))
    lane = np.arange(32)
    third = sum(1 << i for i in range(0, 32, 3))
    odd = sum(1 << i for i in range(17, 32, 2)) - (1 << 32)
    wanted = [
        np.full(32, third),
        np.full(32, 2),
        np.full(32, 70),
        lane // 8 * 8 + 3,
        np.where(lane >= 2, lane - 2, lane),
        np.where(lane % 16 + 3 < 16, lane + 3, lane),
        lane ^ 5,
        np.full(32, 19),
        [sum(1 << j for j in range(int(i) % 4, 32, 4)) for i in lane],
        np.full(32, 496 - 5),
        np.full(32, 31),
        np.where(lane < 16, lane ^ 1, odd),
        np.full(32, 5),
        np.full(32, 1),
        np.full(32, 1),
    ]
    found = y.get().reshape(15, 2, 32)
    for i, row in enumerate(wanted):
        row = np.array(row, np.int64).astype(np.uint32).view(np.int32)
        assert np.array_equal(found[i, 0], row), i
        assert np.array_equal(found[i, 1], row), i


def test_atomics_and_grids(schedule):
    code = """
    extern "C" __global__ void f(int *counts, uint64_t *wide, float *sum, double *most) {
      const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
      const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
      atomicAdd(&counts[(block * 64 + thread) % 10], 1);
      atomicMax(&wide[0], (uint64_t)block << 40);
      atomicMin(&wide[1], (uint64_t)thread + 3);
      atomicAdd(sum, 0.5f);
      atomicAdd(most, 0.25);
      for (uint64_t seen = wide[2], old; ; seen = old) {  // a maximum by compare and swap
        old = atomicCAS(&wide[2], seen, seen > (uint64_t)block ? seen : (uint64_t)block);
        if (old == seen) break;
      }
    }
    """
    record.seed = schedule
    counts, total = ints(10), cupy_stand_in.asarray(np.zeros(1))
    wide = cupy_stand_in.asarray(np.array([0, 99, 0], np.uint64))
    sums = cupy_stand_in.asarray(np.zeros(1, np.float32))
    kernel(code)((2, 3, 2), (4, 4, 4), (counts, wide, sums, total))
    assert np.array_equal(counts.get(), np.bincount(np.arange(768) % 10))
    assert wide.get().tolist() == [11 << 40, 3, 11]
    assert sums.get()[0] == 384
    assert total.get()[0] == 192


def test_bits_and_vectors():
    code = """
    extern "C" __global__ void f(int64_t *y, float4 *v, double x) {
      y[0] = __popc(0xf0f0u);
      y[1] = __popcll(0xf0f0000000000000ull);
      y[2] = __clz(1);
      y[3] = __clzll(1);
      y[4] = __ffs(8);
      y[5] = __ffsll(1ll << 40);
      y[6] = __float_as_uint(-2.0f);
      y[7] = __double_as_longlong(x);
      y[8] = __uint_as_float(0x40400000u) == 3.0f;
      y[9] = __umulhi(0x80000000u, 6u);
      y[10] = __umul64hi(1ull << 63, 6ull);
      y[11] = __brev(1u) == 0x80000000u;
      y[12] = rsqrtf(0.25f) == 2.0f && rsqrt(0.25) == 2.0;
      y[13] = fma(x, 2.0, 1.0) == 4.0 && __fmaf_rn(1.5f, 2.0f, 1.0f) == 4.0f;
      y[14] = min(3, 4) + max(7u, 5u) + sizeof(float4) + sizeof(double2);
      *v = make_float4(v->w, v->z, v->y, __ldg(&v->x));
    }
    """
    y = cupy_stand_in.asarray(np.zeros(15, np.int64))
    v = cupy_stand_in.asarray(np.arange(4, dtype=np.float32))
    kernel(code)((1,), (1,), (y, v, 1.5))
    bits = [0xC0000000, np.float64(1.5).view(np.int64)]
    assert y.get().tolist() == [8, 8, 31, 63, 4, 41, *bits, 1, 3, 3, 1, 1, 1, 42]
    assert v.get().tolist() == [3, 2, 1, 0]


def test_shared_memory_is_noise_at_first():
    code = """
    template <class T> static __device__ T read() {
      __shared__ T inner[4];
      const T found = inner[1];
      inner[1] = 7;
      return found;
    }
    extern "C" __global__ void f(uint32_t *y) {
      __shared__ uint32_t fixed[8];
      RL_DYNAMIC_SHARED(uint32_t, dynamic);
      y[blockIdx.x * 3] = fixed[5];
      y[blockIdx.x * 3 + 1] = dynamic[3];
      y[blockIdx.x * 3 + 2] = read<uint32_t>();
      fixed[5] = dynamic[3] = 7;
    }
    """
    record.seed = 3
    y = cupy_stand_in.asarray(np.zeros(12, np.uint32))
    kernel(code)((4,), (1,), (y,), shared_mem=64)
    found = y.get()
    fixed = found.reshape(4, 3)[:, [1] if cupy_stand_in.SANITIZE else [0, 1, 2]]
    assert len(np.unique(fixed)) == fixed.size
    assert not np.isin(fixed, [0, 7]).any()
    record.seed = 0
    kernel(code)((4,), (1,), (y,), shared_mem=64)
    assert (y.get().reshape(4, 3)[:, 1] == 0xA5A5A5A5).all()


# ---- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "threads", "message"),
    [
        ("if (threadIdx.x < 5) __syncthreads();", 32, "only a part of the block"),
        ("if (threadIdx.x < 5) return; __syncthreads();", 32, "only a part of the block"),
        (
            "if (threadIdx.x < 32)\n __syncthreads();\n else\n __syncthreads();",
            64,
            "different barriers",
        ),
        ("if (rl_lane() < 31) __ballot_sync(RL_ALL_LANES, 1);", 32, "deadlock: lane 0"),
        ("__syncwarp();", 40, "deadlock: lane 0 of a warp waits for lanes 0xffffffff"),
        ("__shfl_sync(0xf0u, 1, 4);", 32, r"lane \d+ is not in the mask 0xf0"),
        (
            "if (rl_lane() < 8) __shfl_sync(0xffu, 1, 9);",
            32,
            "a shuffle reads lane 9, which does not take part",
        ),
        (
            "if (rl_lane() < 8) __syncwarp(); else __ballot_sync(RL_ALL_LANES, 1);",
            32,
            "meet in different primitives",
        ),
        ("if (threadIdx.x == 3) __trap();", 32, "trap"),
    ],
)
def test_divergence_is_an_error(schedule, body, threads, message):
    record.seed = schedule
    f = kernel(f'extern "C" __global__ void f(int *x) {{\n{body}\n x[0] = 1;\n}}')
    with pytest.raises(LaunchFailure, match=message):
        f((1,), (threads,), (ints(64),))
    kernel(PREFIX)((1,), (32,), (ints(32), ints(32), ints(1), 1))  # the next launch is not hurt


def test_messages_say_where():
    f = kernel('extern "C" __global__ void f() { if (threadIdx.x + blockIdx.x == 0) __trap(); }')
    with pytest.raises(LaunchFailure, match=r"f: trap \(block 0, 0, 0\)"):
        f((3,), (32,), ())
    f = kernel('\n#line 77 "mine.cu"\nextern "C" __global__ void f() { __syncwarp(3u); }')
    with pytest.raises(LaunchFailure, match=r"mine\.cu:77: lane 2 is not"):
        f((1,), (3,), ())


def test_sizes_that_no_device_has():
    f = kernel('extern "C" __global__ void f() {}')
    f((1,), (1024,), ())
    f((1,), (1,), (), shared_mem=48 * 1024 - 1024)
    for block in ((1025,), (32, 33), (0,), (1, 1, 65)):
        with pytest.raises(LaunchFailure, match="invalid block"):
            f((1,), block, ())
    for grid in ((0,), (1, 65536), (1, 1, 65536), (2**31,)):
        with pytest.raises(LaunchFailure, match="invalid grid"):
            f(grid, (1,), ())
    with pytest.raises(LaunchFailure, match="too much shared memory"):
        f((1,), (1,), (), shared_mem=48 * 1024 + 1)
    f.max_dynamic_shared_size_bytes = 64 * 1024
    f((1,), (1,), (), shared_mem=64 * 1024)
    with pytest.raises(LaunchFailure, match="too much shared memory"):
        f((1,), (1,), (), shared_mem=64 * 1024 + 1)


def test_too_much_static_shared_memory():
    """Except under ASan, which has the arrays somewhere else."""
    code = """
    extern "C" __global__ void f(int *y) { __shared__ int s[12300]; s[y[0]] = 1; y[1] = s[y[2]]; }
    """
    launch = functools.partial(kernel(code), (1,), (1,), (ints(3),))
    if cupy_stand_in.SANITIZE:
        return launch()
    with pytest.raises(LaunchFailure, match=r"too much shared memory: 49\d+ bytes static"):
        launch()


def test_arguments_must_have_the_sizes_of_the_parameters():
    f = kernel('extern "C" __global__ void f(int64_t a, float b, const int *c) {}')
    good = (1, np.float32(2), ints(3))
    f((1,), (1,), good)
    for arguments, message in [
        ((1, np.float32(2)), "takes 3 arguments, got 2"),
        ((np.int32(1), *good[1:]), "argument 0 of the kernel has 8 bytes, got 4"),
        ((1, 2.0, good[2]), "argument 1 of the kernel has 4 bytes, got 8"),
    ]:
        with pytest.raises(LaunchFailure, match=message):
            f((1,), (1,), arguments)
    for bad in (np.zeros(3), None, True, "x", 1j):
        with pytest.raises(TypeError, match="Unsupported type"):
            f((1,), (1,), (*good[:2], bad))
    with pytest.raises(TypeError, match="tuples of int"):
        f((1.0,), (1,), good)


def test_code_that_does_not_compile():
    with pytest.raises(CompileException, match="nonsense"):
        kernel('extern "C" __global__ void f() { nonsense(); }')
    with pytest.raises(CompileException, match="unrecognized option"):
        cupy_stand_in.RawModule(code="", options=("-O3",)).get_function("f")
    with pytest.raises(RuntimeError, match="symbol not found: g"):
        kernel('extern "C" __global__ void f() {}', "g")


def sanitized(code):
    """Run code in a process with AddressSanitizer below it."""
    find = ["g++", "-print-file-name=libasan.so"]
    preload = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
    return processes.run(
        code,
        LD_PRELOAD=preload,
        ASAN_OPTIONS="detect_leaks=0",
        RANDLA_SHIM_SANITIZE="1",
        PYTHONMALLOC="malloc",
    )


BOUNDS = """
import numpy as np, cupy_stand_in as cp
code = '''
#include "common.cuh"
extern "C" __global__ void f(int *x, int64_t at_global, int64_t at_static, int64_t at_dynamic) {
  __shared__ int fixed[10];
  RL_DYNAMIC_SHARED(int, dynamic);
  fixed[at_static] = 1;
  dynamic[at_dynamic] = 2;
  __syncthreads();
  x[at_global] = fixed[threadIdx.x % 10] + dynamic[threadIdx.x % 25];
}
'''
kernels = f"-I{ROOT}/randla/_cuda/kernels"
f = cp.RawModule(code=code, options=(kernels,)).get_function("f")
x = cp.empty(1000, np.int32)
f((2,), (64,), (x, 999, 9, 24), shared_mem=100)
print("first is fine", flush=True)
f((1,), (64,), (x, AT), shared_mem=100)
print("second is fine")
"""


@pytest.mark.parametrize(
    ("at", "wrong"),
    [("999, 9, 24", False), ("1000, 9, 24", True), ("999, 10, 24", True), ("999, 9, 25", True)],
)
def test_writes_out_of_bounds_are_seen_by_asan(at, wrong):
    """In global, static and dynamic shared memory, one element past the end."""
    done = sanitized(BOUNDS.replace("AT)", f"{at})").replace("{ROOT}", str(ROOT)))
    assert "first is fine" in done.stdout, done.stderr
    assert ("second is fine" in done.stdout) == (not wrong), done.stderr
    assert ("AddressSanitizer" in done.stderr and "overflow" in done.stderr) == wrong or (
        wrong and "use-after-poison" in done.stderr
    )


# ---- the stand-in for CuPy -----------------------------------------------------------------------


def test_nothing_becomes_a_numpy_array_unasked(stand_in):
    x = stand_in.ones(3)
    for mix in (
        lambda: np.asarray(x),
        lambda: np.ones(3) + x,
        lambda: x + np.ones(3),
        lambda: x[np.array([0, 1])],
        lambda: stand_in.concatenate([x, np.ones(3)]),
        lambda: stand_in.where(np.ones(3, bool), x, x),
    ):
        with pytest.raises(TypeError):
            mix()
    with pytest.raises(TypeError):
        x[:] = np.ones(3)
    assert type(np.exp(x)) is stand_in.ndarray
    assert type(x.sum()) is stand_in.ndarray
    assert x.sum().shape == ()


def test_waits_are_counted(stand_in):
    x = stand_in.arange(6).reshape(2, 3)
    waits = [
        lambda: x.get(),
        lambda: x.sum().item(),
        lambda: bool((x == x).all()),
        lambda: int(x[0, 0]),
        lambda: stand_in.asnumpy(x),
        lambda: x[x > 2],
        lambda: stand_in.nonzero(x),
        lambda: stand_in.cuda.get_current_stream().synchronize(),
    ]
    for wait in waits:
        record.clear()
        wait()
        assert record.synchronisations == 1
    record.clear()
    y = (x.T @ x).astype(float) + stand_in.zeros((3, 3))
    y[0] = stand_in.where(y[0] > 1, y[0], 0)
    assert record.synchronisations == 0


def test_streams_of_launches_are_recorded(stand_in):
    from randla._cuda import _launch

    f = kernel('extern "C" __global__ void f() {}')
    record.clear()
    stream = stand_in.cuda.Stream(non_blocking=True)
    f((1,), (1,), ())
    with stream:
        f((1,), (1,), ())

    class Other:
        def __cuda_stream__(self):
            return 0, 77

    with stand_in.cuda.Stream.from_external(Other()):
        _launch.Kernel(f)((1,), (1,), ())
        _launch.Kernel(f)((5, 0), (1,), ())  # nothing to do
    assert record.launches == [("f", 0), ("f", stream.ptr), ("f", 77)]
    assert stream.ptr not in (0, 77)


def test_launches_ask_for_much_shared_memory(stand_in):
    from randla._cuda import _launch

    f = _launch.Kernel(kernel('extern "C" __global__ void f() {}'))
    f((1,), (1,), (), 60 * 1024)
    f((1,), (1,), (), 80 * 1024)
    f((1,), (1,), ())


def test_compiled_once(stand_in, monkeypatch):
    from randla._cuda import _launch

    made = []

    def compiled(**options):
        made.append(options)
        return cupy_stand_in.RawModule(**options)

    monkeypatch.setattr(stand_in, "RawModule", compiled)
    monkeypatch.setattr(_launch, "source", lambda stem: f"// {stem}\n" + FILL)
    names = [_launch.kernel("test", "f", VALUE=v) for v in (1, 2, 1)]
    assert names[0] is names[2]
    assert names[0] is not names[1]
    assert len(made) == 2
    x = ints(2)
    for name in names[:2]:
        name((1,), (1,), (x,))
    assert x.get().tolist() == [1, 2]


FILL = 'extern "C" __global__ void f(int *x) { x[VALUE - 1] = VALUE; }'


def test_functions_without_kernels_run_the_reference(stand_in):
    import randla

    A = np.random.default_rng(0).standard_normal((3, 4, 4))
    E = randla.expm(stand_in.asarray(A))
    assert type(E) is stand_in.ndarray
    assert np.allclose(E.get(), randla.expm(A), rtol=1e-12)
