/* Products of a large matrix with a narrow panel.
 *
 * op 'N': C (m x l) = A Y, Y n x l;  op 'C': C (n x l) = A^H Y, Y m x l.  A: m x n, row-major (order 'C') or
 * column-major ('F'), with any leading dimension; the panels Y and C: row-major.  Matrices of complex numbers are
 * passed as reals, as in gemm.h.
 *
 * By kernels of our own for real numbers, which beat the BLAS where it must pack A for a few columns, else by the
 * BLAS, held at one thread: the bits do not depend on the number of threads, at most `threads` (0: as many as are
 * worth it). */
#ifndef RL_SKINNY_H
#define RL_SKINNY_H

#include "randla.h"

#define RL_SKINNY(p, REAL)                                                                \
  int rl_##p##skinny(char order, char op, int64_t m, int64_t n, int64_t l, const REAL *a, \
                     int64_t lda, const REAL *y, int64_t ldy, REAL *c, int64_t ldc, int threads);
RL_SKINNY(s, float)
RL_SKINNY(d, double)
RL_SKINNY(c, float)
RL_SKINNY(z, double)
#undef RL_SKINNY

#endif
