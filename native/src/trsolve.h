/* X <- X R^-1 for upper triangular R, by products: OpenBLAS's TRSM from the right runs at a third of the rate of
 * GEMM, and is here left with small triangles alone.  Matrices of complex numbers are passed as reals. */
#ifndef RL_TRSOLVE_H
#define RL_TRSOLVE_H

#include "randla.h"

/* Order of the diagonal blocks that are inverted; d holds RL_TRSOLVE_BLOCK x k numbers. */
#define RL_TRSOLVE_BLOCK 128

/* _prepare: d = the inverses of the diagonal blocks of R (k x k), one beside the other.  *usable: 0 if one of them
 * is singular or not finite.
 *
 * X: m x k.  With d the smallest triangles are products too, which is backward stable where pivoting has balanced the
 * rows of R by its diagonal (the error has the factor || |R^-1| |R| || of a block).  d = NULL: they are solved by
 * TRSM, stable for every R. */
#define RL_TRSOLVE(p, REAL)                                                                     \
  int rl_##p##trsolve_prepare(int64_t k, const REAL *r, int64_t ldr, REAL *d, int *usable);     \
  int rl_##p##trsolve(int64_t m, int64_t k, const REAL *r, int64_t ldr, const REAL *d, REAL *x, \
                      int64_t ldx);
RL_TRSOLVE(s, float)
RL_TRSOLVE(d, double)
RL_TRSOLVE(c, float)
RL_TRSOLVE(z, double)
#undef RL_TRSOLVE

#endif
