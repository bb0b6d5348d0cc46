/* exp(A) B without exp(A): batches of small matrices in the kernels, larger ones term by term. */
#include <math.h>
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "gemm.h"
#include "memory.h"
#include "randla.h"
#include "randla/device/expm_rule.h"
#include "threads.h"

/* log of k! (lgamma writes a global variable: threads would race) */
static double log_factorial(int k) {
  double product = 1;
  for (int i = 2; i <= k; i++) product *= i;
  return log(product); /* k <= RL_ACTION_TERMS + 1 is far from overflow */
}

/* log of R / max(least, x), R the bound of rl_action_rule */
static double log_error(int m, double x, double least) {
  return x + (m + 1) * log(x) - log_factorial(m + 1) - log(x > least ? x : least);
}

/* The rule of a tolerance.  R / (1 - R) is R to within what a factor of 0.99 of tol covers. */
static rl_action_rule make_rule(double tol, double unit, int derivative) {
  rl_action_rule rule = {.tol = tol > unit ? tol : unit, .least = derivative ? 0 : 1};
  const double target = log(0.99 * (rule.tol < 0.01 ? rule.tol : 0.01));
  while (rule.top < RL_ACTION_TERMS &&
         (rule.top == 0 || rule.theta[rule.top - 1] < RL_ACTION_STEP)) {
    double low = rule.top == 0 ? 1e-20 : rule.theta[rule.top - 1], high = 16;
    for (int i = 0; i < 36; i++) { /* the error grows with x; to ten digits of it */
      const double middle = sqrt(low * high);
      *(log_error(rule.top + 1, middle, rule.least) <= target ? &low : &high) = middle;
    }
    rule.theta[rule.top++] = low;
  }
  const double last = rule.theta[rule.top - 1];
  rule.step = last < RL_ACTION_STEP ? last : RL_ACTION_STEP;
  return rule;
}

static rl_action_rule rule_of_unit[2][2]; /* [single][derivative] */

__attribute__((constructor)) static void make_rules_of_unit(void) {
  for (int derivative = 0; derivative < 2; derivative++) {
    rule_of_unit[0][derivative] = make_rule(0, 0x1p-53, derivative);
    rule_of_unit[1][derivative] = make_rule(0, 0x1p-24, derivative);
  }
}

int rl_action_get_rule(int single, double tol, int derivative, rl_action_rule *rule) {
  if (rule == NULL) return RL_ERR_SIZE;
  if (!(tol >= 0 && tol < 1)) return RL_ERR_TOLERANCE;
  *rule = make_rule(tol, single ? 0x1p-24 : 0x1p-53, derivative);
  return RL_OK;
}

static double error_bound(const rl_action_rule *rule, const rl_action_choice *c) {
  const double x = c->norm / c->steps;
  if (!(x > 0)) return x == 0 ? 0 : NAN;
  return exp(log_error(c->order, x, rule->least / c->steps)) / 0.99;
}

#define RL_TYPE_S
#include "generic.h"
#include "expm_multiply.inc"
#define RL_TYPE_D
#include "generic.h"
#include "expm_multiply.inc"
#define RL_TYPE_C
#include "generic.h"
#include "expm_multiply.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "expm_multiply.inc"
