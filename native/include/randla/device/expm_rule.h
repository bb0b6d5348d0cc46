/* Order and scaling of the Taylor schemes for exp(A): the rule, for C and CUDA.
 *
 * The schemes, with A2 = A A, A3 = A2 A and c the coefficients of expm_coefficients.def; every
 * product counts, the rest are sums (beyond Paterson-Stockmeyer: arXiv 2512.20777, section 2):
 *
 *   T1   I + A                                                                       0 products
 *   T2   I + A + A2/2                                                                1
 *   T4   A2 (A2/24 + A/6) + A2/2 + A + I                                             2
 *   T8   y0 = A2 (c0 A2 + c1 A)                                                      3
 *        (y0 + c2 A2 + c3 A)(y0 + c4 A2) + c5 y0 + A2/2 + A + I
 *   T15+ y0 = A2 (c0 A2 + c1 A)                                                      4
 *        y1 = (y0 + c2 A2 + c3 A)(y0 + c4 A2) + c5 y0 + c6 A2
 *        (y1 + c7 A2 + c8 A)(y1 + c9 y0 + c10 A) + c11 y1 + c12 y0 + c13 A2 + A + I
 *   T21+ y0 = A3 (c0 A3 + c1 A2 + c2 A)                                              5
 *        y1 = (y0 + c3 A3 + c4 A2 + c5 A)(y0 + c6 A3 + c7 A2) + c8 y0 + c9 A3 + c10 A2
 *        (y1 + c11 A3 + c12 A2 + c13 A)(y1 + c14 y0 + c15 A)
 *                                         + c16 y1 + c17 y0 + c18 A3 + c19 A2 + A + I
 *
 * Backward error.  The scheme p_m gives exp(X + h(X)) with h(x) = log(e^-x p_m(x))
 * = sum_{k>m} c_k x^k (expm_series.def).  With b1 >= ||X|| and b2 >= ||X^2||, and ||X^k|| <=
 * b2^(k/2) for even k, b2^((k-1)/2) b1 for odd k:
 *
 *   ||h(X)|| <= first * C1 + second * C2,    first, second: the bounds of ||X^(m+1)||, ||X^(m+2)||
 *   C1 = sum_j |c_(m+1+2j)| beta^j,  C2 = sum_j |c_(m+2+2j)| beta^j,          for every b2 <= beta.
 *
 * The two sums hold the whole tail, not two terms of it, so the bound is true.  beta is the largest
 * b2 that could pass with the leading coefficients alone, but at most (0.7 R)^2, R the radius of
 * convergence; then what the 30 terms of the table leave out is below 0.7^30 of the sum.
 * ||A^2|| in place of ||A||^2 is what avoids overscaling of non-normal matrices.
 *
 * Derivative.  Where exp is off by h, its derivative is off by that of h, up to m + 1 times ||h|| / ||X||:
 * small beside 1 is not enough, h must be small beside X.  And its terms are X^i E X^j, i + j = k - 1: with
 * i and j odd they are bounded by b1^2 b2^((k-3)/2) only, so b1^2 stands for one b2 in the bound (X^2 = 0
 * does not make them vanish).  Then L(A, E) is exact for A + dA and E + dE, ||dA|| <= tol ||A|| and
 * ||dE|| <= about (m + 1) tol ||E||.
 *
 * Shift.  exp(A) = e^mu exp(A - mu I), mu the real part of trace(A) / n: half the norm of a generator
 * or of a definite matrix, one squaring less and half the error.  Worth it where |mu| >= ||A||_1 / 4 and
 * the norm falls by a tenth; safe, with the factor applied at the end, where |mu| + ||A||_1 stays
 * below RL_EXPM_SHIFT_LIMIT, so that neither factor overflows.  mu keeps 9 bits only: then A - mu I has no
 * rounding unless an entry is tiny beside mu.  All above then holds for A - mu I. */
#ifndef RANDLA_DEVICE_EXPM_RULE_H
#define RANDLA_DEVICE_EXPM_RULE_H

#include "randla/device/device.h"

enum { RL_T1, RL_T2, RL_T4, RL_T8, RL_T15, RL_T21, RL_EXPM_ORDERS };
#define RL_EXPM_TERMS 30
#define RL_EXPM_MAX_SCALING 1100 /* 2^1100 exceeds every norm of a double matrix */

#define RL_EXPM_SHIFT_LIMIT(single) ((single) ? 75.0 : 600.0)
#define RL_EXPM_SHIFT_WORTH 0.25 /* |mu| / ||A|| */
#define RL_EXPM_SHIFT_GAIN 0.9   /* ||A - mu I|| / ||A|| */

RL_CONSTANT int rl_expm_order[RL_EXPM_ORDERS] = {1, 2, 4, 8, 15, 21};
RL_CONSTANT int rl_expm_products[RL_EXPM_ORDERS] = {0, 1, 2, 3, 4, 5};

/* One formula for all orders, for kernels whose lanes need different ones: that of T21+, its
 * coefficients reordered.  With X = A3 for T21+ and X = A2 below, and [T4] "from T4 on, else 0":
 *   y0 = [T4] X (C14 A3 + C0 A2 + C1 A)
 *   y1 = [T8] (y0 + C15 A3 + C2 A2 + C3 A)(y0 + C16 A3 + C4 A2) + C5 y0 + C17 A3 + C6 A2
 *   p  = [T15] (y1 + C18 A3 + C7 A2 + C8 A)(y1 + C9 y0 + C10 A)
 *                                    + C11 y1 + C12 y0 + C19 A3 + C13 A2 + A + I
 * C14 to C19 are 0 below T21+. */
#define RL_EXPM_SHARED 20
#define RL_EXPM_EXTRA(i) ((i) == 0 || (i) == 3 || (i) == 6 || (i) == 9 || (i) == 11 || (i) == 18)
#define RL_EXPM_EXTRAS_BELOW(i) \
  (((i) > 0) + ((i) > 3) + ((i) > 6) + ((i) > 9) + ((i) > 11) + ((i) > 18))
#define RL_EXPM_PLACE(i) \
  (RL_EXPM_EXTRA(i) ? 14 + RL_EXPM_EXTRAS_BELOW(i) : (i) - RL_EXPM_EXTRAS_BELOW(i))
#ifndef __cplusplus /* which has no such initialisers: CUDA gets the table from the host */
RL_CONSTANT double rl_expm_shared[RL_EXPM_ORDERS][RL_EXPM_SHARED] = {
    [RL_T1] = {0},
    [RL_T2] = {[6] = 0.5, [11] = 1},
    [RL_T4] = {[0] = 1.0 / 24, [1] = 1.0 / 6, [5] = 1, [6] = 0.5, [11] = 1},
    [RL_T8] =
        {
#define C8(index, value) [index] = value,
#include "randla/device/expm_coefficients.def"
            [6] = 0.5, [11] = 1},
    [RL_T15] =
        {
#define C15(index, value) [index] = value,
#include "randla/device/expm_coefficients.def"
        },
    [RL_T21] =
        {
#define C21(index, value) [RL_EXPM_PLACE(index)] = value,
#include "randla/device/expm_coefficients.def"
        },
};
#endif

/* The rule for one tolerance: rl_expm_make_rule() in expm.c. */
typedef struct rl_expm_rule {
  double tol;
  double least; /* errors count relative to max(least, ||A||): 1, or 0 for derivatives */
  int top;      /* highest order in use */
  double c1[RL_EXPM_ORDERS], c2[RL_EXPM_ORDERS], beta[RL_EXPM_ORDERS];
} rl_expm_rule;

RL_DEVICE double rl_expm_power(double x, int k) {
  double y = 1;
  for (; k > 0; k >>= 1, x *= x)
    if (k & 1) y *= x;
  return y;
}

/* Bound of ||h(X)|| for order number i, valid where b2 <= beta[i]. */
RL_DEVICE double rl_expm_error(const rl_expm_rule *rule, int i, double b1, double b2) {
  const int m = rl_expm_order[i];
  /* ||X^(m+1)|| or, m even, ||X^m|| */
  const double half = rl_expm_power(b2, (m - 1) / 2) * (rule->least > 0 ? b2 : b1 * b1);
  return m & 1 ? half * (rule->c1[i] + rule->c2[i] * b1)
               : half * (rule->c1[i] * b1 + rule->c2[i] * b2);
}

/* Is 2^s ||h(X)|| <= tol max(least, ||A||) for X = A / 2^s?  floor = 2^-s least. */
RL_DEVICE int rl_expm_accepts(const rl_expm_rule *rule, int i, double b1, double b2, double floor) {
  return b2 <= rule->beta[i] &&
         rl_expm_error(rule, i, b1, b2) <= (b1 > floor ? b1 : floor) * rule->tol;
}

/* T1 must be judged before A2 exists: from b1 alone. */
RL_DEVICE int rl_expm_accepts_t1(const rl_expm_rule *rule, double b1) {
  return rl_expm_accepts(rule, RL_T1, b1, b1 * b1, rule->least);
}

/* The number of the cheapest order at the smallest scaling at which the highest order is accepted. */
RL_DEVICE int rl_expm_choose(const rl_expm_rule *rule, double b1, double b2, int *scaling) {
  int s = 0, i = RL_T2;
  double floor = rule->least;
  while (s < RL_EXPM_MAX_SCALING && !rl_expm_accepts(rule, rule->top, b1, b2, floor)) {
    b1 *= 0.5;
    b2 *= 0.25;
    floor *= 0.5;
    s++;
  }
  while (i < rule->top && !rl_expm_accepts(rule, i, b1, b2, floor)) i++;
  *scaling = s;
  return i;
}

#endif
