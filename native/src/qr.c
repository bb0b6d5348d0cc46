/* QR factorisations of tall matrices by a sketch and Cholesky factors, with a certificate and a ladder.
 *
 * CQRRPT (Melnichenko, Balabanov, Murray, Demmel, Mahoney, Luszczek, arXiv:2311.08316), changed in what is done when
 * it does not work: with S a sparse sketch, S A P = Q_s R_s by LAPACK, so that A P R_s^-1 is well conditioned, and
 * A P R_s^-1 = Q R_c by CholeskyQR: A P = Q (R_c R_s).  3 m n^2 flops, all in products of large matrices.
 *
 *   certificate   cond(R_c) <= 20 n;  ||(A P - Q R) X|| <= 50 eps ||R||,  ||(Q^H Q - I) Z|| <= 40 eps ||Z||
 *                 for Gaussian X, Z: a bad sketch loses columns while cond(R_c) is 1, so that the residual counts
 *   ladder        1  one more pass of CholeskyQR, if only orthogonality or cond is wrong
 *                 2  a new and larger sketch
 *                 3  shifted CholeskyQR3 of A P R_s^-1 (Fukaya, Kannan, Nakatsukasa, Yamamoto, Yanagisawa,
 *                    arXiv:1809.11085), if a Cholesky factorisation failed
 *                 4  LAPACK
 *
 * Everything is computed for factor * A, where the power of two makes the largest entry about 1. */
#include <math.h>
#include <string.h>

#include "basics.h"
#include "gemm.h"
#include "lapack.h"
#include "memory.h"
#include "orth.h"
#include "permute.h"
#include "probe.h"
#include "randla.h"
#include "threads.h"
#include "trsolve.h"

/* Certificate. */
#define MOST_COND(n) (20.0 * (double)(n))
#define MOST_RESIDUAL(n, eps) (fmin(30 * sqrt((double)(n)), 50) * (eps))
#define MOST_ORTH(eps) (40 * (eps))
/* Beyond this one more pass of CholeskyQR would not help. */
#define WORTH_A_PASS(eps) (0.1 / sqrt(eps))
/* Columns whose pivot in the sketch is smaller than this, relatively, would spoil the triangle that is inverted. */
#define LAST_PIVOT(eps) (2 * pow(eps, 0.95))
/* Nonzeros in a column of the sketch: with 8, [I; 0] and spiked rows keep their rank (1 or 2 lose it). */
#define SKETCH_NNZ 8

enum { ATTEMPTS = 2 };
#define OPERATOR ((uint64_t)1 << 40) /* blocks between the streams of two operators */

static int is_sketched(int method) { return method == RL_QR_CQRRPT || method == RL_QR_CQRRT; }
static int is_cholesky(int method) { return method == RL_QR_CHOLQR2 || method == RL_QR_CHOLQR3; }
static int has_pivots(int method) {
  return method == RL_QR_CQRRPT || method == RL_QR_BQRRP || method == RL_QR_HOUSEHOLDER;
}

static int64_t sketch_rows(int64_t m, int64_t n, int attempt) {
  return least(m, attempt == 0 ? most(2 * n, n + 8) : 3 * n);
}

static int check(const rl_qr_options *o, char order, int64_t m, int64_t n, const void *a,
                 int64_t lda, const void *q, int64_t ldq, const void *r, int64_t ldr,
                 const int64_t *perm) {
  if (o == NULL || (order != 'F' && order != 'C')) return RL_ERR_OPTION;
  const int known = is_sketched(o->method) || is_cholesky(o->method) || has_pivots(o->method) ||
                    o->method == RL_QR_PLAIN;
  if (!known) return RL_ERR_OPTION;
  if (m < 0 || n < 0 || m > INT64_MAX / 16 || n > INT64_MAX / 16 ||
      lda < most(1, order == 'F' ? m : n) || ldq < most(1, m) || ldr < most(1, least(m, n)))
    return RL_ERR_SIZE;
  if (m < n && (is_sketched(o->method) || is_cholesky(o->method))) return RL_ERR_SIZE;
  if (o->k < 0 || o->k > least(m, n) || !(o->rtol < 1)) return RL_ERR_OPTION;
  if (o->k > 0 && !has_pivots(o->method)) return RL_ERR_OPTION;
  if (m > 0 && n > 0 &&
      (a == NULL || q == NULL || r == NULL || (perm == NULL && has_pivots(o->method))))
    return RL_ERR_SIZE;
  return RL_OK;
}

#define RL_TYPE_S
#include "generic.h"
#include "qr.inc"
#define RL_TYPE_D
#include "generic.h"
#include "qr.inc"
#define RL_TYPE_C
#include "generic.h"
#include "qr.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "qr.inc"
