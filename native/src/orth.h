/* Orthonormal columns by Cholesky factors of Gram matrices, over blocks of rows on all threads, with a certificate.
 *
 * One pass: G = Q^H Q (rl_<p>orth_gram), R^H R = G (rl_<p>orth_factor), Q <- Q R^-1 (rl_<p>orth_apply).  From a
 * well-conditioned Q one pass gives orthonormality to a few roundings times cond(Q)^2, and the next to a few.
 *
 * The rows are cut into chunks, as the sizes alone say, whose sums are added in order: the bits do not depend on the
 * number of threads.  A caller that has more than one thread holds the BLAS at one (rl_blas_single_begin).  Matrices
 * of complex numbers are passed as reals. */
#ifndef RL_ORTH_H
#define RL_ORTH_H

#include "memory.h"
#include "randla.h"

/* What happens to the rows of Q, m x k column-major.  Pointers are to REALs of the type of the function. */
typedef struct {
  int64_t m, k, ldq;
  void *q;
  /* Before the Gram matrix, Q = factor A[:, perm[:k]] if a is not NULL (A in `order`, as in permute.h), and Q <-
   * Q R^-1 if r is not NULL (k x k; d as in trsolve.h). */
  const void *a, *r, *d;
  const int64_t *perm;
  char order;
  double factor;
  int64_t lda, ldr;
  /* Probes, if x is not NULL (k x RL_PROBES): E = factor A[:, perm[:k]] X (m x RL_PROBES), if there is an A.  In
   * orth_apply: E <- E - Q Y, and Q^H (Q Z) against Z. */
  const void *x, *y, *z;
  void *e;
  /* filled in by orth_take */
  int64_t chunks, rows, block;
  int threads;
  void *sums, *images, *scratch;
  double *squares;
  /* results of orth_apply: ||E||_F^2, and ||Q^H Q Z - Z||_F / ||Z||_F */
  double residual, orthogonality;
} rl_orth;

/* _take: cuts the rows and takes the workspace for t->m, t->k and at most `threads` from the arena; t->k may be
 *   less later.
 * _gram: gram (k x k, upper triangle) = Q^H Q, after what is to happen before.
 * _factor: gram <- R, upper triangular with zeros below, inverse <- R^-1; *cond = ||R||_1 ||R^-1||_1.  *failed: G is
 *   not positive definite, or too nearly so for the inverse to be finite.
 * _apply: Q <- Q R^-1, by the inverse where it is not NULL (stable if R is well conditioned), else by t->r; with both
 *   NULL Q stays.  Then the probes. */
#define RL_ORTH(p, REAL)                                                                    \
  void rl_##p##orth_take(rl_orth *t, int threads, rl_arena *arena);                         \
  int rl_##p##orth_gram(rl_orth *t, REAL *gram);                                            \
  int rl_##p##orth_factor(int64_t k, REAL *gram, REAL *inverse, double *cond, int *failed); \
  int rl_##p##orth_apply(rl_orth *t, const REAL *inverse);
RL_ORTH(s, float)
RL_ORTH(d, double)
RL_ORTH(c, float)
RL_ORTH(z, double)
#undef RL_ORTH

/* The same for a tall row-major panel Y (m x l, m >= l), with a certificate of its own: Y <- Q, Q R = Y.
 *
 * G = Y^H Y, D = diag(G)^1/2, R = chol(D^-1 G D^-1) D.  No shift: it would erase directions below sqrt(u) of the
 * largest.  Accepted if all diagonal entries of the scaled factor are beyond 30 sqrt(eps), else, and where a square
 * leaves the range, Householder's (LAPACK).  G is summed and factorised in double precision, from products of pieces
 * of the rows.  Cost: 4 m l^2 flops. */
typedef struct {
  int64_t most_m, l;
  int threads;
  int64_t lwork, parts;
  double *sums, *gram, *inverse, *scale;
  void *pieces, *factor, *tall, *tau, *work;
} rl_panel;

/* _take: workspace for panels of l columns and at most t->most_m rows.
 * _normalise: one pass; *fell_back: was it Householder's?  RL_ERR_NOT_FINITE: Y has a NaN or an infinity.
 * _orthonormalise: a second pass after Cholesky's: orthonormal to a few roundings.
 * r: l x l, column-major, upper triangular, in double precision, or NULL. */
#define RL_PANEL(p, REAL)                                                                   \
  void rl_##p##panel_take(rl_panel *t, int threads, rl_arena *arena);                       \
  int rl_##p##panel_normalise(rl_panel *t, int64_t m, REAL *y, int64_t ldy, double *r,      \
                              int *fell_back);                                              \
  int rl_##p##panel_orthonormalise(rl_panel *t, int64_t m, REAL *y, int64_t ldy, double *r, \
                                   int *fell_back);
RL_PANEL(s, float)
RL_PANEL(d, double)
RL_PANEL(c, float)
RL_PANEL(z, double)
#undef RL_PANEL

#endif
