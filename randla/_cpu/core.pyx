# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""The parts of the C core that belong to no stem: BLAS table, levels, threads, streams, errors."""
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t, uintptr_t


cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1


cdef extern from "randla.h" nogil:
    """
    typedef struct { const char *name; int number; const char *exception; } rl_status_entry;
    static const rl_status_entry rl_status_entries[] = {
    #define X(name, number, exception, message) {#name, number, #exception},
    #include "randla/status.def"
    #undef X
        {0, 0, 0}};
    typedef struct { const char *name; int number; } rl_kind_entry;
    static const rl_kind_entry rl_kind_entries[] = {
    #define X(name, number) {#name, number},
    #include "randla/stream.def"
    #undef X
        {0, 0}};
    """
    ctypedef struct rl_status_entry:
        const char *name
        int number
        const char *exception
    const rl_status_entry rl_status_entries[]
    ctypedef struct rl_kind_entry:
        const char *name
        int number
    const rl_kind_entry rl_kind_entries[]
    ctypedef void (*rl_function)()
    ctypedef int (*rl_stop_callback)()
    ctypedef struct rl_stream:
        uint64_t key
        uint64_t offset
    int RL_ERR_INTERRUPTED
    const char *rl_strerror(int status)
    const char *rl_version()
    const char *rl_isa()
    const char *rl_isa_level(int i)
    int rl_set_isa(const char *level)
    int rl_set_blas(int count, const char **names, const rl_function *routines, int ilp64)
    int rl_set_blas_threads(int (*get)() noexcept nogil, void (*set)(int) noexcept nogil)
    const char *rl_blas_routine(int i)
    int rl_blas_ilp64()
    int rl_blas_linked()
    int rl_max_threads()
    void rl_set_stop(rl_stop_callback callback)
    int rl_stream_words(rl_stream s, uint32_t kind, uint32_t sub, uint64_t b, int64_t count,
                        uint32_t *words)
    int rl_suniform(rl_stream s, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                    float *x)
    int rl_duniform(rl_stream s, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                    double *x)
    int rl_snormal(rl_stream s, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                   float *x)
    int rl_dnormal(rl_stream s, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                   double *x)
    int rl_signs(rl_stream s, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                 int8_t *x)
    int rl_integers(rl_stream s, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                    int64_t bound, int64_t *x)


# ---- errors ---------------------------------------------------------------------------------

def _exceptions():
    import builtins

    from numpy.linalg import LinAlgError
    table, i = {}, 0
    while rl_status_entries[i].name is not NULL:
        name = rl_status_entries[i].exception.decode()
        table[rl_status_entries[i].number] = getattr(builtins, name, LinAlgError)
        i += 1
    return table


_EXCEPTION = _exceptions()
_signal = None  # what a signal handler raised while the core computed


def raise_status(int status):
    """Raise the exception of a status code other than RL_OK."""
    global _signal
    if status == RL_ERR_INTERRUPTED and _signal is not None:
        raised, _signal = _signal, None
        raise raised
    raise _EXCEPTION.get(status, RuntimeError)(rl_strerror(status).decode())


cdef int _stop() noexcept with gil:
    """Run Python's signal handlers; stop if one raises."""
    global _signal
    try:
        PyErr_CheckSignals()
    except BaseException as raised:
        _signal = raised
        return 1
    return 0


rl_set_stop(_stop)


# ---- configuration --------------------------------------------------------------------------

def version():
    """Version of the C core."""
    return rl_version().decode()


def isa():
    """Instruction-set level in use."""
    return rl_isa().decode()


def isa_levels():
    """Levels compiled in."""
    levels, i = [], 0
    while rl_isa_level(i) is not NULL:
        levels.append(rl_isa_level(i).decode())
        i += 1
    return levels


def set_isa(str level):
    """Use the kernels of one level; ValueError if this processor lacks it."""
    cdef int status = rl_set_isa(level.encode())
    if status:
        raise_status(status)


def max_threads():
    """Largest number of threads that loops of the core use."""
    return rl_max_threads()


def blas_routines():
    """Names of the BLAS routines that the core calls."""
    names, i = [], 0
    while rl_blas_routine(i) is not NULL:
        names.append(rl_blas_routine(i).decode())
        i += 1
    return names


def blas_linked():
    """Whether a BLAS was linked at build time."""
    return bool(rl_blas_linked())


def blas_ilp64():
    """1, 0, or -1 before a BLAS is set."""
    return rl_blas_ilp64()


def set_blas(dict addresses, bint ilp64):
    """Hand the addresses of BLAS routines to the core."""
    cdef const char *name[256]
    cdef rl_function routine[256]
    cdef int count = 0, status
    keep = []
    for key, address in addresses.items():
        if count == 256:
            raise ValueError("more than 256 routines")
        encoded = key.encode()
        keep.append(encoded)
        name[count] = encoded
        routine[count] = <rl_function><uintptr_t>address
        count += 1
    status = rl_set_blas(count, name, routine, ilp64)
    if status:
        raise_status(status)


def set_blas_threads(uintptr_t get, uintptr_t set):
    """How the core asks for and sets the threads of the BLAS: two addresses, or 0 and 0."""
    cdef int status = rl_set_blas_threads(<int (*)() noexcept nogil>get,
                                          <void (*)(int) noexcept nogil>set)
    if status:
        raise_status(status)


# ---- random numbers -------------------------------------------------------------------------

def kinds():
    """Names and numbers of the random kinds."""
    table, i = {}, 0
    while rl_kind_entries[i].name is not NULL:
        table[rl_kind_entries[i].name.decode()] = rl_kind_entries[i].number
        i += 1
    return table


ctypedef fused element:
    float
    double
    int8_t
    int64_t
    uint32_t


def draw(str what, uint64_t key, uint64_t offset, uint32_t kind, uint32_t sub, uint64_t first,
         element[::1] out, int64_t bound=0):
    """Fill `out` with elements first, first + 1, ... (for "words": blocks) of a stream."""
    cdef rl_stream s
    cdef int status = 1
    cdef int64_t count = out.shape[0]
    s.key, s.offset = key, offset
    if count == 0:
        return
    if element is float:
        if what == "uniform":
            status = rl_suniform(s, kind, sub, first, count, &out[0])
        elif what == "normal":
            status = rl_snormal(s, kind, sub, first, count, &out[0])
    elif element is double:
        if what == "uniform":
            status = rl_duniform(s, kind, sub, first, count, &out[0])
        elif what == "normal":
            status = rl_dnormal(s, kind, sub, first, count, &out[0])
    elif element is int8_t:
        status = rl_signs(s, kind, sub, first, count, &out[0])
    elif element is int64_t:
        status = rl_integers(s, kind, sub, first, count, bound, &out[0])
    elif element is uint32_t:
        status = rl_stream_words(s, kind, sub, first, count // 4, &out[0])
    if status:
        raise_status(status)
