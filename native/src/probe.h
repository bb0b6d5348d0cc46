/* Random probes of a factorisation: cheap estimates that a wrong one does not pass.
 *
 * For Gaussian X with RL_PROBES columns, E ||M X||_F^2 = RL_PROBES ||M||_F^2: an error t times as large as its
 * estimate is missed with a probability of about 1 / t^2.  Matrices of complex numbers are passed as reals. */
#ifndef RL_PROBE_H
#define RL_PROBE_H

#include "randla.h"

#define RL_PROBES 2

/* _probe: X, k x RL_PROBES; column c is sub-stream c of `kind`.  Real, also where the matrix is not.
 * _probe_product: E = factor A[:, perm] X for A column-major ('F') or row-major ('C') with n columns; X has k rows,
 * `scattered` (n x RL_PROBES) is work, perm NULL: the first k columns.
 * _sum_of_squares: in double precision. */
#define RL_PROBE(p, REAL)                                                                 \
  int rl_##p##probe(rl_stream stream, uint32_t kind, int64_t k, REAL *x);                 \
  int rl_##p##probe_product(char order, int64_t m, int64_t n, int64_t k, const REAL *a,   \
                            int64_t lda, const int64_t *perm, REAL factor, const REAL *x, \
                            REAL *scattered, REAL *e, int64_t lde);                       \
  double rl_##p##sum_of_squares(int64_t m, int64_t n, const REAL *a, int64_t lda);
RL_PROBE(s, float)
RL_PROBE(d, double)
RL_PROBE(c, float)
RL_PROBE(z, double)
#undef RL_PROBE

#endif
