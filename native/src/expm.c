/* exp of batches of matrices: the tolerance becomes a rule, the size a path.
 *
 *   n = 1, diagonal, zero    entry by entry
 *   small n                  kernels/expm.c, a group of matrices at a time, on all threads
 *   large n, triangular,     expm_general.inc: one matrix after the other on BLAS products,
 *   Metzler, huge norms      whose threads do the work
 *
 * And phi_k, expm_phi.inc: one matrix after the other at every size.
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "gemm.h"
#include "memory.h"
#include "randla.h"
#include "randla/device/expm_phi_rule.h"
#include "threads.h"

/* ---- the rule of a tolerance --------------------------------------------------------------------- */

static const struct {
  double radius, c[RL_EXPM_TERMS];
} series[RL_EXPM_ORDERS] = {
#define X(m, R, ...) {R, {__VA_ARGS__}},
#include "randla/device/expm_series.def"
#undef X
};

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

/* Below this tolerance order 21 pays for its product (T15+ reaches norm 1 at 1e-11). */
#define NEEDS_T21 1e-11

static rl_expm_rule make_rule(double tol, double unit, int derivative) {
  rl_expm_rule result, *const rule = &result;
  rule->tol = larger(tol, unit);
  rule->least = derivative ? 0 : 1;
  rule->top = rule->tol < NEEDS_T21 ? RL_T21 : RL_T15;
  for (int i = 0; i < RL_EXPM_ORDERS; i++) {
    const int m = rl_expm_order[i];
    const double *c = series[i].c;
    /* ||X^2|| alone decides: the leading terms allow at most b2^(m/2) = x or b2^((m+1)/2) = x for the
     * one of c that belongs to an even power (b1 > 1) or the first (b1 <= 1) */
    const double first = rule->tol / c[0], even = m & 1 ? rule->tol / c[1] : first;
    const double cap = 0.7 * series[i].radius;
    const double beta =
        smaller(cap * cap, larger(pow(first, 2.0 / (m + 1)), pow(even, 1.0 / (m / 2 + (m & 1)))));
    double c1 = 0, c2 = 0;
    for (int j = RL_EXPM_TERMS / 2 - 1; j >= 0; j--) {
      c1 = c1 * beta + c[2 * j];
      c2 = c2 * beta + c[2 * j + 1];
    }
    /* what lies beyond the table: |c_k| R^k falls, so a geometric series of ratio beta / R^2 */
    const double beyond = 1 + 1e-4;
    rule->c1[i] = c1 * beyond;
    rule->c2[i] = c2 * beyond;
    rule->beta[i] = beta;
  }
  return result;
}

/* The rules of full accuracy, made once: making one costs as much as a small exponential. */
static rl_expm_rule rule_of_unit[2]; /* double, single */

__attribute__((constructor)) static void make_rules_of_unit(void) {
  rule_of_unit[0] = make_rule(0, 0x1p-53, 0);
  rule_of_unit[1] = make_rule(0, 0x1p-24, 0);
}

static int32_t products_of(int order, int scaling) { return rl_expm_products[order] + scaling; }

/* 2^s ||h(A / 2^s)|| / max(1, ||A||) */
static double error_bound(const rl_expm_rule *rule, const rl_expm_choice *c) {
  if (!(c->b1 < INFINITY) || c->scaling > RL_EXPM_MAX_SCALING) return NAN;
  const double b1 = ldexp(c->b1, -c->scaling);
  const double b2 = c->order == RL_T1 ? b1 * b1 : ldexp(c->b2, -2 * c->scaling);
  return rl_expm_error(rule, c->order, b1, b2) / larger(ldexp(1, -c->scaling), b1);
}

static rl_expm_info report(const rl_expm_rule *rule, const rl_expm_choice *c) {
  return (rl_expm_info){rl_expm_order[c->order], c->scaling, products_of(c->order, c->scaling), 0,
                        error_bound(rule, c)};
}

static const rl_expm_info closed_form = {0, 0, 0, 0, 0.0};

static int select_all(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                      double unit, int derivative, rl_expm_info *info) {
  if (count < 0 || (count > 0 && (norm_a == NULL || norm_a2 == NULL || info == NULL)))
    return RL_ERR_SIZE;
  if (!(tol >= 0 && tol < 1)) return RL_ERR_TOLERANCE;
  const rl_expm_rule rule = make_rule(tol, unit, derivative);
  for (int64_t i = 0; i < count; i++) {
    rl_expm_choice c = {RL_T1, 0, norm_a[i], norm_a2[i]};
    if (!(c.b1 < INFINITY)) {
      info[i] = (rl_expm_info){0, 0, 0, 0, NAN};
      continue;
    }
    if (!rl_expm_accepts_t1(&rule, c.b1)) c.order = rl_expm_choose(&rule, c.b1, c.b2, &c.scaling);
    info[i] = report(&rule, &c);
  }
  return RL_OK;
}

int rl_sexpm_select(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                    int derivative, rl_expm_info *info) {
  return select_all(count, norm_a, norm_a2, tol, 0x1p-24, derivative, info);
}
int rl_dexpm_select(int64_t count, const double *norm_a, const double *norm_a2, double tol,
                    int derivative, rl_expm_info *info) {
  return select_all(count, norm_a, norm_a2, tol, 0x1p-53, derivative, info);
}

int rl_expm_get_rule(int single, double tol, int derivative, rl_expm_rule *rule) {
  if (rule == NULL) return RL_ERR_SIZE;
  if (!(tol >= 0 && tol < 1)) return RL_ERR_TOLERANCE;
  *rule = make_rule(tol, single ? 0x1p-24 : 0x1p-53, derivative);
  return RL_OK;
}

static int select_phi(int64_t count, int k, const double *norm_a, const double *norm_a2, double tol,
                      double unit, rl_expm_info *info) {
  if (count < 0 || (count > 0 && (norm_a == NULL || norm_a2 == NULL || info == NULL)))
    return RL_ERR_SIZE;
  if (k < 1 || k > RL_PHI_MAX) return RL_ERR_OPTION;
  if (!(tol >= 0 && tol < 1)) return RL_ERR_TOLERANCE;
  const rl_phi_rule rule = {k, 0, larger(tol, unit)};
  for (int64_t i = 0; i < count; i++) {
    double b1 = norm_a[i], b2 = b1 * b1;
    int number = RL_T1, s = 0;
    if (!(b1 < INFINITY)) {
      info[i] = (rl_expm_info){0, 0, 0, 0, NAN};
      continue;
    }
    if (!rl_phi_accepts(&rule, RL_T1, b1, b2, 0)) {
      b2 = norm_a2[i];
      number = rl_phi_choose(&rule, &b1, &b2, &s);
    }
    info[i] = (rl_expm_info){rl_phi_degree(k, number), s, rl_phi_products(k, number, s), 0,
                             rl_phi_error(&rule, number, b1, b2, s)};
  }
  return RL_OK;
}

int rl_sphi_select(int64_t count, int k, const double *norm_a, const double *norm_a2, double tol,
                   rl_expm_info *info) {
  return select_phi(count, k, norm_a, norm_a2, tol, 0x1p-24, info);
}
int rl_dphi_select(int64_t count, int k, const double *norm_a, const double *norm_a2, double tol,
                   rl_expm_info *info) {
  return select_phi(count, k, norm_a, norm_a2, tol, 0x1p-53, info);
}

/* ---- everything that depends on the type ------------------------------------------------------------ */

#define RL_TYPE_S
#include "generic.h"
#include "expm_structure.inc"
#include "expm_general.inc"
#include "expm.inc"
#include "expm_phi.inc"
#define RL_TYPE_D
#include "generic.h"
#include "expm_structure.inc"
#include "expm_general.inc"
#include "expm.inc"
#include "expm_phi.inc"
#define RL_TYPE_C
#include "generic.h"
#include "expm_structure.inc"
#include "expm_general.inc"
#include "expm.inc"
#include "expm_phi.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "expm_structure.inc"
#include "expm_general.inc"
#include "expm.inc"
#include "expm_phi.inc"
