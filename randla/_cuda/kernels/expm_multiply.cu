/* exp(A) B for small matrices: a team for each.  Rule: randla/device/expm_action_rule.h.
 *
 * A stays in shared memory, and B there in blocks of as many columns as the team has: a term costs one product of
 * theirs, n^2 p multiply-adds, and no traffic but that of shared memory. */
#include "expm.cuh"

#include "randla/device/expm_action_rule.h"

#define RL_BLOCK_COLUMNS (RL_COLUMNS * RL_TILE_COLUMNS)

/* rl_expm_multiply_info of randla/expm_multiply.h */
struct ActionReport {
  int32_t order, steps, products, reserved;
  double error_bound;
};

/* Packed row-major A (n x n), B and Y (n x p); a stride of 0 repeats a matrix. */
extern "C" __global__ void __launch_bounds__(RL_THREADS, 1)
    expm_multiply(int n, int p, long long count, const scalar *a, long long stride_a,
                  const scalar *b, long long stride_b, scalar *y, const rl_expm_rule *rule,
                  const rl_action_rule *action, const Schemes *schemes, scalar *memory,
                  ActionReport *reports, int bytes) {
  RL_DYNAMIC_SHARED(unsigned char, shared);
  const int number = threadIdx.x / RL_TEAM;
  Team team(shared + number * bytes, n);
  const long long teams = (long long)gridDim.x * RL_TEAMS, first = (long long)blockIdx.x * RL_TEAMS;
  Matrices<1, RL_FITS(1)> M;
  M.place(memory + (first + number) * (RL_EXPM_SLOTS * RL_TEAM * RL_ENTRIES), team, RL_EXPM_SLOTS);
  for (long long i = first + number; i < count; i += teams) {
    const scalar *const ai = a + i * stride_a, *const bi = b + i * stride_b;
    scalar *const yi = y + i * n * p;
    team.columns = n;
    team.each([&](int e, int r, int c) { M.set(0, RL_A, e, ai[r * n + c]); });

    const Survey found = survey(team, M);
    int steps = 0, terms = 0;
    bool formed = !isfinite(found.norm) || found.huge > 0;
    if (!formed) {
      formed = found.norm > 1e6;
      if (!formed) terms = rl_action_choose(action, found.norm, &steps);
      formed = formed ||
               (double)terms * steps * p > n * rl_action_products_of_exp(found.norm, RL_SINGLE);
    }
    ActionReport done = {terms, steps, terms * steps, 0, 0};
    if (formed) {
      Report report;
      exponential(team, M, rule, schemes, &report);
      done = {0, report.scaling, report.products, 0, report.error_bound};
    } else if (found.norm > 0) {
      /* R / max(least, x), R = e^x x^(m+1) / (m+1)! */
      const double x = found.norm / steps, floor = 1.0 / steps;
      double bound = exp(x);
      for (int k = 1; k <= terms + 1; k++) bound *= x / k;
      done.error_bound = bound / (x > floor ? x : floor) / 0.99;
    }
    team.each([&](int e, int r, int c) {
      const real mu = !formed && r == c ? (real)found.mu : 0;
      team.left[r * team.ld + c] =
          formed ? M.get(0, RL_Y0, e) : axpy((real)1, M.get(0, RL_A, e), make(-mu));
    });
    const real growth = formed ? 1 : exponential_of((real)(found.mu / steps));
    const int block = min(RL_BLOCK_COLUMNS, team.ld); /* rows of shared memory are not longer */
    for (int begin = 0; begin < p; begin += block) {
      team.columns = min(block, p - begin);
      scalar result[RL_ENTRIES];
      team.each([&](int e, int r, int c) {
        result[e] = bi[(long long)r * p + begin + c];
        team.right[r * team.ld + c] = result[e];
      });
      team.sync();
      const int rounds = formed ? 1 : steps;
      for (int step = 0; step < rounds; step++) {
        const int last = formed ? 1 : terms;
        for (int k = 1; k <= last; k++) {
          scalar term[RL_ENTRIES];
#pragma unroll
          for (int e = 0; e < RL_ENTRIES; e++) term[e] = make(0);
          team.accumulate(term);
          team.sync();
          const real f = formed ? 1 : (real)(1.0 / ((double)k * steps));
          team.each([&](int e, int r, int c) {
            term[e] = f * term[e];
            result[e] = formed ? term[e] : axpy((real)1, term[e], result[e]);
            if (k == last) result[e] = growth * result[e];
            team.right[r * team.ld + c] = k == last ? result[e] : term[e];
          });
          team.sync();
        }
      }
      team.each([&](int e, int r, int c) { yi[(long long)r * p + begin + c] = result[e]; });
      team.sync();
    }
    if (reports != nullptr && team.lane == 0) reports[i] = done;
    team.sync();
  }
}
