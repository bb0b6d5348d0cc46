/* phi_k of small matrices, k >= 1, and its derivative: a team for each.  Rule: randla/device/expm_phi_rule.h.
 *
 * Matrices are kept in memory, the powers of A and chi_0 ... chi_k (and their derivatives): where A must be scaled,
 * the doubling formulas read all of them in each step. */
#include "expm.cuh"

#include "randla/device/expm_phi_rule.h"

#define RL_PHI_POWERS 5 /* A ... A^5: the longest block of the polynomials */
#define RL_PHI_SLOTS(k) (RL_EXPM_SLOTS + RL_PHI_POWERS - 2 + (k) + 1)

/* F = phi_k(A), or with two parts L, its derivative in the direction D, at A or, adjoint, at A^H.
 * schemes: of phi_1; taylor: k! / (i + k)!, i = 0 ... 20. */
template <int PARTS>
static __device__ void run(int n, int k, long long count, const scalar *a, const scalar *d,
                           scalar *f, double tol, const Schemes *schemes, const real *taylor,
                           double factorial, scalar *memory, Report *reports, int bytes,
                           int adjoint) {
  RL_DYNAMIC_SHARED(unsigned char, shared);
  const int number = threadIdx.x / RL_TEAM;
  const Team team(shared + number * bytes, n);
  const long long teams = (long long)gridDim.x * RL_TEAMS, first = (long long)blockIdx.x * RL_TEAMS;
  const int slots = RL_PHI_SLOTS(k);
  scalar *const own = memory + (first + number) * slots * (PARTS * RL_TEAM * RL_ENTRIES) + team.lane;
  const auto slot = [&](int part, int i) {
    Kept<false> matrix;
    matrix.place(own + (part * (long long)slots + i) * (RL_TEAM * RL_ENTRIES));
    return matrix;
  };
  const auto power = [&](int part, int i) {
    return slot(part, i < 3 ? i - 1 : RL_EXPM_SLOTS + i - 3);
  };
  const auto chi = [&](int part, int j) { return slot(part, RL_EXPM_SLOTS + RL_PHI_POWERS - 2 + j); };
  Matrices<PARTS, false> M;
  for (int part = 0; part < PARTS; part++)
    for (int i = 0; i < RL_EXPM_SLOTS; i++) M.K[part][i] = slot(part, i);
  const rl_phi_rule rule = {k, PARTS > 1, tol};

  for (long long i = first + number; i < count; i += teams) {
    const long long at = i * n * n;
    team.each<true>([&](int e, int r, int c) {
      const long long here = at + (adjoint ? c * n + r : r * n + c);
      M.K[0][RL_A].set(e, adjoint ? conjugate(a[here]) : a[here]);
      if (PARTS > 1) M.K[PARTS - 1][RL_A].set(e, d[at + r * n + c]);
    });
    const double norm = team.norm<true>([&](int e, int, int) { return M.K[0][RL_A][e]; });
    const bool finite = isfinite(norm);
    const int huge = finite && norm > (RL_SINGLE ? 0x1p60 : 0x1p500) ? ilogb(norm) + 1 : 0;
    double b1 = finite ? ldexp(norm, -huge) : 0, b2 = b1 * b1;
    const real down = finite ? (real)ldexp(1.0, -huge) : 0;
    for (int part = 0; part < PARTS; part++)
      team.each<true>([&](int e, int, int) {
        M.K[part][RL_A].set(e, finite ? down * M.K[part][RL_A][e] : make(0));
        for (int j = RL_A2; j <= RL_Y1; j++) M.K[part][j].set(e, make(0));
      });
    int order = RL_T1, s = huge;
    if (huge > 0 || !rl_phi_accepts(&rule, RL_T1, b1, b2, 0)) {
      take(team, M, &schemes->power);
      b2 = team.norm<true>([&](int e, int, int) { return M.K[0][RL_A2][e]; });
      order = rl_phi_choose(&rule, &b1, &b2, &s);
      if (s > huge) scale(team, M, s - huge);
    }

    if (k == 1) {
      const Scheme *const scheme = schemes->of + order;
      for (int step = 0; step < scheme->count; step++) take(team, M, scheme->steps + step);
      for (int part = 0; part < PARTS; part++)
        team.each<true>([&](int e, int, int) { chi(part, 1).set(e, M.K[part][RL_Y0][e]); });
    } else {
      /* Paterson and Stockmeyer: powers up to A^block, then blocks of coefficients from the highest down */
      const int m = rl_phi_order[order], block = rl_phi_block[order];
      const auto low = [&](int part, int e, int r, int c, int begin, int last) {
        scalar sum = make(part == 0 && r == c ? taylor[begin] : 0);
        for (int j = 1; j <= last; j++) sum = axpy(taylor[begin + j], power(part, j)[e], sum);
        return sum;
      };
      for (int j = 3, begin = m; begin > 0; j++) {
        if (j > block && begin == m) { /* the highest block, without a product */
          begin -= block;
          for (int part = 0; part < PARTS; part++)
            team.each<true>([&](int e, int r, int c) {
              chi(part, k).set(e, low(part, e, r, c, begin, block));
            });
          if (begin == 0) break;
        }
        const bool powers = j <= block;
        if (!powers) begin -= block;
        product<PARTS, true>(
            team, [&](int part, int e) { return (powers ? power(part, j - 1) : chi(part, k))[e]; },
            [&](int part, int e) { return power(part, powers ? 1 : block)[e]; },
            [&](int part, int e, int r, int c, scalar sum) {
              if (powers)
                power(part, j).set(e, sum);
              else
                chi(part, k).set(e, axpy((real)1, sum, low(part, e, r, c, begin, block - 1)));
            });
      }
    }

    /* chi_(j-1) = A chi_j / j + I down to chi_0; then, s times,
     * chi_j <- 2^-j (chi_0 chi_j + sum_q binomial(j, q) chi_q), from the highest down: each needs those below */
    for (int t = s > 0 ? -1 : 0; t < s; t++)
      for (int j = k; j >= (t < 0 ? 1 : t < s - 1 ? 0 : k); j--)
        product<PARTS, true>(
            team, [&](int part, int e) { return (t < 0 ? M.K[part][RL_A] : chi(part, 0))[e]; },
            [&](int part, int e) { return chi(part, j)[e]; },
            [&](int part, int e, int r, int c, scalar sum) {
              if (t < 0) {
                chi(part, j - 1).set(e, axpy((real)(1.0 / j), sum, make(part == 0 && r == c)));
                return;
              }
              double binomial = 1;
              for (int q = 1; q <= j; q++) {
                binomial = binomial * (j - q + 1) / q;
                sum = axpy((real)binomial, chi(part, q)[e], sum);
              }
              chi(part, j).set(e, (real)ldexp(1.0, -j) * sum);
            });
    const real inverse = (real)(1 / factorial), nan = (real)(norm - norm);
    team.each<true>([&](int e, int r, int c) {
#if RL_COMPLEX
      const scalar bad = {nan, nan};
#else
      const scalar bad = nan;
#endif
      f[at + r * n + c] = finite ? inverse * chi(PARTS - 1, k)[e] : bad;
    });
    if (reports != nullptr && team.lane == 0) {
      reports[i] = {rl_phi_degree(k, order), s, rl_phi_products(k, order, s), 0,
                    rl_phi_error(&rule, order, b1, b2, s)};
      if (!finite) reports[i] = {0, 0, 0, 0, nan};
    }
    team.sync();
  }
}

extern "C" __global__ void __launch_bounds__(RL_THREADS, 1)
    phi(int n, int k, long long count, const scalar *a, scalar *f, double tol,
        const Schemes *schemes, const real *taylor, double factorial, scalar *memory,
        Report *reports, int bytes) {
  run<1>(n, k, count, a, nullptr, f, tol, schemes, taylor, factorial, memory, reports, bytes, 0);
}

extern "C" __global__ void __launch_bounds__(RL_THREADS, 1)
    phi_derivative(int n, int k, long long count, const scalar *a, const scalar *d, scalar *l,
                   double tol, const Schemes *schemes, const real *taylor, double factorial,
                   scalar *memory, int bytes, int adjoint) {
  run<2>(n, k, count, a, d, l, tol, schemes, taylor, factorial, memory, nullptr, bytes, adjoint);
}
