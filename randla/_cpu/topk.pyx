# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Binding of top-k selection.  Rows are the first axis of a matrix, of any strides."""
from libc.stdint cimport int64_t

from randla._cpu.core import raise_status


cdef extern from "randla.h" nogil:
    ctypedef enum rl_dtype:
        RL_F16
        RL_BF16
        RL_F32
        RL_F64
        RL_BOOL
        RL_I8
        RL_I16
        RL_I32
        RL_I64
        RL_U8
        RL_U16
        RL_U32
        RL_U64
    int RL_ERR_NAN
    int RL_TOPK_SMALLEST
    int RL_TOPK_SORTED
    int RL_TOPK_INDEX32
    int RL_TOPK_NAN_LEAST
    int RL_TOPK_NAN_RAISE
    int RL_TOPK_NAN_PROPAGATE
    int rl_topk(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x, int64_t incx,
                int64_t ldx, const int64_t *lengths, void *val, int64_t ldv, void *idx,
                int64_t ldi, unsigned flags, int64_t *failed)
    int rl_topk_kth(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x,
                    int64_t incx, int64_t ldx, const int64_t *lengths, void *val, int64_t ldv,
                    void *idx, int64_t ldi, unsigned flags, int64_t *failed)
    int rl_topk_mask(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi,
                     unsigned char *mask, int64_t ldm)
    int rl_topk_rest(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi,
                     int64_t *rest, int64_t ldr)

cdef extern from "Python.h":
    int PyBUF_STRIDES
    int PyBUF_C_CONTIGUOUS
    int PyBUF_WRITABLE
    int PyObject_GetBuffer(object x, Py_buffer *view, int flags) except -1
    void PyBuffer_Release(Py_buffer *view)


# names of dtypes, and their codes in C
TYPES = {
    "float16": RL_F16, "bfloat16": RL_BF16, "float32": RL_F32, "float64": RL_F64, "bool": RL_BOOL,
    "int8": RL_I8, "int16": RL_I16, "int32": RL_I32, "int64": RL_I64,
    "uint8": RL_U8, "uint16": RL_U16, "uint32": RL_U32, "uint64": RL_U64,
}
SMALLEST = RL_TOPK_SMALLEST
SORTED = RL_TOPK_SORTED
# values of `nan`, and their flags
NAN = {
    "greatest": 0,
    "least": RL_TOPK_NAN_LEAST,
    "raise": RL_TOPK_NAN_RAISE,
    "propagate": RL_TOPK_NAN_PROPAGATE,
}


class FoundNaN(ValueError):
    """Row number `args[0]` has a NaN."""


def topk(int type, x, int64_t k, lengths, val, idx, unsigned flags, bint kth=False):
    """Select from each row of x, not empty, into val and idx, C-contiguous or None.

    x: a matrix, bfloat16 as uint16; strides are multiples of the item size.  lengths: int64,
    contiguous, or None.  idx: int64 or int32.  kth: number k alone.
    """
    cdef Py_buffer source, values, indices, sizes
    cdef int64_t failed = -1, rows, n, outputs = 1 if kth else k
    cdef const int64_t *length = NULL
    cdef void *v = NULL
    cdef void *i = NULL
    cdef int status
    PyObject_GetBuffer(x, &source, PyBUF_STRIDES)
    try:
        if source.ndim != 2:
            raise ValueError("x must be a matrix")
        rows, n = source.shape[0], source.shape[1]
        try:
            if val is not None:
                PyObject_GetBuffer(val, &values, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
                v = values.buf
                if values.len != rows * outputs * source.itemsize:
                    raise ValueError("val has the wrong size")
            if idx is not None:
                PyObject_GetBuffer(idx, &indices, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
                i = indices.buf
                if indices.len != rows * outputs * indices.itemsize:
                    raise ValueError("idx has the wrong size")
                if indices.itemsize == 4:
                    flags |= RL_TOPK_INDEX32
            if lengths is not None:
                PyObject_GetBuffer(lengths, &sizes, PyBUF_C_CONTIGUOUS)
                length = <const int64_t *>sizes.buf
                if sizes.len != rows * 8:
                    raise ValueError("lengths has the wrong size")
            with nogil:
                if kth:
                    status = rl_topk_kth(<rl_dtype>type, rows, n, k, source.buf,
                                         source.strides[1] // source.itemsize,
                                         source.strides[0] // source.itemsize, length, v, 1, i, 1,
                                         flags, &failed)
                else:
                    status = rl_topk(<rl_dtype>type, rows, n, k, source.buf,
                                     source.strides[1] // source.itemsize,
                                     source.strides[0] // source.itemsize, length, v, k, i, k,
                                     flags, &failed)
        finally:
            if v is not NULL:
                PyBuffer_Release(&values)
            if i is not NULL:
                PyBuffer_Release(&indices)
            if length is not NULL:
                PyBuffer_Release(&sizes)
    finally:
        PyBuffer_Release(&source)
    if status == RL_ERR_NAN:
        raise FoundNaN(failed)
    if status:
        raise_status(status)


def mask(const int64_t[:, ::1] idx, unsigned char[:, ::1] out):
    """1 at the ascending indices of each row, else 0; both not empty."""
    cdef int64_t rows = idx.shape[0], k = idx.shape[1], n = out.shape[1]
    cdef int status
    with nogil:
        status = rl_topk_mask(rows, n, k, &idx[0, 0], k, &out[0, 0], n)
    if status:
        raise_status(status)


def rest(const int64_t[:, ::1] idx, int64_t[:, ::1] out):
    """The other indices of each row, ascending; both not empty."""
    cdef int64_t rows = idx.shape[0], k = idx.shape[1], m = out.shape[1]
    cdef int status
    with nogil:
        status = rl_topk_rest(rows, k + m, k, &idx[0, 0], k, &out[0, 0], m)
    if status:
        raise_status(status)
