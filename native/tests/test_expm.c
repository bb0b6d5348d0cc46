/* exp of batches: accuracy against a wider arithmetic, structure, bits, memory, errors; for every type and
 * every ISA level. */
#include <float.h>
#include <limits.h>
#include <math.h>

#include "gemm.h"
#include "memory.h"
#include "randla/device/expm_action_rule.h"
#include "randla/device/expm_rule.h"
#include "test_common.h"
#include "threads.h"

#ifdef __unix__
#include <pthread.h>
#endif

enum { GENERAL = RL_EXPM_GENERAL, HERMITIAN = RL_EXPM_HERMITIAN, SKEW = RL_EXPM_SKEW };
enum { TRIANGULAR = RL_EXPM_TRIANGULAR, METZLER = RL_EXPM_METZLER };

/* Sizes of the accuracy tests: all that lanes take, all remainders of rows, both sides of where kernels end and
 * BLAS begins. */
static int size_number(int i) {
  static const int large[] = {64, 65, 96, 97, 100, 128, 129, 130};
  static const int quick[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 24, 33, 97, 129};
  static const int quicker[] = {1, 2, 3, 5, 8, 9, 12, 17, 33};
  if (test_quick() == 1) return i < (int)(sizeof quick / sizeof *quick) ? quick[i] : 0;
  if (test_quick()) return i < (int)(sizeof quicker / sizeof *quicker) ? quicker[i] : 0;
  if (i < 40) return i + 1;
  return i - 40 < (int)(sizeof large / sizeof *large) ? large[i - 40] : 0;
}

static int stop_after, stop_asked;
static int stop_when_told(void) { return ++stop_asked > stop_after; }
static int never_stop(void) {
  stop_asked++;
  return 0;
}
#ifdef __unix__
static pthread_t caller;
static int strangers;
static int note_strangers(void) {
  if (!pthread_equal(pthread_self(), caller)) __atomic_fetch_add(&strangers, 1, __ATOMIC_RELAXED);
  return 0;
}
#endif

#define RL_TYPE_S
#include "generic.h"
#include "oracle.inc"
#include "test_expm.inc"
#define RL_TYPE_D
#include "generic.h"
#include "oracle.inc"
#include "test_expm.inc"
#define RL_TYPE_C
#include "generic.h"
#include "oracle.inc"
#include "test_expm.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "oracle.inc"
#include "test_expm.inc"

static void select_arguments(void) {
  const double norm[2] = {1, INFINITY}, norm2[2] = {1, 1};
  rl_expm_info info[2];
  CHECK_STATUS(rl_dexpm_select(2, norm, norm2, 0, 0, info), RL_OK);
  CHECK(info[0].order > 0 && info[0].products > 0, "order %d", info[0].order);
  CHECK(isnan(info[1].error_bound), "an infinite norm has no bound, got %g", info[1].error_bound);
  CHECK_STATUS(rl_dexpm_select(-1, norm, norm2, 0, 0, info), RL_ERR_SIZE);
  CHECK_STATUS(rl_dexpm_select(1, NULL, norm2, 0, 0, info), RL_ERR_SIZE);
  CHECK_STATUS(rl_dexpm_select(1, norm, NULL, 0, 0, info), RL_ERR_SIZE);
  CHECK_STATUS(rl_dexpm_select(1, norm, norm2, 0, 0, NULL), RL_ERR_SIZE);
  CHECK_STATUS(rl_dexpm_select(0, NULL, NULL, 0, 0, NULL), RL_OK);
  CHECK_STATUS(rl_sexpm_select(1, norm, norm2, 1, 0, info), RL_ERR_TOLERANCE);
  CHECK_STATUS(rl_sexpm_select(1, norm, norm2, -0.5, 0, info), RL_ERR_TOLERANCE);
  CHECK_STATUS(rl_sexpm_select(1, norm, norm2, NAN, 0, info), RL_ERR_TOLERANCE);
  /* more accuracy never costs less, and neither does a larger norm */
  for (double n1 = 1e-8; n1 < 1e6; n1 *= 1.7) {
    const double n2 = n1 * n1;
    rl_expm_info before = {0}, now;
    for (double tol = 0.1; tol > 1e-17; tol *= 0.3) {
      CHECK_STATUS(rl_dexpm_select(1, &n1, &n2, tol, 0, &now), RL_OK);
      rl_expm_info strict; /* a derivative never wants less */
      CHECK_STATUS(rl_dexpm_select(1, &n1, &n2, tol, 1, &strict), RL_OK);
      CHECK(strict.products >= now.products && (n1 < 1 || strict.products == now.products),
            "norm %g, tol %g: %d products, %d for the derivative", n1, tol, now.products,
            strict.products);
      CHECK(now.products >= before.products, "norm %g, tol %g", n1, tol);
      CHECK(now.error_bound <= (tol > 0x1p-53 ? tol : 0x1p-53) * (1 + 1e-12),
            "norm %g, tol %g: bound %g", n1, tol, now.error_bound);
      before = now;
    }
  }
}

/* What CUDA kernels are given: the same choices as here. */
static void rules_for_devices(void) {
  rl_expm_rule rule;
  rl_action_rule action;
  for (int single = 0; single < 2; single++)
    for (int derivative = 0; derivative < 2; derivative++) {
      CHECK_STATUS(rl_expm_get_rule(single, 1e-6, derivative, &rule), RL_OK);
      for (double b1 = 1e-9; b1 < 1e4; b1 *= 3) {
        const double b2 = 0.7 * b1 * b1;
        rl_expm_info info;
        int s = 0, order = RL_T1;
        if (!rl_expm_accepts_t1(&rule, b1)) order = rl_expm_choose(&rule, b1, b2, &s);
        CHECK_STATUS(
            (single ? rl_sexpm_select : rl_dexpm_select)(1, &b1, &b2, 1e-6, derivative, &info),
            RL_OK);
        CHECK(info.order == rl_expm_order[order] && info.scaling == s, "norm %g", b1);
      }
    }
  for (double a = 1e-6; a < 1e3; a *= 4) { /* the least order of the least steps */
    int steps;
    CHECK_STATUS(rl_action_get_rule(0, 1e-3, 0, &action), RL_OK);
    const int order = rl_action_choose(&action, a, &steps);
    CHECK(a <= action.theta[order - 1] * steps, "norm %g", a);
    CHECK(a <= action.step * steps && (steps == 1 || a > action.step * (steps - 1)), "norm %g", a);
    CHECK(order == 1 || a > action.theta[order - 2] * steps, "norm %g", a);
  }
  CHECK_STATUS(rl_expm_get_rule(0, 0, 0, NULL), RL_ERR_SIZE);
  CHECK_STATUS(rl_expm_get_rule(0, 1, 0, &rule), RL_ERR_TOLERANCE);
  CHECK_STATUS(rl_action_get_rule(1, 0, 0, NULL), RL_ERR_SIZE);
  CHECK_STATUS(rl_action_get_rule(1, -1, 0, &action), RL_ERR_TOLERANCE);
}

int main(void) {
  test_begin();
  select_arguments();
  rules_for_devices();
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    expm_s(ilp64);
    expm_d(ilp64);
    expm_c(ilp64);
    expm_z(ilp64);
  }
  return test_end();
}
