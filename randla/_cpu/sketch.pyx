# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of the sketching operators.  An operator is an rl_sketch: eleven words of 64 bits."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from randla._cpu.core import raise_status


cdef extern from "randla.h" nogil:
    ctypedef struct rl_stream:
        uint64_t key
        uint64_t offset
    ctypedef struct rl_sketch:
        pass
    int64_t rl_sketch_block(const rl_sketch *s)
    int rl_sketch_codes(const rl_sketch *s, int32_t *codes)
    int rl_stream_subset(rl_stream stream, uint32_t kind, uint32_t sub, int64_t count,
                         int64_t bound, int64_t *chosen)
    int rl_ssketch_fill(const rl_sketch *s, float *B, int64_t ldb)
    int rl_dsketch_fill(const rl_sketch *s, double *B, int64_t ldb)
    int rl_ssketch_left(const rl_sketch *s, int transposed, int64_t count, int64_t n, float alpha,
                        const float *A, int64_t lda, int64_t stridea, float beta, float *B,
                        int64_t ldb, int64_t strideb)
    int rl_dsketch_left(const rl_sketch *s, int transposed, int64_t count, int64_t n, double alpha,
                        const double *A, int64_t lda, int64_t stridea, double beta, double *B,
                        int64_t ldb, int64_t strideb)
    int rl_ssketch_right(const rl_sketch *s, int transposed, int64_t count, int64_t n, float alpha,
                         const float *A, int64_t lda, int64_t stridea, float beta, float *B,
                         int64_t ldb, int64_t strideb)
    int rl_dsketch_right(const rl_sketch *s, int transposed, int64_t count, int64_t n,
                         double alpha, const double *A, int64_t lda, int64_t stridea, double beta,
                         double *B, int64_t ldb, int64_t strideb)
    int rl_ssketch_csr(const rl_sketch *s, int64_t n, float alpha, const void *pointers,
                       const void *indices, const float *data, int index_bytes, float beta,
                       float *B, int64_t rowstride, int64_t colstride)
    int rl_dsketch_csr(const rl_sketch *s, int64_t n, double alpha, const void *pointers,
                       const void *indices, const double *data, int index_bytes, double beta,
                       double *B, int64_t rowstride, int64_t colstride)
    int rl_ssketch_csc(const rl_sketch *s, int64_t n, float alpha, const void *pointers,
                       const void *indices, const float *data, int index_bytes, float beta,
                       float *B, int64_t rowstride, int64_t colstride)
    int rl_dsketch_csc(const rl_sketch *s, int64_t n, double alpha, const void *pointers,
                       const void *indices, const double *data, int index_bytes, double beta,
                       double *B, int64_t rowstride, int64_t colstride)
    int rl_ssketch_once_down(const rl_sketch *s, int64_t n, const float *A, int64_t lda, float *W,
                             int64_t ldw, double *sums)
    int rl_dsketch_once_down(const rl_sketch *s, int64_t n, const double *A, int64_t lda, double *W,
                             int64_t ldw, double *sums)
    int rl_ssketch_once_across(const rl_sketch *s, int pairs, int64_t m, float alpha,
                               const float *A, int64_t lda, float *Y, int64_t ldy, float *squares)
    int rl_dsketch_once_across(const rl_sketch *s, int pairs, int64_t m, double alpha,
                               const double *A, int64_t lda, double *Y, int64_t ldy,
                               double *squares)


ctypedef fused real:
    float
    double


ctypedef fused index:
    int32_t
    int64_t


cdef int read(const uint64_t[::1] words, rl_sketch *s) except -1:
    if words.shape[0] * 8 != sizeof(rl_sketch):
        raise ValueError("an operator has eleven words")
    memcpy(s, &words[0], sizeof(rl_sketch))
    return 0


def block(const uint64_t[::1] words):
    """Columns that are taken at once."""
    cdef rl_sketch s
    read(words, &s)
    return rl_sketch_block(&s)


def codes(const uint64_t[::1] words, int32_t[:, ::1] out):
    """Row and sign of each nonzero, (columns, nnz), not empty."""
    cdef rl_sketch s
    cdef int status
    read(words, &s)
    with nogil:
        status = rl_sketch_codes(&s, &out[0, 0])
    if status:
        raise_status(status)


def subset(uint64_t key, uint64_t offset, uint32_t kind, uint32_t sub, int64_t bound,
           int64_t[::1] out):
    """Sorted distinct integers below `bound`."""
    cdef rl_stream stream
    cdef int64_t count = out.shape[0]
    cdef int status
    stream.key, stream.offset = key, offset
    with nogil:
        status = rl_stream_subset(stream, kind, sub, count, bound, &out[0])
    if status:
        raise_status(status)


def fill(const uint64_t[::1] words, real[:, ::1] out):
    """The transpose of the operator's entries, (columns, rows), not empty."""
    cdef rl_sketch s
    cdef int64_t ld = out.shape[1]
    cdef int status
    read(words, &s)
    with nogil:
        if real is float:
            status = rl_ssketch_fill(&s, &out[0, 0], ld)
        else:
            status = rl_dsketch_fill(&s, &out[0, 0], ld)
    if status:
        raise_status(status)


def apply(const uint64_t[::1] words, bint transposed, X, Y, double alpha, double beta):
    """Y = alpha U X + beta Y (transposed: U^T) for batches of matrices, not empty.

    The last two axes of both are C-contiguous or both F-contiguous, up to a leading dimension.
    """
    if X.dtype.char == "f":
        apply_real[float](words, transposed, X, Y, <float>alpha, <float>beta)
    else:
        apply_real[double](words, transposed, X, Y, alpha, beta)


cdef apply_real(const uint64_t[::1] words, bint transposed, const real[:, :, :] X,
                real[:, :, :] Y, real alpha, real beta):
    cdef rl_sketch s
    cdef int64_t count = X.shape[0], n = X.shape[2], size = sizeof(real)
    cdef int64_t sx = X.strides[0] // size, sy = Y.strides[0] // size, lx, ly
    cdef bint by_rows = is_row[real](X, Y)
    cdef int status
    read(words, &s)
    if by_rows:
        lx = X.strides[1] // size if X.shape[1] > 1 else n
        ly = Y.strides[1] // size if Y.shape[1] > 1 else n
    else:
        lx = X.strides[2] // size if n > 1 else X.shape[1]
        ly = Y.strides[2] // size if n > 1 else Y.shape[1]
    with nogil:
        if real is float:
            if by_rows:
                status = rl_ssketch_right(&s, not transposed, count, n, alpha, &X[0, 0, 0], lx, sx,
                                          beta, &Y[0, 0, 0], ly, sy)
            else:
                status = rl_ssketch_left(&s, transposed, count, n, alpha, &X[0, 0, 0], lx, sx,
                                         beta, &Y[0, 0, 0], ly, sy)
        else:
            if by_rows:
                status = rl_dsketch_right(&s, not transposed, count, n, alpha, &X[0, 0, 0], lx, sx,
                                          beta, &Y[0, 0, 0], ly, sy)
            else:
                status = rl_dsketch_left(&s, transposed, count, n, alpha, &X[0, 0, 0], lx, sx,
                                         beta, &Y[0, 0, 0], ly, sy)
    if status:
        raise_status(status)


cdef bint is_row(const real[:, :, :] X, const real[:, :, :] Y) noexcept:
    """Whether rows lie contiguous in both; else columns do, and those of one column always."""
    cdef int64_t size = sizeof(real)
    if X.shape[2] == 1:
        return X.strides[1] != size or Y.strides[1] != size
    return X.strides[2] == size and Y.strides[2] == size


def apply_sparse(const uint64_t[::1] words, bint csr, index[::1] pointers, index[::1] indices,
                 real[::1] data, double alpha, real[:, :] Y):
    """Y = alpha U X for X in CSR or CSC with entries, Y not empty."""
    cdef rl_sketch s
    cdef int64_t n = Y.shape[1], size = sizeof(real), bytes = sizeof(index)
    cdef int64_t row = Y.strides[0] // size, column = Y.strides[1] // size
    cdef int status
    read(words, &s)
    with nogil:
        if real is float:
            if csr:
                status = rl_ssketch_csr(&s, n, <float>alpha, &pointers[0], &indices[0], &data[0],
                                        <int>bytes, 0, &Y[0, 0], row, column)
            else:
                status = rl_ssketch_csc(&s, n, <float>alpha, &pointers[0], &indices[0], &data[0],
                                        <int>bytes, 0, &Y[0, 0], row, column)
        else:
            if csr:
                status = rl_dsketch_csr(&s, n, alpha, &pointers[0], &indices[0], &data[0],
                                        <int>bytes, 0, &Y[0, 0], row, column)
            else:
                status = rl_dsketch_csc(&s, n, alpha, &pointers[0], &indices[0], &data[0],
                                        <int>bytes, 0, &Y[0, 0], row, column)
    if status:
        raise_status(status)


def once_down(const uint64_t[::1] words, const real[:, ::1] A, real[:, ::1] W, double[::1] sums):
    """W += U A, and sums of the columns of A; not empty."""
    cdef rl_sketch s
    cdef int64_t n = A.shape[1]
    cdef int status
    read(words, &s)
    with nogil:
        if real is float:
            status = rl_ssketch_once_down(&s, n, &A[0, 0], n, &W[0, 0], n, &sums[0])
        else:
            status = rl_dsketch_once_down(&s, n, &A[0, 0], n, &W[0, 0], n, &sums[0])
    if status:
        raise_status(status)


def once_across(const uint64_t[::1] words, int pairs, double alpha, const real[:, ::1] A,
                real[:, ::1] Y, real[::1] squares):
    """Y = alpha A U^T, and sums of squares of the rows of A; not empty."""
    cdef rl_sketch s
    cdef int64_t m = A.shape[0], n = A.shape[1], rows = Y.shape[1]
    cdef int status
    read(words, &s)
    with nogil:
        if real is float:
            status = rl_ssketch_once_across(&s, pairs, m, <float>alpha, &A[0, 0], n, &Y[0, 0], rows,
                                            &squares[0])
        else:
            status = rl_dsketch_once_across(&s, pairs, m, alpha, &A[0, 0], n, &Y[0, 0], rows,
                                            &squares[0])
    if status:
        raise_status(status)
