/* Permutations of columns, and the largest entry.  Matrices of complex numbers are passed as reals. */
#ifndef RL_PERMUTE_H
#define RL_PERMUTE_H

#include "randla.h"

/* perm of 0 .. n - 1 after exchanging i with pivots[i], i = 0 .. count - 1 in order, as getrf reports. */
void rl_permutation(int64_t n, int64_t count, const int64_t *pivots, int64_t *perm);

/* _permute: Q = factor A[:, perm], m x k; perm NULL: the first k columns.  A is column-major ('F') or row-major
 * ('C'), Q column-major.
 * _largest: the largest modulus of a real or imaginary part of A, m x n; NaN if an entry is not finite. */
#define RL_PERMUTE(p, REAL)                                                          \
  void rl_##p##permute(char order, int64_t m, int64_t k, const REAL *a, int64_t lda, \
                       const int64_t *perm, REAL factor, REAL *q, int64_t ldq);      \
  REAL rl_##p##largest(char order, int64_t m, int64_t n, const REAL *a, int64_t lda);
RL_PERMUTE(s, float)
RL_PERMUTE(d, double)
RL_PERMUTE(c, float)
RL_PERMUTE(z, double)
#undef RL_PERMUTE

#endif
