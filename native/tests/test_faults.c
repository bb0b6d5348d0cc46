/* Every allocation of every function fails in turn: RL_ERR_MEMORY, nothing written, nothing lost (which
 * LeakSanitizer and valgrind see), and the next call works. */
#include "memory.h"
#include "test_common.h"

/* FAULTS(call, e): the call with each of its allocations failing, one at a time; e: its outputs, a `guarded`.
 * Returns the number of allocations. */
#define FAULTS(call, e, what, ...)                                                       \
  for (int k = 0;; k++) {                                                                \
    guarded_fill(&(e));                                                                  \
    rl_fail_after(k);                                                                    \
    const int status = (call);                                                           \
    rl_fail_after(-1);                                                                   \
    if (status == RL_OK) {                                                               \
      allocations += k;                                                                  \
      break;                                                                             \
    }                                                                                    \
    CHECK(status == RL_ERR_MEMORY, what ": allocation %d: %s", __VA_ARGS__, k,           \
          rl_strerror(status));                                                          \
    CHECK(guarded_intact(&(e), 0, 0, 0, 0), what ": allocation %d failed after writing", \
          __VA_ARGS__, k);                                                               \
    if (k > 100) break;                                                                  \
  }

static int allocations;

#define RL_TYPE_S
#include "generic.h"
#include "test_faults.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_faults.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_faults.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_faults.inc"

int main(void) {
  test_begin();
  ref_blas_use(0);
  /* the tool itself */
  rl_fail_after(1);
  void *p = rl_alloc(1, 1), *q = rl_alloc(1, 1), *r = rl_alloc(1, 1);
  CHECK(p != NULL && q == NULL && r != NULL, "the second allocation should fail, and no other");
  rl_free(p);
  rl_free(r);
  rl_fail_after(-1);
  int level = 0;
  while (test_level(&level) != NULL) {
    faults_s();
    faults_d();
    faults_c();
    faults_z();
  }
  CHECK(allocations > 0, "no allocation was seen: are faults compiled in?");
  return test_end();
}
