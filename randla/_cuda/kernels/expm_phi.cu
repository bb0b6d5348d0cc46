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
  Matrices<PARTS, false> M;
  M.place(memory + (first + number) * slots * (PARTS * RL_TEAM * RL_ENTRIES), team, slots);
  const auto power = [](int i) { return i < 3 ? i - 1 : RL_EXPM_SLOTS + i - 3; };
  const auto chi = [](int j) { return RL_EXPM_SLOTS + RL_PHI_POWERS - 2 + j; };
  const rl_phi_rule rule = {k, PARTS > 1, tol};

  for (long long i = first + number; i < count; i += teams) {
    const long long at = i * n * n;
    team.each<true>([&](int e, int r, int c) {
      const long long here = at + (adjoint ? c * n + r : r * n + c);
      M.set(0, RL_A, e, adjoint ? conjugate(a[here]) : a[here]);
      if (PARTS > 1) M.set(PARTS - 1, RL_A, e, d[at + r * n + c]);
    });
    const double norm = team.norm<true>([&](int e, int, int) { return M.get(0, RL_A, e); });
    const bool finite = isfinite(norm);
    const int huge = finite && norm > (RL_SINGLE ? 0x1p60 : 0x1p500) ? ilogb(norm) + 1 : 0;
    double b1 = finite ? ldexp(norm, -huge) : 0, b2 = b1 * b1;
    const real down = finite ? (real)ldexp(1.0, -huge) : 0;
    for (int part = 0; part < PARTS; part++)
      team.each<true>([&](int e, int, int) {
        M.set(part, RL_A, e, finite ? down * M.get(part, RL_A, e) : make(0));
        for (int j = RL_A2; j <= RL_Y1; j++) M.set(part, j, e, make(0));
      });
    int order = RL_T1, s = huge;
    if (huge > 0 || !rl_phi_accepts(&rule, RL_T1, b1, b2, 0)) {
      take(team, M, &schemes->power);
      b2 = team.norm<true>([&](int e, int, int) { return M.get(0, RL_A2, e); });
      order = rl_phi_choose(&rule, &b1, &b2, &s);
      if (s > huge) scale(team, M, s - huge);
    }

    if (k == 1) {
      const Scheme *const scheme = schemes->of + order;
      for (int step = 0; step < scheme->count; step++) take(team, M, scheme->steps + step);
      for (int part = 0; part < PARTS; part++)
        team.each<true>([&](int e, int, int) { M.set(part, chi(1), e, M.get(part, RL_Y0, e)); });
    } else {
      /* Paterson and Stockmeyer: powers up to A^block, then blocks of coefficients from the highest down */
      const int m = rl_phi_order[order], block = rl_phi_block[order];
      const auto low = [&](int part, int e, int r, int c, int begin, int last) {
        scalar sum = make(part == 0 && r == c ? taylor[begin] : 0);
#pragma unroll 1
        for (int j = 1; j <= last; j++)
          sum = axpy(taylor[begin + j], M.get(part, power(j), e), sum);
        return sum;
      };
      for (int j = 3, begin = m; begin > 0; j++) {
        if (j > block && begin == m) { /* the highest block, without a product */
          begin -= block;
          for (int part = 0; part < PARTS; part++)
            team.each<true>([&](int e, int r, int c) {
              M.set(part, chi(k), e, low(part, e, r, c, begin, block));
            });
          if (begin == 0) break;
        }
        const bool powers = j <= block;
        if (!powers) begin -= block;
        product<PARTS, true>(
            team, [&](int part, int e) { return M.get(part, powers ? power(j - 1) : chi(k), e); },
            [&](int part, int e) { return M.get(part, power(powers ? 1 : block), e); },
            [&](int part, int e, int r, int c, scalar sum) {
              if (powers)
                M.set(part, power(j), e, sum);
              else
                M.set(part, chi(k), e, axpy((real)1, sum, low(part, e, r, c, begin, block - 1)));
            });
      }
    }

    /* chi_(j-1) = A chi_j / j + I down to chi_0; then, s times,
     * chi_j <- 2^-j (chi_0 chi_j + sum_q binomial(j, q) chi_q), from the highest down: each needs those below */
    for (int t = s > 0 ? -1 : 0; t < s; t++)
      for (int j = k; j >= (t < 0 ? 1 : t < s - 1 ? 0 : k); j--)
        product<PARTS, true>(
            team, [&](int part, int e) { return M.get(part, t < 0 ? RL_A : chi(0), e); },
            [&](int part, int e) { return M.get(part, chi(j), e); },
            [&](int part, int e, int r, int c, scalar sum) {
              if (t < 0) {
                M.set(part, chi(j - 1), e, axpy((real)(1.0 / j), sum, make(part == 0 && r == c)));
                return;
              }
              real binomial = 1; /* an integer, but for rounding beyond 2^24 or 2^53 */
#pragma unroll 1
              for (int q = 1; q <= j; q++) {
                binomial = rint(binomial * (j - q + 1) / q);
                sum = axpy(binomial, M.get(part, chi(q), e), sum);
              }
              M.set(part, chi(j), e, (real)ldexp(1.0, -j) * sum);
            });
    const real inverse = (real)(1 / factorial), nan = (real)(norm - norm);
    team.each<true>([&](int e, int r, int c) {
#if RL_COMPLEX
      const scalar bad = {nan, nan};
#else
      const scalar bad = nan;
#endif
      f[at + r * n + c] = finite ? inverse * M.get(PARTS - 1, chi(k), e) : bad;
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
