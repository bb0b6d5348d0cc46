/* randla: numerical linear algebra for people who train models and people who do numerics.
 *
 * The C interface.  Everything is re-entrant and reports failure by a status code; nothing prints,
 * aborts or keeps a pointer.  Matrices are column-major with leading dimensions, as in LAPACK
 * (for row-major data use f(A^T): exp(A^T) = exp(A)^T).  Sizes are int64_t.
 *
 * The library holds no BLAS of its own: call rl_set_blas() once before anything else. */
#ifndef RANDLA_H
#define RANDLA_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(RANDLA_BUILD)
#define RL_API __declspec(dllexport)
#elif defined(_WIN32)
#define RL_API __declspec(dllimport)
#else
#define RL_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ---------------------------------------------------------------------------------- */

typedef enum {
#define X(name, number, exception, message) RL_##name = number,
#include "randla/status.def"
#undef X
} rl_status;

/* A sentence for a status code, never NULL. */
RL_API const char *rl_strerror(int status);

/* ---- types ----------------------------------------------------------------------------------- */

/* Complex numbers are pairs of reals, layout-compatible with C99, C++, Fortran and NumPy. */
#if !defined(RL_COMPLEX_STRUCT) && defined(__STDC_VERSION__) && !defined(__STDC_NO_COMPLEX__) && \
    !defined(_MSC_VER)
typedef float _Complex rl_complex_float;
typedef double _Complex rl_complex_double;
#else
typedef float rl_complex_float[2];
typedef double rl_complex_double[2];
#endif

/* ---- version, instruction sets ------------------------------------------------------------------ */

/* "major.minor.patch" */
RL_API const char *rl_version(void);

/* Instruction-set level of the kernels in use: "baseline", "x86-64-v3", "x86-64-v4" or "neon". */
RL_API const char *rl_isa(void);

/* Choose a level by name, or "auto" (what happens without a call).  For tests and measurements:
 * results of different levels agree to rounding only.  RL_ERR_ISA where the processor lacks it. */
RL_API int rl_set_isa(const char *level);

/* Name number i of the levels compiled in, NULL past the end. */
RL_API const char *rl_isa_level(int i);

/* ---- BLAS ------------------------------------------------------------------------------------- */

typedef void (*rl_function)(void);

/* Hand over the BLAS to call: `count` routines (Fortran convention) by name, as in "dgemm".
 * ilp64: nonzero if its integers are 64 bits wide.  Names that the core does not need are ignored;
 * what it needs and does not get is reported by RL_ERR_NO_BLAS when a function wants it.
 * Not to be called while another thread computes. */
RL_API int rl_set_blas(int count, const char *const names[], const rl_function routines[],
                       int ilp64);

/* How to ask for and to set the number of threads of that BLAS, which is one for the process.  While the core
 * calls it from threads of its own it holds it at one.  Without (NULL), such loops stay on one thread. */
RL_API int rl_set_blas_threads(int (*get)(void), void (*set)(int));

/* Name number i of the routines that the core calls, NULL past the end. */
RL_API const char *rl_blas_routine(int i);

/* 1: integers of the BLAS in use are 64 bits wide; 0: 32; -1: no BLAS yet. */
RL_API int rl_blas_ilp64(void);

/* 1 if a BLAS was linked at build time (rl_set_blas may still replace it). */
RL_API int rl_blas_linked(void);

/* ---- threads ---------------------------------------------------------------------------------- */

/* Largest number of threads that loops of this library use (1 without OpenMP). */
RL_API int rl_max_threads(void);

/* A callback that long calls ask, between blocks and products, whether to stop (nonzero); they then
 * return RL_ERR_INTERRUPTED.  It is called by the thread that called the library.  NULL removes it. */
typedef int (*rl_stop_callback)(void);
RL_API void rl_set_stop(rl_stop_callback callback);

/* ---- random numbers: Philox4x32-10 ---------------------------------------------------------------- */

/* Where a stream of random numbers begins.  Nothing is stored but this: block b of sub-stream `sub`
 * is Philox(counter = (lo(offset + b), hi(offset + b), sub, kind), key). */
typedef struct {
  uint64_t key, offset;
} rl_stream;

enum rl_kind {
#define X(name, number) RL_KIND_##name = number,
#include "randla/stream.def"
#undef X
};

/* Blocks b .. b + count - 1, four words each. */
RL_API int rl_stream_words(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t b, int64_t count,
                           uint32_t *words);
/* Element i of each of the following is a function of (stream, kind, sub, i) alone; these write
 * elements first .. first + count - 1.  The generator uses 64 bits for each element of uniform,
 * integers and normal in double precision (two to a block), 32 for signs and float (four). */
RL_API int rl_suniform(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                       float *x); /* [0, 1), multiples of 2^-24 */
RL_API int rl_duniform(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                       double *x); /* [0, 1), multiples of 2^-53 */
RL_API int rl_snormal(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                      float *x);
RL_API int rl_dnormal(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                      double *x);
RL_API int rl_signs(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                    int8_t *x); /* -1 or 1 */
RL_API int rl_integers(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                       int64_t bound, int64_t *x); /* 0 .. bound - 1; bias below bound 2^-63 */

#ifdef __cplusplus
}
#endif

#include "randla/expm.h"
#include "randla/expm_multiply.h"
#include "randla/expm_phi.h"
#include "randla/matmul.h"
#include "randla/qr.h"
#include "randla/qr_lstsq.h"
#include "randla/sketch.h"
#include "randla/sketch_tensor.h"
#include "randla/spmm.h"
#include "randla/svd.h"
#include "randla/topk.h"
#include "randla/topk_soft.h"

#endif
