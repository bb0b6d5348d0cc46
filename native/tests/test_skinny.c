/* Products with narrow panels against sums in double precision: odd sizes, strides, unaligned data, threads. */
#include <math.h>
#include <stdatomic.h>

#include "skinny.h"
#include "test_common.h"

/* A BLAS whose threads can be set, so that the core may have its own. */
static atomic_int blas_threads = 1;
static int get_threads(void) { return atomic_load(&blas_threads); }
static void set_threads(int n) { atomic_store(&blas_threads, n); }

#define RL_TYPE_S
#include "generic.h"
#include "test_skinny.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_skinny.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_skinny.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_skinny.inc"

int main(void) {
  test_begin();
  ref_blas_use(0);
  CHECK_STATUS(rl_set_blas_threads(get_threads, set_threads), RL_OK);
  int level = 0;
  while (test_level(&level) != NULL) {
    products_s();
    products_d();
  }
  products_c();
  products_z();
  refusals_d();
  refusals_z();
  return test_end();
}
