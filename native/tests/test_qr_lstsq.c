/* What iterative least squares are made of: A^H (A V) and solves with a triangle. */
#include <math.h>

#include "gemm.h"
#include "test_common.h"
#include "threads.h"

/* A BLAS whose threads can be set, so that the core may have its own. */
static int blas_threads = 4;
static int get_threads(void) { return blas_threads; }
static void set_threads(int n) { blas_threads = n; }

#define RL_TYPE_S
#include "generic.h"
#include "test_qr_lstsq.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_qr_lstsq.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_qr_lstsq.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_qr_lstsq.inc"

int main(void) {
  test_begin();
  CHECK_STATUS(rl_set_blas_threads(get_threads, set_threads), RL_OK);
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    products_s();
    products_d();
    products_c();
    products_z();
    solves_s();
    solves_d();
    solves_c();
    solves_z();
  }
  refusals_s();
  refusals_d();
  refusals_c();
  refusals_z();
  CHECK(get_threads() == 4, "the BLAS has its threads back: %d", get_threads());
  return test_end();
}
