"""The arrows between rooms: who may import whom, and who may know what."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "randla"
NATIVE = ROOT / "native"
COMPILED = {"_cpu", "_cuda"}
FRAMEWORKS = {"torch", "jax", "jaxlib", "cupy", "dask", "sklearn"}
LAZY = {"array_api_compat", "threadpoolctl", "scipy"}
TO_THE_LEFT = ["sketch", "qr", "svd", "matmul", "expm"]  # a stem may use those before it


def imports(path):
    """(module, whether at module level) for each import; randla's own as "randla.x.y"."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    package = ("randla", *path.relative_to(PACKAGE).parent.parts) if PACKAGE in path.parents else ()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [stem] if node.module else [f"{stem}.{alias.name}" for alias in node.names]
            if node.module in ("randla", "randla._core", "randla._cpu"):
                names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, id(node) not in inside) for name in names)


def room(module):
    """First part below randla: "randla._core.dispatch" -> "_core"; None for other packages."""
    parts = module.split(".")
    return (parts[1] if len(parts) > 1 else "") if parts[0] == "randla" else None


def files(folder, pattern):
    found = sorted(folder.rglob(pattern))
    return [path for path in found if "__pycache__" not in path.parts]


def test_core_imports_only_numpy_and_the_standard_library():
    assert files(PACKAGE / "_core", "*.py")
    for path in files(PACKAGE / "_core", "*.py"):
        for module, at_top in imports(path):
            top = module.split(".")[0]
            allowed = {"randla", "numpy", *sys.stdlib_module_names, *(() if at_top else LAZY)}
            assert top in allowed, (path, module)
            if top == "randla":
                # facts reads the version from the package, inside a function
                assert room(module) == "_core" or (module == "randla.__version__" and not at_top)


def test_only_dispatch_reaches_the_backends():
    for path in files(PACKAGE, "*.py"):
        where = path.relative_to(PACKAGE).parts
        if where[0] in COMPILED | {"torch", "jax"} or where == ("_core", "dispatch.py"):
            continue
        if where[0] in ("dask", "sklearn", "demo"):  # over public functions, beside the peers
            continue
        for module, _ in imports(path):
            assert room(module) not in COMPILED | {"torch", "jax"}, (path, module)
            assert module.split(".")[0] not in FRAMEWORKS, (path, module)


def test_dispatch_names_frameworks_but_imports_none():
    for module, _ in imports(PACKAGE / "_core" / "dispatch.py"):
        assert module.split(".")[0] not in FRAMEWORKS
        assert room(module) is None


def test_stems_import_the_core_and_public_functions_to_the_left():
    for path in [*PACKAGE.glob("_[a-z]*.py"), *files(PACKAGE / "sketch", "*.py")]:
        stem = path.parent.name if path.parent != PACKAGE else path.stem.lstrip("_").split("_")[0]
        before = TO_THE_LEFT[: TO_THE_LEFT.index(stem)] if stem in TO_THE_LEFT else []
        own = {stem, path.stem, *(p.stem for p in PACKAGE.glob(f"_{stem}*.py"))}
        allowed = {"_core", *own, *(f"_{s}" for s in before), *before}
        for module, at_top in imports(path):
            if room(module) is not None:
                assert room(module) in allowed, (path, module)
            elif at_top:
                assert module.split(".")[0] in {"numpy", *sys.stdlib_module_names}, (path, module)


def test_adapters_stand_on_public_functions_the_core_and_the_bindings():
    for framework in ("torch", "jax"):
        for path in files(PACKAGE / framework, "*.py"):
            for module, _ in imports(path):
                # and what its own stem checks and decides, which must not stand twice
                below = ("", "_core", "_cpu", "_cuda", framework, path.stem)
                assert room(module) in (None, *below), (path, module)
                assert module.split(".")[0] not in FRAMEWORKS - {framework}, (path, module)


def test_bindings_reach_only_their_own_room_and_the_core():
    for path in [*files(PACKAGE / "_cpu", "*.py"), *files(PACKAGE / "_cpu", "*.pyx")]:
        if path.suffix == ".py":
            modules = [module for module, _ in imports(path)]
        else:
            modules = re.findall(r"^(?:from|import) (randla[\w.]*)", path.read_text(), re.MULTILINE)
        for module in modules:
            assert room(module) in (None, "_cpu", "_core"), (path, module)


@pytest.mark.parametrize("path", files(NATIVE, "*.[chi]*"), ids=lambda p: p.name)
def test_native_knows_nothing_of_python_and_keeps_its_rooms(path):
    text = path.read_text()
    included = set(re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.MULTILINE))
    assert not {i for i in included if i.lower().startswith(("python", "numpy/"))}
    if path.name != "threads.c" and "tests" not in path.parts:
        assert "omp.h" not in included
        assert not re.search(r"^\s*#\s*pragma\s+omp", text, re.MULTILINE)
    if "tests" not in path.parts:
        assert not re.search(r"\b(printf|puts|abort|exit|longjmp)\s*\(", strip_comments(text))
        assert not {"cblas.h", "lapacke.h"} & included


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


def test_only_the_provider_names_blas_symbols():
    """Symbols end with Fortran's underscore; blas.def lists the names, for provider.c alone."""
    table = (NATIVE / "include" / "randla" / "blas.def").read_text()
    names = re.findall(r"^X\((\w+)\)", table, re.MULTILINE)
    assert "dgemm" in names
    for path in files(NATIVE / "src", "*.[chi]*"):
        if path.name in ("provider.c", "provider.h"):
            continue
        text = strip_comments(path.read_text())
        found = re.findall(rf"\b(?:{'|'.join(names)})_*\b", text)
        assert not found, (path, found)
        assert not re.search(r'include "randla/blas\.def"', text), path


def outside():
    return [
        *files(ROOT / "asv_bench", "*.py"),
        *files(ROOT / "docs" / "examples", "*.py"),
        *files(PACKAGE / "demo", "*.py"),
    ]


def test_benchmarks_examples_and_demo_use_the_public_api():
    """Alone the instruction-set level has no public switch: benchmarks of levels ask the core."""
    for path in outside():
        text = path.read_text()
        for module, _ in imports(path):
            # the demo's own files, and the bar that tune_matmul shows too
            if module.startswith("randla.demo") or module == "randla._core.progress":
                continue
            parts = module.split(".")
            if parts[0] == "randla" and module not in ("randla._cpu", "randla._cpu.core"):
                assert not any(p.startswith("_") and p != "__version__" for p in parts), path
        private = re.findall(r"\brandla\._[a-z][\w.]*", text)
        assert not [p for p in private if p not in ("randla._cpu", "randla._cpu.core")], path


def test_tests_open_only_their_own_room():
    """A test of a stem may open that stem, its binding and the core; nothing of another stem."""
    for path in files(ROOT / "tests", "test_*.py"):
        stem = path.stem.removeprefix("test_").removeprefix("torch_").split("_")[0]
        if stem in ("core", "random", "threads", "house"):
            stem = "core"
        for module, _ in imports(path):
            parts = module.split(".")
            if parts[0] == "randla" and len(parts) > 1 and parts[1].startswith("_"):
                allowed = {"_core", "_cpu", "_cuda", "__main__", f"_{stem}"}
                part = parts[1].startswith(f"_{stem}_")  # of the same stem
                assert part or parts[1] in allowed, (path, module)
                if parts[1] in COMPILED and len(parts) > 2:
                    own = parts[2] == stem or parts[2].startswith(f"{stem}_")
                    assert own or parts[2] in {"core", "blas", "_blas", "_launch"}, (path, module)
