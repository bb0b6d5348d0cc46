"""StreamingSVD of arrays of CuPy: sketches stay on the device, sums have the bits of the host."""

import cupy_stand_in
import numpy as np
import pytest
import scipy.sparse as sp
from svd_gallery import spectra, with_values

import randla

gpu = pytest.mark.gpu
FEW = cupy_stand_in.SANITIZE  # what ASan must see are the paths, not the cases
DTYPES = ["float32", "complex128"] if FEW else ["float32", "float64", "complex64", "complex128"]


def streamed(A, k, places=(), **options):
    stream = randla.StreamingSVD(A.shape[1], k, **options)
    for i, j in zip((0, *places), (*places, len(A)), strict=True):
        stream.update_rows(A[i:j])
    return stream


def host(result):
    return [x if x is None else x.get() for x in result]


@gpu
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("shape", [(300, 70), (50, 400), (40, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_numpy(cp, dtype, shape, left):
    A = with_values(*shape, spectra(min(shape))["1/i"] ** 2, dtype) + np.asarray(0.1, dtype)
    k = min(4, shape[1])
    found = streamed(cp.asarray(A), k, [7, 7, 33], left=left, rng=3)
    wanted = streamed(A, k, [20], left=left, rng=3)
    close = 200 * np.finfo(dtype).eps
    for one, other in ((found.result(), wanted.result()), (found.pca(), wanted.pca())):
        assert all(x is None or isinstance(x, cp.ndarray) for x in one)
        U, S, Vh = host(one)
        assert {S.dtype, Vh.dtype} == {other.S.dtype, other.Vh.dtype}
        size = float(other.S[0]) * close
        assert np.allclose(S, other.S, atol=size)
        assert (U is None) == (not left)
        # of close values vectors turn: what they make is compared
        made = Vh.conj().T @ (S[:, None] ** 2 * Vh)
        assert np.allclose(
            made, other.Vh.conj().T @ (other.S[:, None] ** 2 * other.Vh), atol=size * other.S[0]
        )
        if left:
            assert np.allclose((U * S) @ Vh, (other.U * other.S) @ other.Vh, atol=size)
        assert np.isclose(one.info.error_fro, other.info.error_fro, rtol=1e-3, atol=size)
    assert isinstance(found.pca().mean, cp.ndarray)
    assert found.pca().mean.get().tobytes() == wanted.pca().mean.tobytes()
    for name in ("explained_variance", "explained_variance_ratio"):
        x = getattr(found.pca(), name)
        assert isinstance(x, cp.ndarray)
        assert np.allclose(x.get(), getattr(wanted.pca(), name), atol=10 * close, rtol=10 * close)


@gpu
@pytest.mark.parametrize("left", [True, False])
def test_bits_do_not_depend_on_the_cut(cp, left):
    A = cp.asarray(with_values(2500, 30, spectra(30)["1/i"], "float32") + np.float32(0.1))
    whole = streamed(A, 3, left=left, rng=1).pca()
    for places in ((1,), (1023, 2049)):
        part = streamed(A, 3, places, left=left, rng=1).pca()
        for one, other in zip(host(whole), host(part), strict=True):
            assert one is other is None or one.tobytes() == other.tobytes()
        assert whole.info == part.info
        assert whole.mean.get().tobytes() == part.mean.get().tobytes()


@gpu
def test_sums_merges_changes_and_sparse_blocks(cp):
    import cupyx.scipy.sparse as device_sparse

    A = with_values(90, 40, spectra(40)["1/i"] ** 2)
    A[np.abs(A) < 1e-3] = 0
    wanted = streamed(A, 3, rng=0).result()
    parts = [randla.StreamingSVD(40, 3, first_row=i, rng=0) for i in (0, 50)]
    parts[0].update_rows(cp.asarray(A[:50]))
    parts[1].update_rows(device_sparse.csr_matrix(sp.csr_matrix(A[50:])))
    whole = randla.StreamingSVD(40, 3, m=90, dtype="float64", rng=0)
    whole.update(0, cp.asarray(2 * A))
    whole.update(0.5, cp.asarray(A), 0)
    for stream in (parts[0] + parts[1], whole):
        assert all(map(np.allclose, host(stream.result()), wanted))
    blocks = randla.randomized_svd((cp.asarray(x) for x in np.split(A, 3)), 3, rng=0)
    assert np.allclose(blocks.S.get(), wanted.S)


@gpu
def test_what_is_refused(cp):
    A = with_values(60, 40, spectra(40)["1/i"])
    stream = streamed(cp.asarray(A), 3, rng=0)
    before = host(stream.result())
    bad = cp.asarray(np.where(np.arange(40) == 5, np.nan, A))
    with pytest.raises(np.linalg.LinAlgError, match="block has a NaN or an infinity"):
        stream.update_rows(bad)
    with pytest.raises(TypeError, match="of one library, got block of numpy after rows of cupy"):
        stream.update_rows(A)
    with pytest.raises(ValueError, match="block must have 40 columns, got 39"):
        stream.update_rows(cp.asarray(A[:, :39]))
    with pytest.raises(ValueError, match="streams must be of one library, got cupy and numpy"):
        stream + streamed(A, 3, first_row=60, rng=0)
    assert all(np.array_equal(x, y) for x, y in zip(host(stream.result()), before, strict=True))
    with pytest.raises(TypeError, match="of one library, got block of cupy after rows of numpy"):
        streamed(A, 3, rng=0).update_rows(cp.asarray(A))


def test_waits_once_for_a_block(stand_in):
    A = stand_in.asarray(with_values(64, 40, spectra(40)["1/i"]))
    stream = streamed(A[:32], 3, rng=0)
    stand_in.record.clear()
    stream.update_rows(A[32:])
    assert stand_in.record.synchronisations == 1
    assert sum(stand_in.record.crossed) == 32 * 8  # sums of squares
