/* Randomized singular value decompositions by subspace iteration.
 *
 *   B = A, or A^H if m < n, so that Q is a basis of the long side;  Om Gaussian, n x l
 *   [Y, Y_e] = B [Om, Om_e];   n_iter times:  Z = norm(B^H norm(Y)),  Y = B Z
 *   Q = norm(norm(Y));  V R = norm(norm(B^H Q));  W S X^H = svd(R^H);  U = Q W,  V X
 *   E = Y_e - U S V^H Om_e      its columns are independent samples of the error, which cost no pass
 *
 * (Halko, Martinsson, Tropp, arXiv:0909.4061, algorithm 4.4, the second stage from B^H Q by its Cholesky factor, an
 * l x l decomposition instead of an l x n one; errors: section 4.3.)  norm is that of orth.h: what is in the span of
 * Y stays there to roundings, so that values down to roundings of the first are found.
 *
 * A value is B's scaled by a power of two where entries of Y would leave the safe range: then every block is scaled
 * before it is multiplied, and A itself never copied. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "basics.h"
#include "gemm.h"
#include "lapack.h"
#include "memory.h"
#include "orth.h"
#include "randla.h"
#include "skinny.h"
#include "threads.h"

enum { PROBES = RL_SVD_PROBES };
enum { ROWS = 512 }; /* of a block of random numbers, of a part of a panel */
/* A batch of matrices with fewer entries is shared by threads; larger ones have all of them, one after the other. */
#define SMALL (1 << 18)
#define MATRIX ((uint64_t)1 << 40) /* blocks between the streams of two matrices */
#define CHANGE 1e-2                /* of a value that has converged */
enum { PART = 1 << 15 };           /* numbers that are summed, or converted, at once */

typedef double four __attribute__((vector_size(32)));

static int check(const rl_svd_options *o, int64_t m, int64_t n) {
  if (o == NULL) return RL_ERR_OPTION;
  if (m < 1 || n < 1 || m > INT64_MAX / 64 || n > INT64_MAX / 64 || o->k < 1 ||
      o->k > least(m, n) || o->oversamples < 0 || o->n_iter < 0 || o->n_iter > 1 << 20)
    return RL_ERR_SIZE;
  return RL_OK;
}

static int64_t columns_of(const rl_svd_options *o, int64_t m, int64_t n) {
  return o->k + least(o->oversamples, least(m, n) - o->k);
}

#define RL_TYPE_S
#include "generic.h"
#include "svd.inc"
#define RL_TYPE_D
#include "generic.h"
#include "svd.inc"
#define RL_TYPE_C
#include "generic.h"
#include "svd.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "svd.inc"
