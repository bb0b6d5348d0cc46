"""What all stems share: dispatch, checks, results, configuration, and what an import costs."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import array_api_strict
import jax
import ml_dtypes
import numpy as np
import pytest
import torch

import randla
from randla import __main__ as command
from randla._core import config, dispatch, results, validate
from randla._cpu import core

ROOT = Path(__file__).parent.parent


def run_python(code, **environment):
    """Standard output of code in a fresh interpreter, far from the clone."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- dispatch ----------------------------------------------------------------------------------


class Units(np.ndarray):
    """A subclass of ndarray with a meaning of its own."""


def matrix():
    """Make an np.matrix, which NumPy itself warns of."""
    with pytest.warns(PendingDeprecationWarning):
        return np.asmatrix(np.eye(2))


def test_kinds_of_arrays(tmp_path):
    file = tmp_path / "map"
    kinds = {
        "numpy": [np.zeros(2), np.memmap(file, "f8", "w+", shape=3)],
        "torch": [torch.zeros(2), torch.nn.Parameter(torch.zeros(2))],
        "jax": [jax.numpy.zeros(2)],
        "array": [array_api_strict.zeros(2)],
        "sequence": [[1], (1,), 3.0, None, "text", {}],
        "subclass": [np.ma.zeros(2), matrix(), np.zeros(2).view(Units)],
    }
    for kind, objects in kinds.items():
        for x in objects:
            assert dispatch.kind_of(x) == kind, type(x)
            assert dispatch.kind_of(x) == kind  # from the dict


def test_kind_of_a_subclass_of_a_framework():
    class Mine(torch.Tensor):
        pass

    assert dispatch.kind_of(torch.zeros(1).as_subclass(Mine)) == "torch"


def test_numpy_matrices_and_masks_are_refused():
    for A in (matrix(), np.ma.array(np.eye(2)), np.eye(2).view(Units)):
        name = type(A).__name__
        with pytest.raises(TypeError, match=rf"A is a {name}, a subclass of ndarray.*asarray\(A\)"):
            randla.expm(A)


def test_tracers_are_refused():
    seen = []

    def function(A):
        seen.append(dispatch.kind_of(A))
        return randla.expm(A)

    x = jax.numpy.eye(2)
    message = "A is a JAX tracer: call this function outside of jit, grad and vmap"
    with pytest.raises(TypeError, match=message):
        jax.jit(function)(x)
    with pytest.raises(TypeError, match=message):
        jax.grad(lambda A: function(A).sum())(x)
    with pytest.raises(TypeError, match=message):
        jax.vmap(function)(x[None])
    assert set(seen) == {"tracer"}


def test_backend_is_imported_once():
    assert dispatch.backend("numpy") is dispatch.backend("numpy")
    assert dispatch.backend("numpy").__name__ == "randla._cpu"


def test_to_numpy():
    for x in (
        np.arange(3.0),
        torch.arange(3.0, requires_grad=True),
        jax.numpy.arange(3.0),
        array_api_strict.arange(3.0),
    ):
        values = dispatch.to_numpy(x)
        assert type(values) is np.ndarray
        assert values.tolist() == [0, 1, 2]


def test_out_is_for_numpy():
    with pytest.raises(TypeError, match=r"out is for arrays of NumPy and CuPy; A is a Tensor"):
        randla.expm(torch.eye(2), out=np.eye(2))


# ---- checks ------------------------------------------------------------------------------------


def test_square():
    validate.square("A", (3, 3))
    validate.square("A", (0, 4, 2, 2))
    with pytest.raises(ValueError, match=r"B must have shape \(..., n, n\), got 1 dimension"):
        validate.square("B", (3,))
    with pytest.raises(ValueError, match=r"B must be square in its last two axes, got shape \(2,"):
        validate.square("B", (2, 3))


def test_tolerance():
    assert validate.tolerance(None) == 0.0
    assert validate.tolerance(np.float32(0.5)) == 0.5
    for bad in (0, 1, -2.0, float("nan")):
        with pytest.raises(ValueError, match=re.escape(f"tol must be in (0, 1), got {bad}")):
            validate.tolerance(bad)
    with pytest.raises(TypeError, match=r"tol must be a number in .* got str"):
        validate.tolerance("0.1")


def test_option():
    validate.option("mode", None, [None, "fast"])
    validate.option("mode", "fast", [None, "fast"])
    for bad in ("Fast", 0, b"fast"):
        with pytest.raises(ValueError, match=f"mode must be one of None, 'fast', got {bad!r}"):
            validate.option("mode", bad, [None, "fast"])


def test_compute_char():
    wanted = {"f": "f", "d": "d", "F": "F", "D": "D", "e": "f", "?": "d", "b": "d", "Q": "d"}
    for char, computes in wanted.items():
        assert validate.compute_char("A", np.dtype(char)) == computes
    assert validate.compute_char("A", np.dtype(ml_dtypes.bfloat16)) == "f"
    assert validate.compute_char("A", np.dtype(">f8")) == "d"
    for bad in ("g", "G", "O", "U1", "M8[s]"):
        with pytest.raises(TypeError, match=f"X has dtype {re.escape(str(np.dtype(bad)))}; exp"):
            validate.compute_char("X", np.dtype(bad))


def test_output_overlap_that_is_hard_to_decide():
    """Strides for which the exact answer is expensive: refused rather than computed wrongly."""
    store = np.zeros(100_000)
    x = np.lib.stride_tricks.as_strided(store, (9, 11, 13, 7), (8 * 97, 8 * 89, 8 * 83, 8 * 79))
    y = np.lib.stride_tricks.as_strided(store, (9, 11, 13, 7), (8 * 73, 8 * 71, 8 * 67, 8 * 61))
    with pytest.raises(ValueError, match="out must not overlap an input"):
        validate.output(y, x.shape, x.dtype, x)


# ---- statuses ----------------------------------------------------------------------------------


def statuses():
    text = (ROOT / "native" / "include" / "randla" / "status.def").read_text()
    return re.findall(r'^X\((\w+), (\d+), (\w+), "([^"]+)"\)', text, re.MULTILINE)


def test_every_status_has_an_exception_and_a_message():
    table = statuses()
    assert table[0][:3] == ("OK", "0", "None")
    assert len(table) >= 10
    assert [int(number) for _, number, _, _ in table] == list(range(len(table)))
    for name, number, exception, message in table[1:]:
        home = np.linalg if exception == "LinAlgError" else __import__("builtins")
        kind = getattr(home, exception)
        assert issubclass(kind, BaseException), name
        with pytest.raises(kind) as caught:
            core.raise_status(int(number))
        assert type(caught.value) is kind
        assert str(caught.value) == message


def test_a_status_that_does_not_exist():
    for number in (-1, 999, 2**31 - 1):
        with pytest.raises(RuntimeError):
            core.raise_status(number)


# ---- results -----------------------------------------------------------------------------------


class Pair(results.Result):
    """A result of two arrays and a rank."""

    _fields = ("left", "right")
    _extras = ("info", "rank")


def test_results_unpack_as_their_fields():
    pair = Pair(1, 2, rank=7)
    left, right = pair
    assert (left, right, len(pair)) == (1, 2, 2)
    assert (pair.left, pair.right, pair.rank, pair.info) == (1, 2, 7, None)
    assert repr(pair) == "Pair(left=1, right=2)"
    assert isinstance(pair, tuple)


def test_results_refuse_what_they_do_not_have():
    with pytest.raises(TypeError, match="Pair takes 2 arrays, got 1"):
        Pair(1)
    with pytest.raises(TypeError, match="Pair has no attribute 'other'"):
        Pair(1, 2, other=3)
    with pytest.raises(AttributeError, match="'Pair' object has no attribute 'other'"):
        Pair(1, 2).other  # noqa: B018


def test_results_pickle():
    import copy

    module = sys.modules[Pair.__module__] = (
        sys.modules.get(Pair.__module__) or sys.modules[__name__]
    )
    assert module.Pair is Pair
    for again in (
        pickle.loads(pickle.dumps(Pair(1, [2], rank=3))),
        copy.deepcopy(Pair(1, [2], rank=3)),
    ):
        assert type(again) is Pair
        assert (tuple(again), again.rank, again.info) == ((1, [2]), 3, None)


def test_info_pickles_and_is_frozen():
    _, info = randla.expm(np.eye(3) + np.eye(3, k=1), return_info=True)
    assert pickle.loads(pickle.dumps(info)) == info
    with pytest.raises(AttributeError):
        info.order = 3


def test_per_matrix():
    values = np.arange(6, dtype=np.int32)
    assert results.per_matrix(values, (2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not np.shares_memory(results.per_matrix(values, (6,)), values)
    assert type(results.per_matrix(values[:1], ())) is int


# ---- configuration -----------------------------------------------------------------------------


def test_config_is_complete():
    facts = config.config()
    assert facts["randla"] == facts["core"] == randla.__version__
    assert facts["numpy"] == np.__version__
    assert facts["isa"] == core.isa()
    assert facts["isa"] in facts["isa levels"].split(", ")
    assert all(value is not None for value in facts.values()), facts
    # one thread each: conftest.py set it before NumPy was imported
    assert facts["blas threads"] == 1
    assert facts["threads"] == 1


def test_version_stands_once():
    with open(ROOT / "pyproject.toml", "rb") as file:
        assert tomllib.load(file)["project"]["version"] == randla.__version__


def test_show_config(capsys):
    randla.show_config()
    shown = capsys.readouterr().out
    for name, value in config.config().items():
        assert re.search(rf"^{name}\s+{re.escape(str(value))}$", shown, re.MULTILINE)


def test_headers_are_installed():
    include = Path(randla.get_include())
    for name in ("randla.h", "randla/status.def", "randla/expm.h", "randla/device/philox.h"):
        assert (include / name).is_file()
    library = include.parent / "lib"
    assert list(library.glob("librandla.*"))
    assert (library / "pkgconfig" / "randla.pc").is_file()


def test_num_threads_limits_and_restores():
    before = core.max_threads()
    with randla.num_threads(2):
        assert core.max_threads() == 2
        assert config.config()["blas threads"] == 2
        with randla.num_threads(1):
            assert core.max_threads() == 1
            assert config.config()["blas threads"] == 1
        assert core.max_threads() == 2
    assert core.max_threads() == before


@pytest.mark.parametrize("bad", [1.0, "2", None, True])
def test_num_threads_needs_an_integer(bad):
    with pytest.raises(TypeError, match=f"n must be an integer, got {type(bad).__name__}"):
        randla.num_threads(bad)


@pytest.mark.parametrize("bad", [0, -1])
def test_num_threads_at_least_one(bad):
    with pytest.raises(ValueError, match=f"n must be at least 1, got {bad}"):
        randla.num_threads(bad)


def test_levels():
    chosen = core.isa()
    assert core.isa_levels()[-1] == "baseline"
    core.set_isa("baseline")
    assert core.isa() == "baseline"
    with pytest.raises(ValueError, match="the ISA level is unknown, or this processor does not"):
        core.set_isa("abacus")
    assert core.isa() == "baseline"
    core.set_isa("auto")
    assert core.isa() == chosen


# ---- the command -------------------------------------------------------------------------------


def test_console_script():
    script = shutil.which("randla", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "config"], capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^randla +{re.escape(randla.__version__)}$", done.stdout, re.MULTILINE)
    assert re.search(r"^blas file +/", done.stdout, re.MULTILINE)


def test_command_without_a_subcommand(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([])
    assert "required: command" in capsys.readouterr().err
    assert command.main(["config"]) == 0


# ---- what an import costs ----------------------------------------------------------------------

HEAVY = ("torch", "jax", "cupy", "dask", "scipy", "array_api_compat", "threadpoolctl", "sklearn")


def test_a_numpy_call_imports_no_framework():
    code = f"""
import sys, json, numpy as np, randla
names = {HEAVY!r}
after_import = [m for m in names if m in sys.modules]
compiled = "randla._cpu" in sys.modules
randla.expm(np.eye(3)); randla.expm([[0.0, 1.0], [1.0, 0.0]], return_info=True)
randla.expm(np.zeros((4, 2, 2), "F"), assume="skew"); randla.Stream(1)
print(json.dumps([after_import, compiled, [m for m in names if m in sys.modules]]))
"""
    after_import, compiled, after_call = json.loads(run_python(code))
    assert after_import == []
    assert compiled is False  # the backend is loaded by the first call
    assert after_call == []


def test_one_pool_and_it_is_numpys():
    code = """
import json, numpy as np, randla
randla.expm(np.ones((300, 300)) / 300)
from threadpoolctl import threadpool_info
from randla._cpu import blas
pools = [(p["user_api"], p["internal_api"], p["filepath"]) for p in threadpool_info()]
print(json.dumps([blas.origin, blas.path, pools]))
"""
    origin, path, pools = json.loads(run_python(code))
    blas = [p for p in pools if p[0] == "blas"]
    assert len(blas) == 1, pools
    assert origin == "numpy"
    assert os.path.realpath(blas[0][2]) == os.path.realpath(path)


def test_numpys_blas_is_used_beside_other_pools():
    """SciPy brings an OpenBLAS of its own; imported first, it is still NumPy's that we take."""
    code = """
import numpy as np, scipy.linalg, randla
randla.expm(np.ones((50, 50)))
from randla._cpu import blas
print(blas.origin)
"""
    assert run_python(code).strip() == "numpy"


def test_public_names():
    for name in randla.__all__:
        assert hasattr(randla, name)
    assert {"expm", "Stream", "show_config", "num_threads", "get_include"} <= set(randla.__all__)
    module_of = {"expm": "randla._expm", "Stream": "randla._core.random"}
    for name, module in module_of.items():
        assert getattr(randla, name).__module__ == module


def test_installed_package_is_what_is_tested():
    assert "site-packages" in randla.__file__
