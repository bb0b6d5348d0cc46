/* exp of small matrices, and its derivative: a team for each. */
#include "expm.cuh"

/* E = exp(A) for `count` packed row-major matrices; with two parts L, its derivative in the direction D, at A or,
 * adjoint, at A^H.  e and reports may be null.  memory: room for each team, if matrices are not in registers. */
template <int PARTS>
static __device__ void run(int n, long long count, const scalar *a, const scalar *d, scalar *e,
                           scalar *l, const rl_expm_rule *rule, const Schemes *schemes,
                           scalar *memory, Report *reports, int bytes, int adjoint) {
  RL_DYNAMIC_SHARED(unsigned char, shared);
  const int number = threadIdx.x / RL_TEAM;
  const Team team(shared + number * bytes, n);
  const long long teams = (long long)gridDim.x * RL_TEAMS, first = (long long)blockIdx.x * RL_TEAMS;
  Matrices<PARTS, RL_FITS(PARTS)> M;
  M.place(memory + (first + number) * (PARTS * RL_EXPM_SLOTS * RL_TEAM * RL_ENTRIES), team,
          RL_EXPM_SLOTS);
  for (long long i = first + number; i < count; i += teams) {
    const long long at = i * n * n;
    team.each<!RL_FITS(PARTS)>([&](int k, int r, int c) {
      const long long here = at + (adjoint ? c * n + r : r * n + c);
      M.set(0, RL_A, k, adjoint ? conjugate(a[here]) : a[here]);
      if (PARTS > 1) M.set(PARTS - 1, RL_A, k, d[at + r * n + c]);
    });
    Report report;
    exponential(team, M, rule, schemes, &report);
    team.each<!RL_FITS(PARTS)>([&](int k, int r, int c) {
      if (e != nullptr) e[at + r * n + c] = M.get(0, RL_Y0, k);
      if (PARTS > 1) l[at + r * n + c] = M.get(PARTS - 1, RL_Y0, k);
    });
    if (reports != nullptr && team.lane == 0) reports[i] = report;
    team.sync(); /* before the next matrix */
  }
}

extern "C" __global__ void __launch_bounds__(RL_THREADS, 1)
    expm(int n, long long count, const scalar *a, scalar *e, const rl_expm_rule *rule,
         const Schemes *schemes, scalar *memory, Report *reports, int bytes) {
  run<1>(n, count, a, nullptr, e, nullptr, rule, schemes, memory, reports, bytes, 0);
}

extern "C" __global__ void __launch_bounds__(RL_THREADS, 1)
    frechet(int n, long long count, const scalar *a, const scalar *d, scalar *e, scalar *l,
            const rl_expm_rule *rule, const Schemes *schemes, scalar *memory, int bytes,
            int adjoint) {
  run<2>(n, count, a, d, e, l, rule, schemes, memory, nullptr, bytes, adjoint);
}
