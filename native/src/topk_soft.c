/* Soft ranks, by sums over pairs or by expansions, and soft top-k, by solving for a threshold.
 *
 * Sums of a function of x_j - x_i that is smooth on the scale of the temperature t, and constant far away: a
 * one-dimensional fast multipole method on a single level.  With bins of a fixed number of t, u in [-1, 1] the place
 * in a bin, T_q Chebyshev's polynomials:
 *
 *   M_c[q] = sum_(j in c) w_j T_q(u_j)
 *   L_c[r] = sum_(|d| <= REACH) sum_q A_d[r,q] M_(c+d)[q],  and sum_j 1 over bins beyond, for ranks
 *   f_i    = sum_r L_c[r] u_i^r
 *
 * where A_d holds the coefficients of s(width (d + (u' - u) / 2)), in u' by Chebyshev's polynomials and in u by
 * powers (the coefficients decrease faster than those of T_r in powers grow, so nothing is lost).  Only bins that
 * hold something exist; each of them sums pairs, or expansions, whichever costs less.
 *
 * Where there are many bins, the matrices A_d are what costs: 2 REACH + 1 for each, 23 in double precision, which
 * do not stay in the cache of the first level either.  But beyond the nearest bins s is a short sum of exponentials,
 *
 *   s(-z) = sum_m (-1)^(m+1) exp(-m z), z >= WIDTH, m <= TERMS / 2: the next is below exp(-WIDTH TERMS / 2),
 *
 * and those of all bins on one side are one vector, which fades from bin to bin.  So A_d is left for |d| <= 1, with
 * one matrix from the moments to exponentials and one back: 5 in all.
 *
 * Ranks of 4096 even scores in [0, 1) on AVX2, us at temperature 5 / 0.2 / 0.01 / 1e-3: float 13 / 13 / 24 / 63, double
 * 25 / 30 / 50 / 162 (by matrices alone 668 at 1e-3), 6 to 10 more with an outlier at 1e30 (a sort took 80).  What is
 * left is a fixed cost for each bin, of which there are 220 (330): of its instructions in double precision matrices
 * are 37 %, moments 20 %.  No gain came from moments of the rest of a bin two vectors at a time, nor in single
 * precision, where there are but 9 matrices, from exponentials. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "memory.h"
#include "randla.h"
#include "threads.h"

enum { VALUES, VJP, JVP };
enum { RANK = -1 }; /* a kind: no top-k */

#define T_LEAST 0x1p-1000
#define T_MOST 0x1p1000

/* Costs in vector instructions: of a vector of pairs, of what a bin takes besides the arithmetic, and
 * to bring an element into its bin. */
#define COST_PAIR 30.0
#define COST_BIN 150.0
#define COST_COUNT 15.0
#define COST_SORT 25.0
/* Bins with fewer elements keep no moments: they are cheaper to compute again. */
#define KEPT 4
/* So many elements that are far from all others cost no sort of the row. */
#define MOST_ASIDE 16
/* Exponentials are for bins of at least so many elements on average, if there are more than a few. */
#define CROWD 2
#define FEW_BINS 6

static double logistic(double z) { return 1 / (1 + exp(-z)); }

/* table[d + reach][q * padded + r]; slope: of s' instead of s. */
static void make_table(int terms, int padded, int reach, double width, int slope, double *table) {
  enum { MOST = RL_SOFT_TERMS_d };
  double node[MOST], t[MOST][MOST], power[MOST][MOST] = {{0}};
  for (int i = 0; i < terms; i++) {
    node[i] = cos(M_PI * (i + 0.5) / terms);
    for (int r = 0; r < terms; r++) t[r][i] = cos(r * M_PI * (i + 0.5) / terms);
  }
  power[0][0] = power[1][1] = 1; /* T_r = sum_k power[r][k] u^k */
  for (int r = 2; r < terms; r++)
    for (int k = 0; k < terms; k++)
      power[r][k] = (k > 0 ? 2 * power[r - 1][k - 1] : 0) - power[r - 2][k];
  for (int d = -reach; d <= reach; d++) {
    double f[MOST][MOST], half[MOST][MOST], both[MOST][MOST];
    for (int i = 0; i < terms; i++)
      for (int j = 0; j < terms; j++) {
        const double p = logistic(width * (d + (node[j] - node[i]) / 2));
        f[i][j] = slope ? p * logistic(-width * (d + (node[j] - node[i]) / 2)) : p;
      }
    for (int r = 0; r < terms; r++) /* by the target's polynomials */
      for (int j = 0; j < terms; j++) {
        double sum = 0;
        for (int i = 0; i < terms; i++) sum += f[i][j] * t[r][i];
        half[r][j] = sum * (r ? 2.0 : 1.0) / terms;
      }
    for (int r = 0; r < terms; r++) /* and by the source's */
      for (int q = 0; q < terms; q++) {
        double sum = 0;
        for (int j = 0; j < terms; j++) sum += half[r][j] * t[q][j];
        both[r][q] = sum * (q ? 2.0 : 1.0) / terms;
      }
    for (int q = 0; q < terms; q++)
      for (int k = 0; k < padded; k++) {
        double sum = 0;
        for (int r = 0; r < terms && k < terms; r++) sum += both[r][q] * power[r][k];
        table[((d + reach) * terms + q) * padded + k] = sum;
      }
  }
}

/* outgoing[q * padded + p]: from moments to sums of exp(m width u / 2), m = p + 1 <= terms / 2, then those of the
 * other sign; incoming[slope][p * padded + k]: from these, faded, to powers of u. */
static void make_exponentials(int terms, int padded, double width, double *outgoing,
                              double *incoming[2]) {
  enum { MOST = RL_SOFT_TERMS_d };
  double power[MOST][MOST] = {{0}};
  power[0][0] = power[1][1] = 1;
  for (int r = 2; r < terms; r++)
    for (int k = 0; k < terms; k++)
      power[r][k] = (k > 0 ? 2 * power[r - 1][k - 1] : 0) - power[r - 2][k];
  for (int p = 0; p < terms; p++) {
    const int above = p >= terms / 2, m = p % (terms / 2) + 1; /* sources above the target */
    const double rate = (above ? -0.5 : 0.5) * m * width, sign = m % 2 ? 1 : -1;
    double c[MOST];
    for (int q = 0; q < terms; q++) {
      double sum = 0;
      for (int i = 0; i < terms; i++)
        sum += exp(rate * cos(M_PI * (i + 0.5) / terms)) * cos(q * M_PI * (i + 0.5) / terms);
      c[q] = outgoing[q * padded + p] = sum * (q ? 2.0 : 1.0) / terms;
    }
    for (int k = 0; k < terms; k++) { /* of exp(-rate u) */
      double sum = 0;
      for (int q = 0; q < terms; q++) sum += (q % 2 ? -c[q] : c[q]) * power[q][k];
      incoming[0][p * padded + k] = (above ? -sign : sign) * sum; /* s(z) = 1 - s(-z) */
      incoming[1][p * padded + k] = sign * m * sum;
    }
  }
}

#define RL_TYPE_S
#include "generic.h"
#include "topk_soft_pairs.inc"
#include "topk_soft.inc"
#define RL_TYPE_D
#include "generic.h"
#include "topk_soft_pairs.inc"
#include "topk_soft.inc"
