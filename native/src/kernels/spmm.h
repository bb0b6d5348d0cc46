/* Products of a sparse matrix, by rows, with a row-major panel. */
#ifndef RL_SPMM_KERNELS_H
#define RL_SPMM_KERNELS_H

#include <stdint.h>

/* `count` rows of A; l, ldx and ldy count reals, a and the panels are reals.  Complex types: (re, im) pairs, `sign`
 * is -1 for the conjugate of A. */
typedef struct {
  int64_t count, l, ldx, ldy;
  const void *pointers, *indices, *a, *x;
  void *y;
  int sign;
} rl_spmm_call;

/* gather: rows begin .. end - 1 of Y = A X.  scatter: Y += A^T X, all of it; turned: l reals of work.  By the bytes of
 * indices: 4 in [0], 8 in [1]. */
typedef struct {
  int lanes;
  void (*gather[2])(const rl_spmm_call *c, int64_t begin, int64_t end);
  void (*scatter[2])(const rl_spmm_call *c, void *turned);
} rl_spmm_kernels_of;

typedef struct {
  rl_spmm_kernels_of s, d, c, z;
} rl_spmm_kernels;

#endif
