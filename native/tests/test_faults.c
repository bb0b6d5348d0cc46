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

static void faults_topk(void) {
  static const int sizes[] = {1, 100, 5000, 100000};
  for (int t = 0; t < 4; t++)
    for (int sorted = 0; sorted < 2; sorted++) {
      const int n = sizes[t], k = n / 3 + 1;
      double *x = test_alloc(sizeof *x * (size_t)n);
      for (int i = 0; i < n; i++) x[i] = test_uniform();
      guarded e = guarded_new((size_t)k, sizeof *x);
      FAULTS(rl_topk(RL_F64, 1, n, k, x, 1, n, NULL, guarded_data(&e), k, NULL, k,
                     sorted ? RL_TOPK_SORTED : 0, NULL),
             e, "topk, n = %d, sorted %d", n, sorted)
      guarded_free(&e);
      free(x);
    }
}

static void faults_topk_soft(void) {
  for (int kind = RL_SOFT_FERMI; kind <= RL_SOFT_SHIVA; kind++) {
    enum { N = 300 };
    const double k = 20, t = 1e-4, gate = 0.1;
    double x[N];
    for (int i = 0; i < N; i++) x[i] = test_uniform();
    guarded e = guarded_new(N, sizeof *x);
    FAULTS(rl_dtopk_soft(kind, 1, N, x, N, &k, 0, &t, 0, &gate, 0, guarded_data(&e), N), e,
           "topk_soft, kind %d", kind)
    FAULTS(rl_dtopk_soft_rank(1, N, x, N, &t, 0, RL_SOFT_AUTO, guarded_data(&e), N), e,
           "topk_soft_rank beside kind %d", kind)
    guarded_free(&e);
  }
}

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
    faults_topk();
    faults_topk_soft();
  }
  CHECK(allocations > 0, "no allocation was seen: are faults compiled in?");
  return test_end();
}
