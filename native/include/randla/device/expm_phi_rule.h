/* Order and scaling for phi_k(A), k >= 1: the rule, for C and CUDA.
 *
 * phi_k(x) = sum_i x^i / (i + k)!.  With X = A / 2^s and chi_j = j! phi_j, whose constant term is 1:
 *
 *   chi_k(X)      by a polynomial of degree m: for k = 1 the schemes of expm_rule.h with coefficients of their
 *                 own, for k > 1 Taylor's by Paterson and Stockmeyer, in blocks of rl_phi_block
 *   chi_(j-1)     = X chi_j / j + I, down to chi_0 = e^X; needed where s > 0
 *   chi_k(2 X)    = 2^-k (e^X chi_k + sum_(j=1..k) binomial(k, j) chi_j(X)), s times, for every k down to 0 but
 *                 in the last step
 *
 * Backward error.  Let p = sum_(j<k) x^j / j! + x^k q(x) be the e^x that belongs to the polynomial q, of degree
 * M = m + k, and h = log(e^-x p).  The steps above are those of scaling and squaring for the exponential of
 * [[A, e_1], [0, J]], J the shift of k blocks, so the result is exact (but for rounding) for
 *
 *   phi_k = integral over t in [0, 1] of e^((1-t) A) u(t),  u = t^(k-1) / (k-1)!,
 *
 * with A + 2^s h(X) in place of A, and u + sum_(j=1..k) d_j t^(k-j) / (k-j)! in place of u, where
 * d_j = 2^(-s (j-1)) h(X) X^-j.  Against the integral of u, 1 / k!, the latter weigh k! / (k-j+1)! ||d_j||.
 *
 * Bound of h.  |the coefficients of e^x - p| <= 1 / i! from i = M + 1 on (one of P15+ is not Taylor's, but
 * between 0 and Taylor's), so those of h are at most those of x^(M+1) e^(2x) / (M+1)!, plus 1 % for the
 * logarithm.  As in expm_rule.h, ||X^i|| <= b2^(i/2) or b1 b2^((i-1)/2).
 *
 * Derivative.  Its errors are those of the terms' derivatives, up to M + 1 times as large, with one power of
 * ||X|| less and b1^2 in place of one b2. */
#ifndef RANDLA_DEVICE_EXPM_PHI_RULE_H
#define RANDLA_DEVICE_EXPM_PHI_RULE_H

#ifndef __CUDACC__
#include <math.h>
#endif

#include "randla/device/expm_rule.h"

#define RL_PHI_MAX 100 /* largest k */
#define RL_PHI_ORDERS 8

RL_CONSTANT int rl_phi_order[RL_PHI_ORDERS] = {1, 2, 4, 6, 9, 12, 16, 20};
RL_CONSTANT int rl_phi_block[RL_PHI_ORDERS] = {1, 2, 2, 3, 3, 4, 4, 5};
/* Order number i has i products, for k = 1 too, whose orders are 1, 2, 4, 8, 15 (RL_T1 ... RL_T15). */

/* The schemes of expm_rule.h for phi_1: its constant term is 1, the linear one RL_PHI1_LINEAR. */
#define RL_PHI1_LINEAR 0.5
#ifndef __cplusplus
RL_CONSTANT double rl_phi1_shared[RL_T15 + 1][RL_EXPM_SHARED] = {
    [RL_T1] = {0},
    [RL_T2] = {[6] = 1.0 / 6, [11] = 1},
    [RL_T4] = {[0] = 1.0 / 120, [1] = 1.0 / 24, [5] = 1, [6] = 1.0 / 6, [11] = 1},
    [RL_T8] =
        {
#define P8(index, value) [index] = value,
#include "randla/device/expm_coefficients.def"
            [6] = 1.0 / 6, [11] = 1},
    [RL_T15] =
        {
#define P15(index, value) [index] = value,
#include "randla/device/expm_coefficients.def"
        },
};
#endif

typedef struct {
  int k, derivative;
  double tol;
} rl_phi_rule;

RL_DEVICE int rl_phi_degree(int k, int i) { return k == 1 ? rl_expm_order[i] : rl_phi_order[i]; }
RL_DEVICE int rl_phi_top(int k) { return k == 1 ? RL_T15 : RL_PHI_ORDERS - 1; }
RL_DEVICE int rl_phi_products(int k, int i, int s) { return i + s * (k + 1); }

/* Bound of ||X^i||; derivative: of the terms X^a E X^b, a + b = i - 1, times i. */
RL_DEVICE double rl_phi_power(int i, double b1, double b2, int derivative) {
  if (derivative && i > 1) /* odd i: a and b may both be odd */
    return i *
           (i & 1 ? b1 * b1 * rl_expm_power(b2, (i - 3) / 2) : b1 * rl_expm_power(b2, (i - 2) / 2));
  if (derivative) return i;
  return rl_expm_power(b2, i / 2) * (i & 1 ? b1 : 1);
}

/* The error bound of order number i at scaling s: the larger of ||dA|| / max(1, ||A||) and the weight of the
 * d_j.  b1, b2: norms of X and X^2. */
RL_DEVICE double rl_phi_error(const rl_phi_rule *rule, int i, double b1, double b2, int s) {
  const int k = rule->k, d = rule->derivative, M = rl_phi_degree(k, i) + k;
  const double root = sqrt(b2);
  /* sum of ||(2 X)^i|| / i! */
  double tail = 1.01 * (cosh(2 * root) + b1 * (root > 1e-4 ? sinh(2 * root) / root : 2));
  for (int j = 2; j <= M + 1; j++) tail /= j;
  const double unit = ldexp(1.0, -s), size = d ? 1 : b1 > unit ? b1 : unit;
  const double backward = tail * rl_phi_power(M + 1, b1, b2, d) / size;
  double source = 0, weight = d ? unit * (k + 1) : 1;
  for (int j = 1; j <= k; j++) {
    source += weight * tail * rl_phi_power(M + 1 - j, b1, b2, d);
    weight *= unit * (k - j + 1);
  }
  return backward > source ? backward : source;
}

/* Larger arguments are left to the scaling: alternating terms would cancel. */
RL_DEVICE double rl_phi_reach(int k, int s) { return s == 0 ? k + 1 : 2.5; }

RL_DEVICE int rl_phi_accepts(const rl_phi_rule *rule, int i, double b1, double b2, int s) {
  const double reach = rl_phi_reach(rule->k, s);
  return b2 <= reach * reach && rl_phi_error(rule, i, b1, b2, s) <= rule->tol;
}

/* The number of the cheapest order at the smallest scaling, from *scaling on, at which the highest is accepted.
 * b1, b2: norms of A / 2^*scaling and its square, finite; on return those of X. */
RL_DEVICE int rl_phi_choose(const rl_phi_rule *rule, double *b1, double *b2, int *scaling) {
  const int top = rl_phi_top(rule->k);
  int s = *scaling, i = RL_T2;
  while (s < RL_EXPM_MAX_SCALING && !rl_phi_accepts(rule, top, *b1, *b2, s)) {
    *b1 *= 0.5;
    *b2 *= 0.25;
    s++;
  }
  while (i < top && !rl_phi_accepts(rule, i, *b1, *b2, s)) i++;
  *scaling = s;
  return i;
}

#endif
