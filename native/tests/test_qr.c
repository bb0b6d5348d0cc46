/* QR factorisations and what they are made of: LAPACK calls, solves, permutations, probes, Cholesky factors. */
#include <math.h>
#include <stdatomic.h>

#include "gemm.h"
#include "lapack.h"
#include "memory.h"
#include "orth.h"
#include "permute.h"
#include "probe.h"
#include "provider.h"
#include "test_common.h"
#include "threads.h"
#include "trsolve.h"

static const int methods[] = {RL_QR_CQRRPT, RL_QR_CQRRT,   RL_QR_BQRRP,  RL_QR_HOUSEHOLDER,
                              RL_QR_PLAIN,  RL_QR_CHOLQR2, RL_QR_CHOLQR3};
enum { METHODS = sizeof methods / sizeof *methods };
static int pivoted(int method) {
  return method == RL_QR_CQRRPT || method == RL_QR_BQRRP || method == RL_QR_HOUSEHOLDER;
}
static int wide_too(int method) {
  return method == RL_QR_PLAIN || method == RL_QR_BQRRP || method == RL_QR_HOUSEHOLDER;
}

/* A BLAS whose threads can be set, so that the core may have its own. */
static atomic_int blas_threads;
static int get_threads(void) { return atomic_load(&blas_threads); }
static void set_threads(int n) { atomic_store(&blas_threads, n); }

/* ---- a BLAS that fails ----------------------------------------------------------------------------------- */

enum { NONE, POTRF, TRTRI, TRMM, GEQRF, GEQP3, ORGQR_, ORMQR_ };

/* Calls first .. last of the routine give this code, or, without one, results that are wrong by a factor. */
static struct {
  int seen, first, last, code;
  double factor;
} injected;
static int injects(void) {
  injected.seen++;
  return injected.seen >= injected.first && injected.seen <= injected.last;
}

enum { EVER = 1000, FEW = 12, MANY = 80 };
typedef struct {
  int method, columns, copies; /* of the matrix */
  int routine, first, last, code;
  double factor;
  int status, path, attempts; /* what comes of it */
} ladder_step;

static const ladder_step steps[] = {
    /* a Cholesky factorisation that breaks down: a new sketch, shifted CholeskyQR3, LAPACK */
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, 1, 3, 1, RL_OK, RL_QR_CQRRPT, 2},
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, 2, 3, 1, RL_OK, RL_QR_CQRRPT, 3},
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, 3, 3, 1, RL_OK, RL_QR_HOUSEHOLDER, 4},
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, EVER, 3, 1, RL_OK, RL_QR_HOUSEHOLDER, 4},
    {RL_QR_CQRRPT, FEW, 4, POTRF, 1, 2, 3, 1, RL_OK, RL_QR_CQRRPT, 3},
    {RL_QR_CQRRT, FEW, 0, POTRF, 1, EVER, 3, 1, RL_OK, RL_QR_PLAIN, 4},
    {RL_QR_CHOLQR2, FEW, 0, POTRF, 1, 1, 3, 1, RL_OK, RL_QR_CHOLQR3, 2},
    {RL_QR_CHOLQR2, FEW, 0, POTRF, 2, 2, 3, 1, RL_OK, RL_QR_CHOLQR3, 2},
    {RL_QR_CHOLQR2, FEW, 0, POTRF, 1, 2, 3, 1, RL_OK, RL_QR_CHOLQR3, 3},
    {RL_QR_CHOLQR3, FEW, 0, POTRF, 1, 1, 3, 1, RL_OK, RL_QR_CHOLQR3, 2},
    {RL_QR_CHOLQR2, FEW, 0, POTRF, 1, EVER, 3, 1, RL_OK, RL_QR_PLAIN, 4},
    /* no inverse of a diagonal block: TRSM; no inverse of the Cholesky factor: it broke down */
    {RL_QR_CQRRPT, FEW, 0, TRTRI, 1, 1, 2, 1, RL_OK, RL_QR_CQRRPT, 1},
    {RL_QR_CQRRPT, FEW, 0, TRTRI, 2, 2, 2, 1, RL_OK, RL_QR_CQRRPT, 2},
    {RL_QR_CQRRPT, FEW, 0, TRTRI, 1, EVER, 2, 1, RL_OK, RL_QR_HOUSEHOLDER, 4},
    /* Q not orthonormal, though Q R is right: another pass, as long as it takes */
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, 1, 0, 1.001, RL_OK, RL_QR_CQRRPT, 2},
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, 2, 0, 1.001, RL_OK, RL_QR_CQRRPT, 3},
    {RL_QR_CHOLQR2, FEW, 0, POTRF, 2, 2, 0, 1.001, RL_OK, RL_QR_CHOLQR2, 2},
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, EVER, 0, 1.001, RL_OK, RL_QR_HOUSEHOLDER, 5},
    /* Q R is wrong: a new sketch, LAPACK */
    {RL_QR_CQRRPT, FEW, 0, TRMM, 1, 1, 0, 1.001, RL_OK, RL_QR_CQRRPT, 2},
    {RL_QR_CQRRPT, FEW, 0, TRMM, 1, EVER, 0, 1.001, RL_OK, RL_QR_HOUSEHOLDER, 3},
    {RL_QR_CQRRT, FEW, 0, TRMM, 1, EVER, 0, 1.001, RL_OK, RL_QR_PLAIN, 3},
    /* columns that complete Q are wrong */
    {RL_QR_CQRRPT, FEW, 4, ORGQR_, 2, 2, 0, 1.001, RL_OK, RL_QR_CQRRPT, 2},
    /* arguments that LAPACK refuses */
    {RL_QR_CQRRPT, FEW, 0, POTRF, 1, 1, -2, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CHOLQR3, FEW, 0, POTRF, 2, 2, -2, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRPT, FEW, 0, TRTRI, 1, 1, -1, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRPT, FEW, 0, TRTRI, 2, 2, -1, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRPT, FEW, 0, GEQRF, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRT, FEW, 0, GEQRF, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_PLAIN, FEW, 0, GEQRF, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRPT, FEW, 0, GEQP3, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_HOUSEHOLDER, FEW, 0, GEQP3, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_BQRRP, MANY, 0, GEQP3, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_BQRRP, MANY, 0, GEQP3, 2, 2, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_BQRRP, MANY, 0, GEQRF, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_BQRRP, MANY, 0, ORMQR_, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_HOUSEHOLDER, FEW, 0, ORGQR_, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRPT, FEW, 4, ORGQR_, 1, 1, -4, 1, RL_ERR_LAPACK, 0, 0},
    {RL_QR_CQRRPT, FEW, 4, GEQRF, 2, 2, -4, 1, RL_ERR_LAPACK, 0, 0},
};

#define RL_TYPE_S
#include "generic.h"
#include "test_qr.inc"
#include "test_qr_ladder.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_qr.inc"
#include "test_qr_ladder.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_qr.inc"
#include "test_qr_ladder.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_qr.inc"
#include "test_qr_ladder.inc"

/* ---- the hold on the BLAS ------------------------------------------------------------------------------ */

static void hold(void) {
  CHECK_STATUS(rl_set_blas_threads(get_threads, NULL), RL_ERR_OPTION);
  CHECK_STATUS(rl_set_blas_threads(NULL, NULL), RL_OK);
  CHECK(!rl_blas_single_begin(), "there is no way to hold it");
  CHECK_STATUS(rl_set_blas_threads(get_threads, set_threads), RL_OK);
  set_threads(4);
  CHECK(rl_blas_single_begin() && get_threads() == 1, "held at %d", get_threads());
  CHECK(rl_blas_single_begin() && get_threads() == 1, "held twice at %d", get_threads());
  rl_blas_single_end();
  CHECK(get_threads() == 1, "one holder is left");
  rl_blas_single_end();
  CHECK(get_threads() == 4, "given back: %d", get_threads());
}

static void permutations(void) {
  const int64_t pivots[] = {2, 1, 3};
  int64_t perm[5];
  rl_permutation(5, 3, pivots, perm);
  const int64_t expected[] = {2, 1, 3, 0, 4}; /* 0 <-> 2, 1 <-> 1, 2 <-> 3 */
  CHECK(memcmp(perm, expected, sizeof perm) == 0, "%d %d %d %d", (int)perm[0], (int)perm[1],
        (int)perm[2], (int)perm[3]);
}

int main(void) {
  test_begin();
  hold();
  permutations();
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    lapack_s();
    lapack_d();
    lapack_c();
    lapack_z();
  }
  pieces_s();
  pieces_d();
  pieces_c();
  pieces_z();
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    factorisations_s(!ilp64);
    factorisations_d(!ilp64);
    factorisations_c(!ilp64);
    factorisations_z(!ilp64);
  }
  ladder_s();
  ladder_d();
  ladder_c();
  ladder_z();
  refusals_s();
  refusals_d();
  refusals_c();
  refusals_z();
  CHECK(get_threads() == 4, "the BLAS has its threads back: %d", get_threads());
  return test_end();
}
