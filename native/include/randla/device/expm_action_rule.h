/* Order and steps for exp(A) B: the rule, for C and CUDA.
 *
 * exp(A) B = (e^(mu/s) T_m((A - mu I)/s))^s B, T_m the Taylor polynomial.  With x = ||A - mu I|| / s and
 *   T_m(X) = exp(X + h(X)),   ||h(X)|| <= R / (1 - R),   R = e^x x^(m+1) / (m+1)!,
 * (e^-x T_m(x) = 1 - 1/m! int_0^x e^-u u^m du, term by term), so that m terms do for x <= theta[m - 1]:
 * there s ||h|| <= tol max(least, ||A||).  Terms of the sum are up to e^x times larger than the result may
 * be; RL_ACTION_STEP bounds x, and so what roundings of them can do. */
#ifndef RANDLA_DEVICE_EXPM_ACTION_RULE_H
#define RANDLA_DEVICE_EXPM_ACTION_RULE_H

#ifndef __CUDACC__
#include <math.h>
#endif

#include "randla/device/device.h"

#define RL_ACTION_STEP 3.5
#define RL_ACTION_TERMS 40
typedef struct rl_action_rule {
  double tol, least;
  int top;     /* theta[top - 1] >= RL_ACTION_STEP, or top = RL_ACTION_TERMS */
  double step; /* largest x in use */
  double theta[RL_ACTION_TERMS];
} rl_action_rule;

/* Terms of each step for ||A - mu I|| = norm, and *steps of them. */
RL_DEVICE int rl_action_choose(const rl_action_rule *rule, double norm, int *steps) {
  int m = 1;
  *steps = norm > rule->step ? (int)ceil(norm / rule->step) : 1;
  while (m < rule->top && norm / *steps > rule->theta[m - 1]) m++;
  return m;
}

/* exp(A) itself takes about this many products of n^3 multiply-adds, a term n^2 p. */
RL_DEVICE double rl_action_products_of_exp(double norm, int single) {
  return (norm > 2 ? floor(log2(norm)) : 0) + (single ? 3.5 : 4.5);
}

#endif
