"""A stand-in for the part of CuPy that randla uses: arrays of NumPy, kernels on cuda_shim.h.

`install()` makes it the module ``cupy``.  It is as strict as CuPy, or stricter: nothing becomes a
NumPy array unasked, NumPy arrays are refused where CuPy refuses them, kernels get arguments of the
sizes that CuPy would pass, and memory of `empty` holds noise.  It also counts what costs time on
a GPU: `record` has every launch, every wait of the host for the device, and every transfer.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build" / "cuda_on_cpu"
SANITIZE = os.environ.get("RANDLA_SHIM_SANITIZE") == "1"
FLAGS = ["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-fvisibility=hidden", "-U_FORTIFY_SOURCE"]
FLAGS += ["-fsanitize=address", "-g"] if SANITIZE else []


class Record:
    """What the device was asked for since `clear`."""

    def __init__(self):
        self.seed = 0  # of the schedule of threads; 0: in order
        self.clear()

    def clear(self):
        self.synchronisations = 0  # waits of the host, `get` among them
        self.launches = []  # (kernel, pointer of the stream)
        self.crossed = []  # bytes of each transfer between host and device


record = Record()


def _waits(crossed=0):
    record.synchronisations += 1
    if crossed:
        record.crossed.append(crossed)


# ---- arrays --------------------------------------------------------------------------------------


class Flags:
    """The flags that CuPy has: it knows neither `writeable` nor `aligned`."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata


class MemoryPointer:
    def __init__(self, ptr):
        self.ptr = ptr


class ndarray:
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None or strides is not None:
            raise NotImplementedError("the stand-in makes arrays of memory of their own only")
        self._host = _noise(shape, dtype, order)

    # what waits for the device
    def get(self):
        _waits(self._host.nbytes)
        return self._host.copy()

    def item(self, *args):
        _waits(self._host.itemsize)
        return self._host.item(*args)

    def tolist(self):
        _waits(self._host.nbytes)
        return self._host.tolist()

    def __bool__(self):
        _waits(self._host.itemsize)
        return bool(self._host)

    def __int__(self):
        _waits(self._host.itemsize)
        return int(self._host)

    def __float__(self):
        _waits(self._host.itemsize)
        return float(self._host)

    def __complex__(self):
        _waits(self._host.itemsize)
        return complex(self._host)

    def __index__(self):
        _waits(self._host.itemsize)
        return self._host.__index__()

    def __repr__(self):
        _waits()
        return repr(self._host)

    def __array__(self, *args, **options):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *args, **options):
        if method != "__call__":
            return NotImplemented
        return _function(ufunc)(*args, **options)

    def __dlpack__(self, *, stream=None, **options):
        return self._host.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._host.__dlpack_device__()

    # what the host knows
    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    flags = property(lambda self: Flags(self._host.flags))
    data = property(lambda self: MemoryPointer(self._host.ctypes.data))
    device = property(lambda self: Device(0))

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    # views and results
    T = property(lambda self: _wrap(self._host.T))
    real = property(lambda self: _wrap(self._host.real))
    imag = property(lambda self: _wrap(self._host.imag))

    def __getitem__(self, index):
        index = _unwrap(index)
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(i, np.ndarray) and i.dtype == bool for i in parts):
            _waits()  # the size of the result
        return _wrap(self._host[index])

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {type(value)}")
        self._host[_unwrap(index)] = _unwrap(value)

    def set(self, array):
        _waits(self._host.nbytes)
        self._host[...] = array

    def view(self, dtype=None):
        return _wrap(self._host.view(dtype) if dtype is not None else self._host.view())


def _noise(shape, dtype=float, order="C"):
    """What CuPy's pool hands out holds whatever was there."""
    array = np.empty(shape, dtype, order=order)
    raw = array.T if array.flags.f_contiguous else array
    if raw.size:
        raw.reshape(-1).view(np.uint8)[:] = 0xA5
    return array


def _wrap(x):
    if isinstance(x, np.ndarray | np.generic):
        array = ndarray.__new__(ndarray)
        array._host = np.asarray(x)
        return array
    if isinstance(x, tuple | list) and any(isinstance(y, np.ndarray | np.generic) for y in x):
        return type(x)(map(_wrap, x)) if type(x) in (tuple, list) else type(x)(*map(_wrap, x))
    return x


def _unwrap(x):
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, tuple | list):
        return type(x)(map(_unwrap, x))
    return x


def _function(f, *, waits=False):
    def wrapped(*args, **options):
        if waits:
            _waits()
        options = {name: _unwrap(x) for name, x in options.items()}
        with np.errstate(all="ignore"):  # a device does not warn
            return _wrap(f(*map(_unwrap, args), **options))

    wrapped.__name__ = wrapped.__qualname__ = getattr(f, "__name__", "function")
    return wrapped


OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift radd rsub rmul rtruediv "
    "rfloordiv rmod rpow rmatmul rand ror rxor lt le gt ge eq ne neg pos abs invert iadd isub imul "
    "itruediv iand ior ixor"
)
METHODS = (
    "all any argmax argmin argsort astype clip conj conjugate copy cumprod cumsum diagonal dot "
    "fill flatten max mean min prod ravel repeat reshape round sort squeeze std sum swapaxes take "
    "trace transpose var"
)


def _in_place(f):
    def operator(self, *args):
        with np.errstate(all="ignore"):
            f(self._host, *map(_unwrap, args))
        return self

    return operator


for _name in OPERATORS.split():
    _method = getattr(np.ndarray, f"__{_name}__")
    _changes = _name in ("iadd", "isub", "imul", "itruediv", "iand", "ior", "ixor")
    setattr(ndarray, f"__{_name}__", (_in_place if _changes else _function)(_method))
for _name in METHODS.split():
    setattr(ndarray, _name, _function(getattr(np.ndarray, _name)))

# Functions of NumPy that CuPy has under the same name, as far as we or array_api_compat use them.
FUNCTIONS = (
    "abs absolute add all amax amin any arange arccos arccosh arcsin arcsinh arctan arctan2 "
    "arctanh argmax argmin argpartition argsort array_equal atleast_1d atleast_2d bitwise_and "
    "bitwise_or bitwise_xor broadcast_arrays broadcast_to can_cast ceil clip concatenate conj "
    "copysign cos cosh count_nonzero cumprod cumsum diag diagonal diff divide dot einsum equal "
    "exp expand_dims expm1 eye finfo flip floor floor_divide full full_like greater greater_equal "
    "hypot identity iinfo imag invert isfinite isinf isnan issubdtype kron left_shift less "
    "less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or "
    "logical_xor matmul max maximum mean meshgrid min minimum moveaxis multiply negative "
    "not_equal ones ones_like outer pad positive power prod promote_types put_along_axis ravel "
    "real remainder repeat reshape result_type right_shift roll round searchsorted shape sign "
    "signbit sin sinh sort split sqrt square squeeze stack std subtract sum swapaxes take "
    "take_along_axis tan tanh tensordot tile trace transpose tril triu true_divide trunc var "
    "where zeros zeros_like"
)
WAITING_FUNCTIONS = "argwhere flatnonzero nonzero unique"
TYPES = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 "
    "complex128 intp dtype integer floating complexfloating inexact number generic newaxis inf nan "
    "pi e"
)
LINALG = "norm inv solve eigh eigvalsh svd qr cholesky det slogdet pinv lstsq matrix_rank"


_errors = ["ignore"]  # of cuSOLVER, as errstate sets it


@contextlib.contextmanager
def errstate(*, linalg=None):
    if linalg not in (None, "ignore", "raise"):
        raise NotImplementedError
    _errors.append(linalg)
    try:
        yield
    finally:
        _errors.pop()


def cholesky(a):
    """Unless it is told to look, CuPy does not see that a factorisation failed."""
    if _errors[-1] == "raise":
        _waits(4)
    try:
        return _wrap(np.linalg.cholesky(a._host))
    except np.linalg.LinAlgError:
        if _errors[-1] == "raise":
            raise
        return _wrap(_noise(a.shape, a.dtype))


def qr(a, mode="reduced"):
    """By columns, like cuSOLVER's."""
    if a.ndim != 2:
        raise np.linalg.LinAlgError(f"{a.ndim}-dimensional array given")
    if mode == "r":
        return _wrap(np.asfortranarray(np.linalg.qr(a._host, mode)))
    return tuple(_wrap(np.asfortranarray(x)) for x in np.linalg.qr(a._host, mode))


def empty(shape, dtype=float, order="C"):
    return _wrap(_noise(shape, dtype, order))


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    host = np.empty_like(prototype._host, dtype, order, shape=shape)
    host.fill(np.array(0xA5 if host.dtype.kind != "b" else 1).astype(host.dtype))
    return _wrap(host)


def asarray(a, dtype=None, order=None, *, blocking=False):
    if isinstance(a, ndarray):
        return a if dtype in (None, a.dtype) else a.astype(dtype)
    if isinstance(a, list | tuple) and any(isinstance(x, ndarray) for x in a):
        a = [_unwrap(x) for x in a]
    host = np.array(a, dtype, order=order)
    record.crossed.append(host.nbytes)
    return _wrap(host)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        return _wrap(np.array(obj._host, dtype, copy=copy, order=order, ndmin=ndmin))
    return asarray(np.array(_unwrap(obj) if isinstance(obj, list) else obj, dtype, ndmin=ndmin))


def ascontiguousarray(a, dtype=None):
    return _wrap(np.ascontiguousarray(_unwrap(asarray(a)), dtype))


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def from_dlpack(array):
    """Share the memory of an array; here, where no device is, of one on the host."""
    host = np.from_dlpack(array)
    if host.size == 0:
        return _wrap(host)
    # NumPy calls it read-only, CuPy knows no such thing
    size = sum((n - 1) * s for n, s in zip(host.shape, host.strides, strict=True)) + host.itemsize
    memory = (ctypes.c_char * size).from_address(host.ctypes.data)
    memory.owner = host
    return _wrap(np.ndarray(host.shape, host.dtype, memory, strides=host.strides))


# ---- streams and devices -------------------------------------------------------------------------


class Stream:
    _last = 0

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        Stream._last += 0 if null else 4096
        self.ptr = 0 if null else Stream._last

    def __enter__(self):
        _streams.append(self)
        return self

    @classmethod
    def from_external(cls, other):
        version, pointer = other.__cuda_stream__()
        assert version == 0
        stream = cls()
        stream.ptr = pointer
        return stream

    def __exit__(self, *error):
        _streams.pop()

    def use(self):
        _streams[-1] = self
        return self

    def synchronize(self):
        _waits()


class Event:
    """A moment of the host's clock: calls are over when they return."""

    def record(self, stream=None):
        self.time = time.perf_counter()

    def synchronize(self):
        _waits()


Stream.null = Stream(null=True)
_streams = [Stream.null]


class Device:
    def __init__(self, device=None):
        self.id = device.id if isinstance(device, Device) else int(device or 0)
        if self.id != 0:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def use(self):
        pass

    def synchronize(self):
        _waits()

    compute_capability = "80"
    attributes = {  # noqa: RUF012
        "MultiProcessorCount": 4,
        "MaxSharedMemoryPerBlockOptin": 101376,
        "MaxThreadsPerBlock": 1024,
        "WarpSize": 32,
    }


# ---- kernels -------------------------------------------------------------------------------------

KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)')


class CompileException(Exception):
    pass


class LaunchFailure(RuntimeError):
    """What the shim found, where a GPU would hang, or report an error of its own."""


class RawModule:
    def __init__(
        self,
        *,
        code=None,
        path=None,
        options=(),
        backend="nvrtc",
        translate_cucomplex=False,
        enable_cooperative_groups=False,
        name_expressions=None,
        jitify=False,
    ):
        if code is None or not isinstance(options, tuple) or backend != "nvrtc":
            raise TypeError("the stand-in compiles code, with a tuple of options, for NVRTC")
        if name_expressions is not None or enable_cooperative_groups or jitify:
            raise NotImplementedError('kernels are extern "C" here')
        self._code, self._options, self._library = code, options, None

    def get_function(self, name):
        if self._library is None:
            self._library = ctypes.CDLL(str(_compile(self._code, self._options)))
        try:
            return RawKernel(getattr(self._library, f"{name}_on_cpu"), name)
        except AttributeError:
            raise RuntimeError(f"CUDA_ERROR_NOT_FOUND: named symbol not found: {name}") from None


def _compile(code, options):
    for option in options:
        if not re.match(r"-D\w+(=.*)?$|-I.+$|-std=c\+\+\d\d$", option):
            raise CompileException(f"nvrtc: error: unrecognized option {option}")
    shim = HERE / "cuda_shim.h"
    exports = "".join(f"CUDA_SHIM_EXPORT({name})\n" for name in KERNEL.findall(code))
    parts = (code, exports, *options, *FLAGS, shim.read_text())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    library = BUILD / f"{key}.so"
    if not library.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        source, fresh = BUILD / f"{key}.cpp", BUILD / f"{key}.{os.getpid()}"
        source.write_text(f"{code}\n{exports}")
        command = ["g++", *FLAGS, *options, "-include", shim, source, "-o", fresh]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise CompileException(done.stderr)
        fresh.rename(library)  # at once: others may compile the same
    return library


class RawKernel:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, function, name):
        self._function, self.name = function, name

    def __call__(self, grid, block, args, *, shared_mem=0):
        values = [_argument(x) for x in args]
        sizes = [ctypes.sizeof(v) for v in values]
        pointers = [ctypes.cast(ctypes.pointer(v), ctypes.c_void_p) for v in values]
        error = ctypes.create_string_buffer(512)
        record.launches.append((self.name, _streams[-1].ptr))
        failed = self._function(
            (ctypes.c_uint * 3)(*_three(grid)),
            (ctypes.c_uint * 3)(*_three(block)),
            ctypes.c_size_t(shared_mem),
            ctypes.c_size_t(self.max_dynamic_shared_size_bytes),
            ctypes.c_int(len(values)),
            (ctypes.c_void_p * max(1, len(values)))(*pointers),
            (ctypes.c_size_t * max(1, len(values)))(*sizes),
            ctypes.c_uint64(record.seed),
            error,
            ctypes.c_size_t(len(error)),
        )
        if failed:
            raise LaunchFailure(f"{self.name}: {error.value.decode()}")


def _three(sizes):
    if not isinstance(sizes, tuple) or not all(type(n) is int for n in sizes):
        raise TypeError(f"sizes of grids and blocks must be tuples of int, got {sizes!r}")
    return (*sizes, 1, 1)[:3]


def _argument(x):
    """As CuPy passes it: Python's int as int64, float as float64, NumPy's scalars as they are."""
    if isinstance(x, ndarray):
        return ctypes.c_void_p(x._host.ctypes.data)
    if type(x) is int:
        return ctypes.c_int64(x)
    if type(x) is float:
        return ctypes.c_double(x)
    if isinstance(x, np.generic) and x.dtype.char in "?bhilqBHILQefdFD":
        return (ctypes.c_char * x.itemsize).from_buffer_copy(x.tobytes())
    raise TypeError(f"Unsupported type {type(x)}")


# ---- the module ----------------------------------------------------------------------------------


def _module(name, **members):
    module = types.ModuleType(name)
    module.__path__ = []
    module.__dict__.update(members)
    return module


def _build():
    from cupyx_stand_in import csr_matrix, solve_triangular  # which need the arrays above

    waiting = {name: _function(getattr(np, name), waits=True) for name in WAITING_FUNCTIONS.split()}
    linalg = {
        name: _function(getattr(np.linalg, name), waits=name != "norm") for name in LINALG.split()
    }
    linalg |= {"cholesky": cholesky, "qr": qr}
    sparse = _module("cupyx.scipy.sparse", csr_matrix=csr_matrix)
    triangular = _module("cupyx.scipy.linalg", solve_triangular=solve_triangular)
    scipy = _module("cupyx.scipy", sparse=sparse, linalg=triangular)
    cupyx = _module("cupyx", scipy=scipy, errstate=errstate)
    runtime = _module(
        "cupy.cuda.runtime",
        getDevice=lambda: 0,
        getDeviceCount=lambda: 1,
        is_hip=False,
        deviceSynchronize=_waits,
        getDeviceProperties=lambda device: {"name": b"CPU (cuda_shim.h)"},
    )
    device = _module("cupy.cuda.device", Device=Device)
    cuda = _module(
        "cupy.cuda",
        Device=Device,
        Stream=Stream,
        Event=Event,
        get_elapsed_time=lambda begin, end: 1e3 * (end.time - begin.time),
        get_current_stream=lambda device_id=-1: _streams[-1],
        is_available=lambda: True,
        runtime=runtime,
        device=device,
    )
    cupy = _module(
        "cupy",
        __version__="13.0.0",
        **{name: _function(getattr(np, name)) for name in FUNCTIONS.split()},
        **{name: getattr(np, name) for name in TYPES.split()},
        **waiting,
        ndarray=ndarray,
        array=array,
        asarray=asarray,
        asnumpy=asnumpy,
        ascontiguousarray=ascontiguousarray,
        empty=empty,
        empty_like=empty_like,
        from_dlpack=from_dlpack,
        RawModule=RawModule,
        cuda=cuda,
        linalg=_module("cupy.linalg", **linalg),
        fft=_module("cupy.fft"),
        record=record,
    )
    members = (cupy, cuda, runtime, device, cupy.linalg, cupy.fft, cupyx, scipy, sparse, triangular)
    return {m.__name__: m for m in members}


MODULES = _build()
_OTHERS = ("cupy", "cupyx", "array_api_compat.cupy", "randla._cuda")


def _loaded():
    return [name for name in sys.modules if name.startswith(tuple(f"{m}." for m in _OTHERS))] + [
        name for name in _OTHERS if name in sys.modules
    ]


def install():
    """Be the module `cupy`, and return it."""
    from randla._core import dispatch

    for name in _loaded():
        del sys.modules[name]
    dispatch._BACKENDS.pop("cupy", None)
    sys.modules.update(MODULES)
    return MODULES["cupy"]


def remove():
    """Leave `sys.modules` as if there had been no CuPy."""
    from randla._core import dispatch

    for name in _loaded():
        del sys.modules[name]
    dispatch._BACKENDS.pop("cupy", None)
    for parent in ("array_api_compat", "randla"):
        module = sys.modules.get(parent)
        for child in ("cupy", "_cuda"):
            if module is not None and child in module.__dict__:
                delattr(module, child)
