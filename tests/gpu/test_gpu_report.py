"""The report of the GPU runs; its figures mean nothing on the stand-in."""

import importlib.util
from pathlib import Path

import processes
import pytest
import torch

import randla.sketch
import randla.torch

SCRIPT = Path(__file__).parent.parent.parent / "asv_bench" / "gpu_report.py"


@pytest.fixture
def report():
    spec = importlib.util.spec_from_file_location("gpu_report", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page(stand_in, report, monkeypatch):
    small = [report._topk(3, 50, 7, "float32"), report._topk(2, 90, 5, "float64", report._constant)]
    monkeypatch.setattr(report, "REPEATS", 3)
    rows = [(case, report.run(stand_in, None, case)) for case in small]
    assert [found["error"] for _, found in rows] == [0, 0]
    text = report.page("A device", "CuPy 13", rows)
    assert "## topk" in text
    (line,) = (x for x in text.splitlines() if x.startswith("| 3 x 50, k = 7, float32 |"))
    _, _, error, time, bandwidth, torch, cupy, _ = (cell.strip() for cell in line.split("|"))
    assert error == "0"
    assert torch == "-"  # it is not there
    assert min(float(time), float(cupy)) > 0
    assert float(bandwidth) >= 0


def test_cases_of_expm(stand_in, report, monkeypatch):
    monkeypatch.setattr(report, "REPEATS", 1)
    for case in report._expm(5, 6, 2.0, "float32"):
        right = report.run(stand_in, None, case)["error"]
        assert 0 < right <= case.allowed, case.title
        host = case.make()
        off = case.ours(*(stand_in.asarray(x) for x in host)) * (1 + 1e-4)
        assert case.error(off, *host) > case.allowed


def test_cases_of_sketch(stand_in, report, monkeypatch):
    monkeypatch.setattr(report, "REPEATS", 1)
    S, N = randla.sketch.SparseSign(20, 300, rng=0), randla.sketch.Gaussian(20, 300, rng=0)
    for case in (
        report._sketch(S, 7, "float32", "F"),
        report._sketch(N, 7, "float64"),
        report._sketch(S, 7, "float32", adjoint=True, peers=False),
    ):
        found = report.run(stand_in, None, case)
        assert 0 < found["error"] <= case.allowed, case.title
        assert ("cupy" in found["times"]) == bool(case.peers)
        (A,) = case.make()
        off = case.ours(stand_in.asarray(A)) * (1 + 1e-4)
        assert case.error(off, A) > case.allowed


def test_cases_of_matmul(stand_in, report, monkeypatch):
    monkeypatch.setattr(report, "REPEATS", 1)
    for algorithm, levels in (("auto", None), ("winograd", 1)):
        case = report._matmul(48, "float32", algorithm, levels)
        found = report.run(stand_in, None, case)
        assert found["error"] <= case.allowed
        assert "cupy" in found["times"]
        host = case.make()
        off = case.ours(*(stand_in.asarray(x) for x in host)) * (1 + 1e-4)
        assert case.error(off, *host) > case.allowed


def test_cases_of_topk_soft(stand_in, report, monkeypatch):
    monkeypatch.setattr(report, "REPEATS", 1)
    for kind in ("rank", "fermi", "shiva"):
        values, training = report._soft(3, 40, kind, "float32")
        assert report.run(stand_in, None, values)["error"] <= values.allowed
        (x,) = values.make()
        off = values.ours(stand_in.asarray(x)) * (1 + 1e-3)
        assert values.error(off, x) > values.allowed
        host = [torch.from_numpy(a) for a in training.make()]
        y = host[0].requires_grad_()
        ours = {"rank": lambda a: randla.torch.soft_rank(a, temperature=0.2)}.get(
            kind, lambda a, kind=kind: randla.torch.soft_topk(a, 20, kind=kind, temperature=0.2)
        )
        found = torch.autograd.grad(ours(y), y, host[1])[0].numpy()
        assert training.error(stand_in.asarray(found), *training.make()) <= training.allowed
        assert training.error(stand_in.asarray(found * 1.001), *training.make()) > training.allowed
        assert training.peers["torch"](torch, *host).shape == (3, 40)


@pytest.mark.parametrize("method", ["cqrrpt", "cqrrt", "cholesky_qr"])
def test_cases_of_qr(stand_in, report, monkeypatch, method):
    monkeypatch.setattr(report, "REPEATS", 1)
    case = report._qr(300, 20, "float32", method, "F")
    found = report.run(stand_in, None, case)
    assert 0 < found["error"] <= case.allowed
    assert "cupy" in found["times"]
    (A,) = case.make()
    right = case.ours(stand_in.asarray(A))
    wrong = type(right)(right.Q * 1.001, *right[1:])
    assert case.error(wrong, A) > case.allowed


def test_wrong_results_are_told(stand_in, report):
    case = report._topk(3, 50, 7, "float32")
    (x,) = case.make()
    right = case.ours(stand_in.asarray(x))
    assert case.error(right, x) == 0
    swapped = type(right)(right.values, right.indices[:, ::-1])
    assert case.error(swapped, x) > 0
    assert case.error(type(right)(right.values + 1, right.indices), x) == 1


def test_without_a_gpu_it_says_so():
    code = (
        f"import sys; sys.modules['cupy'] = None; sys.argv = ['gpu_report']; "
        f"import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    done = processes.run(code)
    assert done.returncode == 1
    assert "no report: CuPy is missing" in done.stderr


def test_cases_of_svd(stand_in, report, monkeypatch):
    monkeypatch.setattr(report, "REPEATS", 1)
    for shape in ((150, 90), (90, 150)):
        case = report._svd(*shape, 5, "float64", True)
        found = report.run(stand_in, None, case)
        assert 0 < found["error"] <= case.allowed
        assert "cupy" in found["times"]
        (A,) = case.make()
        assert case.error(case.ours(stand_in.asarray(1.05 * A)), A) > case.allowed
