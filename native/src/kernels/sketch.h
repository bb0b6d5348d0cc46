/* What sketching needs from an ISA level. */
#ifndef RL_SKETCH_KERNELS_H
#define RL_SKETCH_KERNELS_H

#include <stdint.h>

#include "randla.h"

/* Columns of a tile: as many as fill two cache lines. */
#define RL_SKETCH_LINE 128
#define RL_SKETCH_GROUP(size) (RL_SKETCH_LINE / (int)(size))
/* Bytes of a row of a strip, and columns of a panel, for rows that come once. */
#define RL_SKETCH_STRIP 256
#define RL_SKETCH_PANEL 64

#define RL_SKETCH_KERNEL_TABLE(REAL, name)                                                                    \
  typedef struct {                                                                                            \
    /* W[row][0 .. G-1] += +-A[i][0 .. G-1] for codes[t ldc + i], t < z, of every row; col: G columns */      \
    void (*add_columns)(int64_t m, int z, int64_t ldc, const int32_t *codes,                                  \
                        const REAL *const col[], REAL *W);                                                    \
    /* W[row][0 .. n-1] += +-A[i][0 .. n-1], A and W by rows; if high > 0, only rows low .. high - 1 of W */  \
    void (*add_rows)(int64_t m, int64_t n, int z, int64_t ldc, const int32_t *codes, int64_t low,             \
                     int64_t high, const REAL *A, int64_t lda, REAL *W, int64_t ldw);                         \
    /* y[row] += +-x[i] */                                                                                    \
    void (*add_vector)(int64_t m, int z, int64_t ldc, const int32_t *codes, const REAL *x,                    \
                       REAL *y);                                                                              \
    /* B[i][c] = alpha sum +-W[row][c] (+ B[i][c]), W as above; col: the columns of B, `columns` of them */   \
    void (*gather_columns)(int64_t m, int z, int64_t ldc, const int32_t *codes, const REAL *W,                \
                           REAL alpha, int add, int columns, REAL *const col[]);                              \
    void (*gather_rows)(int64_t m, int64_t n, int z, int64_t ldc, const int32_t *codes,                       \
                        const REAL *W, int64_t ldw, REAL alpha, int add, REAL *B, int64_t ldb);               \
    /* Columns of A, `columns` of them, become rows of W (m x G), the others zero; and back. */               \
    void (*pack)(int64_t m, int columns, const REAL *const col[], REAL *W);                                   \
    /* W[i] = -W[i] for the rows whose code is odd */                                                         \
    void (*negate)(int64_t m, const int32_t *codes, REAL *W);                                                 \
    /* B = alpha W (+ B) */                                                                                   \
    void (*unpack)(int64_t m, int columns, const REAL *W, REAL alpha, int add, REAL *const col[]);            \
    /* H W, in place, for W of `length` (a power of two) rows of G: sums and differences, unscaled. */        \
    void (*hadamard)(int64_t length, REAL *W);                                                                \
    /* Bits first .. first + count - 1 of some words as 1 and -1. */                                          \
    void (*signs)(int64_t count, int64_t first, const uint32_t *words, REAL *x);                              \
    /* Blocks b .. b + count - 1 as standard normals: two (double) or four (float) of a block. */             \
    void (*normals)(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t b, int64_t count,                 \
                    REAL *x);                                                                                 \
    /* As add_rows for a strip of columns, or less; rows of W lie a strip apart.  And sums of the columns. */ \
    void (*add_strip)(int64_t m, int z, int64_t ldc, const int32_t *codes, const REAL *A,                     \
                      int64_t lda, int64_t width, REAL *W, double *sums);                                     \
    /* Y[k][g] = sum of +-row[g][j], j over the entries (place in a panel << 1 | negative) of k.  Those of */ \
    /* panel q begin at starts[q (rows + 1) + k].  And the sums of squares of the G rows. */                  \
    void (*across)(int64_t n, int64_t rows, const int32_t *starts, const int32_t *entries,                    \
                   const REAL *const row[], REAL *Y, REAL *squares);                                          \
  } name;
RL_SKETCH_KERNEL_TABLE(float, rl_sketch_kernels_s)
RL_SKETCH_KERNEL_TABLE(double, rl_sketch_kernels_d)

typedef struct {
  rl_sketch_kernels_s s;
  rl_sketch_kernels_d d;
  /* Blocks b .. b + count - 1 of a stream, four words each. */
  void (*words)(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t b, int64_t count,
                uint32_t *words);
} rl_sketch_kernels;

#endif
