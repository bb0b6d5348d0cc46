/* Randomized SVDs by what they promise, and the normaliser of panels. */
#include <math.h>
#include <stdatomic.h>

#include "gemm.h"
#include "test_common.h"

/* A BLAS whose threads can be set, so that the core may have its own. */
static atomic_int blas_threads = 4;
static int get_threads(void) { return atomic_load(&blas_threads); }
static void set_threads(int n) { atomic_store(&blas_threads, n); }

static int stop_now(void) { return 1; }

#define RL_TYPE_S
#include "generic.h"
#include "test_svd.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_svd.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_svd.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_svd.inc"

int main(void) {
  test_begin();
  CHECK_STATUS(rl_set_blas_threads(get_threads, set_threads), RL_OK);
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    normalisers_s();
    normalisers_d();
    normalisers_c();
    normalisers_z();
    decompositions_s();
    decompositions_d();
    decompositions_c();
    decompositions_z();
  }
  entries_s();
  entries_d();
  refusals_s();
  refusals_d();
  refusals_c();
  refusals_z();
  CHECK(get_threads() == 4, "the BLAS has its threads back: %d", get_threads());
  return test_end();
}
