/* phi_k of small matrices, k >= 1, and its derivative: a team for each.  Rule: randla/device/expm_phi_rule.h. */
#include "expm.cuh"

#include "randla/device/expm_phi_rule.h"

#define RL_PHI_BLOCK 5 /* the highest power that the polynomials need */
#define RL_PHI_SLOTS(k) (RL_EXPM_SLOTS + RL_PHI_BLOCK + 1 + (k) + 1)

/* Matrix number `slot`, of each part. */
template <int PARTS>
struct Slots {
  scalar *memory;
  int slots;
  __device__ Kept<false> operator()(int part, int slot) const {
    Kept<false> matrix;
    matrix.place(memory + ((long long)part * slots + slot) * (RL_TEAM * RL_ENTRIES));
    return matrix;
  }
};

/* F = phi_k(A), or with two parts L, its derivative in the direction D, at A or, adjoint, at A^H.
 * schemes: of phi_1, by order; taylor: k! / (i + k)!, i = 0 ... 20. */
template <int PARTS>
static __device__ void run(int n, int k, long long count, const scalar *a, const scalar *d,
                           scalar *f, double tol, const real *schemes, const real *taylor,
                           double factorial, scalar *memory, Report *reports, int bytes,
                           int adjoint) {
  RL_DYNAMIC_SHARED(unsigned char, shared);
  const int number = threadIdx.x / RL_TEAM;
  const Team team(shared + number * bytes, n);
  const long long teams = (long long)gridDim.x * RL_TEAMS, first = (long long)blockIdx.x * RL_TEAMS;
  const int slots = RL_PHI_SLOTS(k);
  scalar *const own = memory + (first + number) * slots * (PARTS * RL_TEAM * RL_ENTRIES);
  const Slots<PARTS> slot = {own + team.lane, slots};
  const auto chi = [&](int p, int j) { return slot(p, RL_EXPM_SLOTS + RL_PHI_BLOCK + 1 + j); };
  Powers<PARTS, false> M;
  for (int p = 0; p < PARTS; p++) {
    M.A[p] = slot(p, 0);
    M.A2[p] = slot(p, 1);
    M.A3[p] = slot(p, 2);
    M.Y0[p] = slot(p, 3);
    M.Y1[p] = slot(p, 4);
  }
  const rl_phi_rule rule = {k, PARTS > 1, tol};

  for (long long i = first + number; i < count; i += teams) {
    const long long at = i * n * n;
    team.each([&](int e, int r, int c) {
      const long long here = at + (adjoint ? c * n + r : r * n + c);
      M.A[0].set(e, adjoint ? conjugate(a[here]) : a[here]);
      if (PARTS > 1) M.A[PARTS - 1].set(e, d[at + r * n + c]);
    });
    double b1 = team.norm([&](int e, int, int) { return M.A[0][e]; });
    if (!isfinite(b1)) {
      const real nan = (real)(b1 - b1);
      team.each([&](int, int r, int c) {
#if RL_COMPLEX
        f[at + r * n + c] = {nan, nan};
#else
        f[at + r * n + c] = nan;
#endif
      });
      if (reports != nullptr && team.lane == 0) reports[i] = {0, 0, 0, 0, nan};
      team.sync();
      continue;
    }
    const int huge = b1 > (RL_SINGLE ? 0x1p60 : 0x1p500) ? ilogb(b1) + 1 : 0;
    b1 = ldexp(b1, -huge);
    const real down = (real)ldexp(1.0, -huge);
    for (int p = 0; p < PARTS; p++)
      team.each([&](int e, int, int) {
        M.A[p].set(e, down * M.A[p][e]);
        M.A2[p].set(e, make(0));
      });
    int order = RL_T1, s = huge;
    double b2 = b1 * b1;
    if (huge > 0 || !rl_phi_accepts(&rule, RL_T1, b1, b2, 0)) {
      auto A = [&](int p, int e) { return M.A[p][e]; };
      product<PARTS>(team, A, A,
                     [&](int p, int e, int, int, scalar sum) { M.A2[p].set(e, sum); });
      b2 = team.norm([&](int e, int, int) { return M.A2[0][e]; });
      order = rl_phi_choose(&rule, &b1, &b2, &s);
      scale(team, M, s - huge);
    }

    if (k == 1) {
      polynomial(team, M, order, schemes + RL_EXPM_SHARED * order, (real)RL_PHI1_LINEAR);
      for (int p = 0; p < PARTS; p++)
        team.each([&](int e, int, int) { chi(p, 1).set(e, M.Y0[p][e]); });
    } else {
      /* Paterson and Stockmeyer: blocks of `block` coefficients, from the highest down */
      const int m = rl_phi_order[order], block = rl_phi_block[order];
      const auto power = [&](int p, int j) { return slot(p, j == 1 ? 0 : j == 2 ? 1 : RL_EXPM_SLOTS + j - 1); };
      for (int j = 3; j <= block; j++)
        product<PARTS>(
            team, [&](int p, int e) { return power(p, j - 1)[e]; },
            [&](int p, int e) { return M.A[p][e]; },
            [&](int p, int e, int, int, scalar sum) { power(p, j).set(e, sum); });
      auto low = [&](int p, int e, int r, int c, int begin, int last) {
        scalar sum = make(p == 0 && r == c ? taylor[begin] : 0);
        for (int j = 1; j <= last; j++) sum = axpy(taylor[begin + j], power(p, j)[e], sum);
        return sum;
      };
      int begin = m - block;
      for (int p = 0; p < PARTS; p++)
        team.each([&](int e, int r, int c) { chi(p, k).set(e, low(p, e, r, c, begin, block)); });
      while (begin > 0) {
        begin -= block;
        product<PARTS>(
            team, [&](int p, int e) { return chi(p, k)[e]; },
            [&](int p, int e) { return power(p, block)[e]; },
            [&](int p, int e, int r, int c, scalar sum) {
              chi(p, k).set(e, sum + low(p, e, r, c, begin, block - 1));
            });
      }
    }

    for (int j = k; j > 0 && s > 0; j--) /* chi_(j-1) = X chi_j / j + I */
      product<PARTS>(
          team, [&](int p, int e) { return M.A[p][e]; }, [&](int p, int e) { return chi(p, j)[e]; },
          [&](int p, int e, int r, int c, scalar sum) {
            chi(p, j - 1).set(e, axpy((real)(1.0 / j), sum, make(p == 0 && r == c ? 1 : 0)));
          });
    for (int t = 0; t < s; t++) /* chi_m(2 X), from the highest down: each needs those below it */
      for (int j = k; j >= (t == s - 1 ? k : 0); j--)
        product<PARTS>(
            team, [&](int p, int e) { return chi(p, 0)[e]; },
            [&](int p, int e) { return chi(p, j)[e]; },
            [&](int p, int e, int, int, scalar sum) {
              double binomial = 1;
              for (int q = 1; q <= j; q++) {
                binomial = binomial * (j - q + 1) / q;
                sum = axpy((real)binomial, chi(p, q)[e], sum);
              }
              chi(p, j).set(e, (real)ldexp(1.0, -j) * sum);
            });
    const real inverse = (real)(1 / factorial);
    team.each([&](int e, int r, int c) {
      f[at + r * n + c] = inverse * chi(PARTS - 1, k)[e];
    });
    if (reports != nullptr && team.lane == 0)
      reports[i] = {rl_phi_degree(k, order), s, rl_phi_products(k, order, s), 0,
                    rl_phi_error(&rule, order, b1, b2, s)};
    team.sync();
  }
}

extern "C" __global__ void __launch_bounds__(RL_THREADS)
    phi(int n, int k, long long count, const scalar *a, scalar *f, double tol, const real *schemes,
        const real *taylor, double factorial, scalar *memory, Report *reports, int bytes) {
  run<1>(n, k, count, a, nullptr, f, tol, schemes, taylor, factorial, memory, reports, bytes, 0);
}

extern "C" __global__ void __launch_bounds__(RL_THREADS)
    phi_derivative(int n, int k, long long count, const scalar *a, const scalar *d, scalar *l,
                   double tol, const real *schemes, const real *taylor, double factorial,
                   scalar *memory, int bytes, int adjoint) {
  run<2>(n, k, count, a, d, l, tol, schemes, taylor, factorial, memory, nullptr, bytes, adjoint);
}
