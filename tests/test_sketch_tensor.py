"""TensorSketch and KhatriRao: every sentence of their docstrings, on NumPy and sparse arrays."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import randla
from randla.sketch import KhatriRao, TensorSketch

D = [1, 2, 3, 8, 13, 64, 100]


def hashed(S, g, x, constant):
    """CountSketch of factor g and of its constant, from the definition."""
    buckets, signs = S._codes(g)
    c = np.zeros(S.d)
    np.add.at(c, buckets, signs * np.append(np.sqrt(S.gamma) * x, constant))
    return c


def definition(S, xs):
    """Circular convolution of the hashed factors of one vector."""
    product = np.zeros(S.d)
    product[0] = 1
    for g, x in enumerate(xs):
        c = hashed(S, g, x, np.sqrt(S.coef0))
        product = sum(product[k] * np.roll(c, k) for k in range(S.d))
    return product


def close(found, wanted, scale=1.0):
    assert found.shape == wanted.shape
    eps = np.finfo(found.dtype).eps
    # transforms err by eps log2(n), relative to the product of the norms of the factors
    assert np.abs(found - wanted).max(initial=0) <= 30 * eps * scale


def vectors(count, m, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((count, m)).astype(dtype)


@pytest.mark.parametrize("d", D)
@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_apply_is_a_circular_convolution(d, degree, dtype):
    S = TensorSketch(d, 9, degree, gamma=0.5, coef0=1.5, rng=3)
    X = vectors(19, 9, dtype=dtype)
    wanted = np.array([definition(S, [x] * degree) for x in X.astype(float)])
    scale = (3 * np.abs(X).sum(axis=1).max()) ** degree
    found = S.apply(X, axis=1)
    assert found.dtype == dtype
    close(found, wanted, scale)
    close(S._reference([X], [1]), wanted, scale)
    close(S.apply(X.T), wanted.T, scale)
    assert np.array_equal(S.apply_factors(*[X] * degree, axis=1), found)


def test_hash_is_the_one_of_the_core():
    for key in (0, 7, 2**64 - 1):
        S = TensorSketch(1000, 21, 3, rng=randla.Stream(key, 2**63))
        for g in range(3):
            codes = np.empty(22, np.int32)
            binding = randla._core.dispatch.backend("numpy").sketch_tensor
            binding.codes(key, 2**63, 1000, g, codes)
            buckets, signs = S._codes(g)
            assert np.array_equal(codes >> 1, buckets)
            assert np.array_equal(1 - 2 * (codes & 1), signs)


def test_hash_is_frozen():
    """The stream is part of the interface."""
    S = TensorSketch(100, 4, 2, rng=42)
    assert [S._codes(g)[0].tolist() for g in (0, 1)] == FROZEN_BUCKETS
    assert [S._codes(g)[1].tolist() for g in (0, 1)] == FROZEN_SIGNS


FROZEN_BUCKETS = [[39, 2, 0, 31, 64], [26, 70, 98, 51, 51]]
FROZEN_SIGNS = [[1.0, 1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0, 1.0]]


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_layouts(axis):
    S = TensorSketch(16, 6, 3, rng=0)
    X = np.moveaxis(vectors(20, 6).reshape(4, 5, 6), -1, axis)
    wanted = np.moveaxis(S.apply(np.moveaxis(X, axis, -1), axis=-1), -1, axis)
    frozen = X.copy()
    frozen.flags.writeable = False
    odd = np.zeros(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    odd[...] = X
    wide = np.repeat(X, 2, axis=1)[:, ::2]
    for Y in (X, np.ascontiguousarray(X), np.asfortranarray(X), frozen, odd, wide, X[::-1][::-1]):
        assert np.array_equal(S.apply(Y, axis), wanted)
        for order in "CF":
            out = np.empty(wanted.shape, order=order)
            assert S.apply(Y, axis, out=out) is out
            assert np.array_equal(out, wanted)
    assert np.array_equal(S.apply(X.tolist(), axis), wanted)


@pytest.mark.parametrize("char", "?bhilBHILefd")
def test_dtypes(char):
    X = (3 * vectors(5, 6)).astype(char)
    found = TensorSketch(16, 6, rng=0).apply(X, axis=1)
    assert found.dtype == (X.dtype if char in "efd" else np.float64)
    exact = TensorSketch(16, 6, rng=0).apply(X.astype(float), axis=1)
    assert np.allclose(
        found, exact, rtol=1e-2 if char == "e" else 1e-4, atol=1e-3 * abs(exact).max()
    )


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_array", "csr_matrix", "lil_array"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_sparse_input(kind, dtype, degree):
    rng = np.random.default_rng(1)
    X = np.round(10 * rng.standard_normal((23, 40)) * (rng.random((23, 40)) < 0.2)).astype(dtype)
    S = TensorSketch(32, 40, degree, gamma=2, coef0=3, rng=5)
    make = getattr(scipy.sparse, kind)
    found = S.apply(make(X), axis=1)
    assert found.dtype == (np.float64 if dtype == np.int64 else dtype)
    assert np.array_equal(found, S.apply(X, axis=1))
    assert np.array_equal(S.apply(make(np.ascontiguousarray(X.T))), found.T)
    out = np.empty((32, 23), found.dtype)
    assert S.apply(make(np.ascontiguousarray(X.T)), out=out) is out
    assert np.array_equal(out, found.T)


def test_sparse_duplicates_add_and_wide_indices_serve():
    S = TensorSketch(8, 3, rng=0)
    triple = (np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 2, 3]))
    A = scipy.sparse.csr_array(triple, shape=(3, 3))
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    assert np.allclose(S.apply(A, axis=1), S.apply(A.toarray(), axis=1))
    broken = scipy.sparse.csr_array((3, 3))
    broken.indices, broken.data = np.array([7], np.int32), np.ones(1)
    broken.indptr = np.array([0, 1, 1, 1], np.int32)
    with pytest.raises(ValueError, match="X is a broken sparse array"):
        S.apply(broken, axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_vector_depends_on_no_other_and_on_no_thread(dtype):
    X = vectors(41, 30, dtype=dtype)
    for d in (64, 100):
        S = TensorSketch(d, 30, 3, coef0=1, rng=0)
        wanted = S.apply(X, axis=1)
        for i in range(0, 41, 7):
            assert np.array_equal(S.apply(X[i], axis=0), wanted[i])
            assert np.array_equal(S.apply(X[i:], axis=1), wanted[i:])
        for threads in (1, 2, 3):
            with randla.num_threads(threads):
                assert np.array_equal(S.apply(np.tile(X, (30, 1)), 1), np.tile(wanted, (30, 1)))


def test_factors_of_several_lengths():
    S = TensorSketch(32, (3, 8, 5), rng=4)
    assert S.degree == 3
    assert S.lengths == (3, 8, 5)
    xs = [vectors(7, m, seed=m) for m in S.lengths]
    wanted = np.array([definition(S, rows) for rows in zip(*xs, strict=True)])
    close(S.apply_factors(*xs, axis=1), wanted, 300)
    close(S.apply_factors(*(x.T for x in xs)), wanted.T, 300)
    assert np.array_equal(S.apply_factors(*(x[0] for x in xs)), S.apply_factors(*xs, axis=1)[0])
    mixed = [xs[0], xs[1].astype(np.float32), xs[2]]
    assert S.apply_factors(*mixed, axis=1).dtype == np.float64
    # linear in each factor
    more = S.apply_factors(xs[0], 2 * xs[1], xs[2], axis=1)
    assert np.allclose(more, 2 * S.apply_factors(*xs, axis=1))
    with pytest.raises(ValueError, match="apply_factors"):
        S.apply(xs[0])


def test_is_the_sketch_of_a_kronecker_product():
    """Column (i, j) of the operator is in bucket h1(i) + h2(j), with the product of the signs."""
    S = TensorSketch(11, (3, 4), rng=9)
    (h1, s1), (h2, s2) = S._codes(0), S._codes(1)
    matrix = np.zeros((11, 12))
    for i in range(3):
        for j in range(4):
            matrix[(h1[i] + h2[j]) % 11, 4 * i + j] += s1[i] * s2[j]
    x, y = vectors(1, 3)[0], vectors(1, 4)[0]
    assert np.allclose(S.apply_factors(x, y), matrix @ np.kron(x, y), atol=1e-14)


def test_unbiased_with_the_variance_that_is_said():
    """Of 1000 sketches, the mean within 5 standard errors, and the variance below its bound."""
    x, y = vectors(2, 12) / 12**0.5
    gamma, coef0, degree, d = 0.8, 0.5, 2, 64
    exact = (gamma * x @ y + coef0) ** degree
    pair = np.array([x, y])
    products = []
    for seed in range(1000):
        F = TensorSketch(d, 12, degree, gamma=gamma, coef0=coef0, rng=seed).apply(pair, axis=1)
        products.append(F[0] @ F[1])
    size = [(gamma * v @ v + coef0) ** degree for v in (x, y)]
    bound = (3**degree - 1) / d * size[0] * size[1]
    assert abs(np.mean(products) - exact) < 5 * np.std(products) / 1000**0.5
    assert np.var(products) < bound


def test_nan_and_infinity_stay_in_their_vectors():
    X = vectors(30, 6)
    X[4, 2], X[17, 0] = np.nan, np.inf
    for S in (TensorSketch(16, 6, rng=0), TensorSketch(10, 6, 3, rng=0)):
        found = S.apply(X, axis=1)
        bad = ~np.isfinite(found)
        assert bad[[4, 17]].all()
        assert np.flatnonzero(bad.any(axis=1)).tolist() == [4, 17]


def test_empty():
    S = TensorSketch(8, 3, rng=0)
    assert S.apply(np.zeros((0, 3)), axis=1).shape == (0, 8)
    assert S.apply(np.zeros((3, 0))).shape == (8, 0)
    assert S.apply(scipy.sparse.csr_array((0, 3)), axis=1).shape == (0, 8)
    assert S.apply(scipy.sparse.csr_array((2, 3)), axis=1).tolist() == np.zeros((2, 8)).tolist()


@settings(max_examples=40, deadline=None)
@given(
    d=st.integers(1, 40),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    count=st.integers(0, 20),
    seed=st.integers(0, 2**64 - 1),
)
def test_any_sizes(d, lengths, count, seed):
    S = TensorSketch(d, tuple(lengths), rng=seed)
    xs = [vectors(count, m, seed=m) for m in lengths]
    wanted = np.array([definition(S, rows) for rows in zip(*xs, strict=True)]).reshape(count, d)
    close(S.apply_factors(*xs, axis=1), wanted, 20 ** len(lengths))


def test_gradient_of_the_core_is_the_adjoint_of_the_differential():
    binding = randla._core.dispatch.backend("numpy").sketch_tensor
    for d in (1, 8, 13):
        for degree in (1, 2, 3, 4):
            x, h, v = vectors(1, 5), vectors(1, 5, 1), vectors(1, d, 2)
            g, y = np.empty_like(x), [np.empty((1, d)) for _ in range(degree)]
            same, features = [None] * (degree - 1), [0.5] * degree
            binding.vjp(3, 0, [x, *same], 1.5, features, v, [g, *same])
            for k in range(degree):  # linear in each factor
                xs = [h if j == k else x for j in range(degree)]
                without = [0.0 if j == k else 0.5 for j in range(degree)]
                binding.apply(3, 0, xs, 1.5, without, y[k])
            assert np.allclose((g * h).sum(), (v * sum(y)).sum(), rtol=1e-11, atol=1e-11)


def test_identity():
    S = TensorSketch(8, 3, 3, gamma=2, coef0=1, rng=7)
    assert pickle.loads(pickle.dumps(S)) == S
    assert TensorSketch(8, 3, 3, gamma=2, coef0=2, rng=7) != S
    assert eval(repr(S), {"TensorSketch": TensorSketch, "Stream": randla.Stream}) == S
    assert S.next_stream == randla.Stream(7, 2**40)
    K = KhatriRao(8, (3, 2), rng=7)
    assert pickle.loads(pickle.dumps(K)) == K
    assert eval(repr(K), {"KhatriRao": KhatriRao, "Stream": randla.Stream}) == K
    assert hash(K) == hash(KhatriRao(8, (3, 2), rng=7))


@pytest.mark.parametrize("S", [TensorSketch(8, 3, rng=0), KhatriRao(8, (3, 3), rng=0)])
def test_it_is_no_matrix(S):
    for use in (lambda A: S @ A, lambda A: A @ S):
        with pytest.raises(TypeError, match=r"use .*apply_factors"):
            use(np.eye(3))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((0, 3), {}, ValueError, r"d must be in \[1, 1073741824\], got 0"),
        ((2.0, 3), {}, TypeError, "d must be an integer, got float"),
        ((8, 0), {}, ValueError, r"m must be in \[1, .*\], got 0"),
        ((8, None), {}, TypeError, "m must be an integer"),
        ((8, (3, 0)), {}, ValueError, r"m\[1\] must be in \[1, .*\], got 0"),
        ((8, (3, 2), 3), {}, ValueError, "degree must be 2, the length of m, got 3"),
        ((8, 3, 0), {}, ValueError, r"degree must be in \[1, 1024\], got 0"),
        ((8, 3, 2.0), {}, TypeError, "degree must be an integer, got float"),
        ((8, ()), {}, ValueError, r"degree must be in \[1, 1024\], got 0"),
        ((8, 3), {"gamma": -1}, ValueError, "gamma must be finite and at least 0, got -1"),
        ((8, 3), {"coef0": np.nan}, ValueError, "coef0 must be finite and at least 0, got nan"),
        ((8, 3), {"coef0": "1"}, TypeError, "coef0 must be a number, got str"),
        ((8, 3), {"rng": 1.5}, TypeError, "rng must be None, an int"),
    ],
)
def test_parameters_that_are_refused(arguments, options, error, text):
    with pytest.raises(error, match=text):
        TensorSketch(*arguments, **options)


def test_arrays_that_are_refused():
    S, X = TensorSketch(8, 3, rng=0), np.ones((4, 3))
    with pytest.raises(ValueError, match=r"axis 0 of X must have length 3.*got 4"):
        S.apply(X)
    with pytest.raises(ValueError, match=r"axis 0 of X must have length 3.*got 4"):
        S.apply(scipy.sparse.csr_array(X))
    with pytest.raises(np.exceptions.AxisError):
        S.apply(X, axis=2)
    with pytest.raises(TypeError, match="X has dtype complex128; expected real numbers"):
        S.apply(X * 1j, axis=1)
    with pytest.raises(TypeError, match="X has dtype complex128; expected real numbers"):
        S.apply(scipy.sparse.csr_array(X * 1j), axis=1)
    with pytest.raises(TypeError, match=r"float128|longdouble"):
        S.apply(X.astype(np.longdouble), axis=1)
    with pytest.raises(TypeError, match="MaskedArray"):
        S.apply(np.ma.array(X), axis=1)
    with pytest.raises(ValueError, match=r"out must have shape \(4, 8\), got \(4, 7\)"):
        S.apply(X, 1, out=np.empty((4, 7)))
    with pytest.raises(TypeError, match="out must have dtype float64, got float32"):
        S.apply(X, 1, out=np.empty((4, 8), np.float32))
    square = TensorSketch(3, 3, rng=0)
    with pytest.raises(ValueError, match="overlap"):
        square.apply(X, 1, out=X)
    with pytest.raises(ValueError, match="2 factors, got 1"):
        S.apply_factors(X, axis=1)
    with pytest.raises(ValueError, match="X1 and X2 must have the same shape beside axis 1"):
        S.apply_factors(X, X[:2], axis=1)
    with pytest.raises(ValueError, match="axis 1 of X2 must have length 3"):
        S.apply_factors(X, X[:, :2], axis=1)
    with pytest.raises(ValueError, match="at least one dimension"):
        S.apply(np.float64(1))
    wide = np.broadcast_to(np.ones(3), (2**58, 3))
    with pytest.raises(MemoryError, match="cannot be allocated"):
        S.apply(wide, axis=1)


# ---- Khatri-Rao ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(5,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_khatri_rao(lengths, dtype):
    S = KhatriRao(150, lengths, rng=3)
    xs = [vectors(6, m, seed=m, dtype=dtype) for m in lengths]
    products = np.array([np.ones(1)] * 6)
    for x in xs:
        products = np.einsum("ij,ik->ijk", products, x.astype(float)).reshape(6, -1)
    matrix = S.toarray()
    assert matrix.shape == S.shape == (150, np.prod(lengths))
    assert np.allclose(np.abs(matrix), S.scale)
    found = S.apply_factors(*xs, axis=1)
    assert found.dtype == dtype
    scale = np.prod([np.abs(x).sum(axis=1).max() for x in xs])
    close(found, products @ matrix.T, scale)
    close(S.apply_factors(*(x.T for x in xs)), found.T, scale)
    out = np.empty_like(found)
    assert S.apply_factors(*xs, axis=1, out=out) is out
    assert np.array_equal(out, found)
    assert S.toarray(np.float32).dtype == np.float32


def test_khatri_rao_factors_are_independent_and_isotropic():
    S = KhatriRao(2000, (4, 4), rng=0)
    signs = [f._definition(0, 4) for f in S._signs]
    assert abs((signs[0] * signs[1]).sum()) < 5 * 8000**0.5
    gram = S.toarray().T @ S.toarray()
    assert np.abs(gram - np.eye(16)).max() < 5 / 2000**0.5


def test_khatri_rao_refuses():
    with pytest.raises(TypeError, match="m must be a tuple of lengths, got int"):
        KhatriRao(8, 3)
    with pytest.raises(ValueError, match=r"len\(m\) must be in \[1, 1024\], got 0"):
        KhatriRao(8, ())
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        KhatriRao(8, (2, 2)).toarray(np.float16)
    with pytest.raises(MemoryError):
        KhatriRao(8, (2**32, 2**32)).toarray()
    with pytest.raises(ValueError, match="2 factors, got 1"):
        KhatriRao(8, (2, 2)).apply_factors(np.ones(2))
