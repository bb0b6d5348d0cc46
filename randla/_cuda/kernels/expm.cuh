/* exp of one matrix by a team; with two parts, also its derivative.  Rules: randla/device/expm_rule.h. */
#ifndef RANDLA_EXPM_CUH
#define RANDLA_EXPM_CUH

#include "team.cuh"

#include "randla/device/expm_rule.h"

/* The matrices in hand: A, A^2, A^3, y0 and y1 of the schemes. */
#define RL_EXPM_SLOTS 5
enum { RL_A, RL_A2, RL_A3, RL_Y0, RL_Y1 };

/* One step of a scheme: K[target] = (sum left_i K_i) (sum right_i K_i) + sum rest_i K_i + one I. */
struct Step {
  real left[RL_EXPM_SLOTS], right[RL_EXPM_SLOTS], rest[RL_EXPM_SLOTS], one;
  int target, multiplies, adds,
      reserved; /* adds: there is a rest, where 0 times infinity would be NaN */
};
/* The steps after A^2; the last leaves the result in y0. */
struct Scheme {
  Step steps[4];
  int count, reserved;
};
/* All that kernels are told: a loop over steps as data has one product in its code, where the formulas written
 * out have seven, and compiles in a tenth of the time. */
struct Schemes {
  Step power, squaring; /* A2 = A A; y0 = y0 y0 */
  Scheme of[RL_EXPM_ORDERS];
};

/* rl_expm_info of randla/expm.h */
struct Report {
  int32_t order, scaling, products, reserved;
  double error_bound;
};

/* What a team keeps of them: each thread its entries, in registers while they are few, and else in memory of the
 * team's own, which its caches hold. */
template <int PARTS, bool IN_REGISTERS>
struct Matrices {
  scalar value[PARTS][RL_EXPM_SLOTS][RL_ENTRIES];

  __device__ void place(scalar *, const Team &, int) {}
  __device__ __forceinline__ scalar get(int part, int slot, int e) const {
    return value[part][slot][e];
  }
  __device__ __forceinline__ void set(int part, int slot, int e, scalar x) {
#pragma unroll
    for (int i = 0; i < RL_EXPM_SLOTS; i++) /* registers have no addresses */
      if (i == slot) value[part][i][e] = x;
  }
};
template <int PARTS>
struct Matrices<PARTS, false> {
  scalar *memory;
  int slots; /* of each part; the first RL_EXPM_SLOTS are those of the schemes */

  /* own: the team's memory */
  __device__ void place(scalar *own, const Team &team, int count) {
    memory = own + team.lane;
    slots = count;
  }
  __device__ __forceinline__ scalar *at(int part, int slot, int e) const {
    return memory + ((long long)(part * slots + slot) * RL_ENTRIES + e) * RL_TEAM;
  }
  __device__ __forceinline__ scalar get(int part, int slot, int e) const {
    return *at(part, slot, e);
  }
  __device__ __forceinline__ void set(int part, int slot, int e, scalar x) {
    *at(part, slot, e) = x;
  }
};

/* rest + the weighted sum of the matrices */
template <class M>
static __device__ __forceinline__ scalar sum_of(const M &matrices, int part, int e,
                                                const real *weights, scalar rest) {
#pragma unroll
  for (int i = 0; i < RL_EXPM_SLOTS; i++) rest = axpy(weights[i], matrices.get(part, i, e), rest);
  return rest;
}

template <int PARTS, bool IN_REGISTERS>
static __device__ __forceinline__ void take(const Team &team, Matrices<PARTS, IN_REGISTERS> &M,
                                            const Step *step) {
  const scalar zero = make(0);
  auto rest = [&](int part, int e, int r, int c, scalar sum) {
    if (step->adds) {
      const scalar one = make(part == 0 && r == c ? step->one : 0);
      sum = sum_of(M, part, e, step->rest, axpy((real)1, sum, one));
    }
    M.set(part, step->target, e, sum);
  };
  if (step->multiplies)
    product<PARTS, !IN_REGISTERS>(
        team, [&](int part, int e) { return sum_of(M, part, e, step->left, zero); },
        [&](int part, int e) { return sum_of(M, part, e, step->right, zero); }, rest);
  else
#pragma unroll
    for (int part = 0; part < PARTS; part++)
      team.each<!IN_REGISTERS>([&](int e, int r, int c) { rest(part, e, r, c, zero); });
}

/* What a matrix looks like before anything is done.  Shift and triangles are used where there is one part. */
struct Survey {
  double norm; /* of A 2^-huge - mu I; not finite where A is not */
  double mu;   /* 0, or what is worth taking out */
  int huge;    /* A must be divided by 2^huge before it is squared */
  bool triangular, diagonal;
};

template <int PARTS, bool IN_REGISTERS>
static __device__ Survey survey(const Team &team, const Matrices<PARTS, IN_REGISTERS> &M) {
  Survey found = {0, 0, 0, false, false};
  if (team.lane == 0) team.flags[0] = 0;
  found.norm = team.norm<!IN_REGISTERS>([&](int e, int, int) { return M.get(0, RL_A, e); });
  int sides = 0; /* 1: entries below the diagonal, 2: above */
  team.each<!IN_REGISTERS>([&](int e, int r, int c) {
    if (r == c) team.diagonal[r] = M.get(0, RL_A, e);
    if (r != c && !is_zero(M.get(0, RL_A, e))) sides |= r > c ? 1 : 2;
  });
  if (sides) atomicOr(team.flags, sides);
  team.sync();
  sides = team.flags[0];
  team.sync(); /* before another survey clears it */
  found.triangular = sides != 3;
  found.diagonal = sides == 0;
  if (!isfinite(found.norm)) return found;
  if (found.norm > (RL_SINGLE ? 0x1p60 : 0x1p500)) {
    found.huge = ilogb(found.norm) + 1;
    found.norm = ldexp(found.norm, -found.huge);
    return found;
  }
  double trace = 0;
  for (int i = 0; i < team.n; i++) trace += real_part(team.diagonal[i]);
  const double mean = trace / team.n, size = fabs(mean);
  if (found.triangular || size < RL_EXPM_SHIFT_WORTH * found.norm || size == 0 ||
      size + found.norm >= RL_EXPM_SHIFT_LIMIT(RL_SINGLE))
    return found;
  const int exponent = ilogb(mean);
  const double mu = ldexp(rint(ldexp(mean, 8 - exponent)), exponent - 8); /* 9 bits */
  const double fallen = team.norm<!IN_REGISTERS>([&](int e, int r, int c) {
    return axpy((real)1, M.get(0, RL_A, e), make(r == c ? (real)-mu : 0));
  });
  if (fallen < RL_EXPM_SHIFT_GAIN * found.norm) {
    found.norm = fallen;
    found.mu = mu;
  }
  return found;
}

/* A <- A 2^-s, A2 <- A2 4^-s */
template <int PARTS, bool IN_REGISTERS>
static __device__ void scale(const Team &team, Matrices<PARTS, IN_REGISTERS> &M, int s) {
  const real f = (real)ldexp(1.0, -s);
#pragma unroll
  for (int p = 0; p < PARTS; p++)
    team.each<!IN_REGISTERS>([&](int e, int, int) {
      M.set(p, RL_A, e, f * M.get(p, RL_A, e));
      M.set(p, RL_A2, e, f * (f * M.get(p, RL_A2, e)));
    });
}

/* exp of A, and its derivative in the direction that is A's second part, into y0; NaN where A is not
 * finite. */
template <int PARTS, bool IN_REGISTERS>
static __device__ void exponential(const Team &team, Matrices<PARTS, IN_REGISTERS> &M,
                                   const rl_expm_rule *rule, const Schemes *schemes,
                                   Report *report) {
  const Survey found = survey(team, M);
  const bool finite = isfinite(found.norm);
  const real down = (real)ldexp(1.0, -found.huge);
#pragma unroll
  for (int p = 0; p < PARTS; p++)
    team.each<!IN_REGISTERS>([&](int e, int r, int c) {
      const real mu = p == 0 && r == c ? (real)found.mu : 0;
      M.set(p, RL_A, e, axpy(down, M.get(p, RL_A, e), make(-mu)));
#pragma unroll
      for (int i = RL_A2; i <= RL_Y1; i++) M.set(p, i, e, make(0));
    });

  int order = RL_T1, s = 0, total = found.huge;
  double b1 = finite ? found.norm : 0, b2 = b1 * b1;
  const Scheme *scheme = schemes->of;
  /* a triangular matrix has exponentials on its diagonal */
  const bool exact = PARTS == 1 && found.triangular;
  /* step -1: A^2, unless T1 does; then those of the scheme; then squarings */
  for (int step = rl_expm_accepts_t1(rule, b1) ? 0 : -1; step < scheme->count + total; step++) {
    take(team, M,
         step < 0               ? &schemes->power
         : step < scheme->count ? scheme->steps + step
                                : &schemes->squaring);
    if (step < 0) {
      b2 = team.norm<!IN_REGISTERS>([&](int e, int, int) { return M.get(0, RL_A2, e); });
      order = rl_expm_choose(rule, b1, b2, &s);
      scheme = schemes->of + order;
      total += s;
      if (s > 0) scale(team, M, s);
    }
    if (exact && step >= scheme->count - 1) {
      const real f = (real)ldexp(1.0, step - (scheme->count - 1) - total);
      team.each<!IN_REGISTERS>([&](int e, int r, int c) {
        if (r == c) M.set(0, RL_Y0, e, exponential_of(f * team.diagonal[r]));
      });
    }
  }
  const real growth = exponential_of((real)found.mu);
  const real nan = (real)(found.norm - found.norm);
#pragma unroll
  for (int p = 0; p < PARTS; p++)
    team.each<!IN_REGISTERS>([&](int e, int, int) {
#if RL_COMPLEX
      const scalar bad = {nan, nan};
#else
      const scalar bad = nan;
#endif
      M.set(p, RL_Y0, e, finite ? growth * M.get(p, RL_Y0, e) : bad);
    });
  const double unit = ldexp(1.0, -s), x1 = b1 * unit,
               x2 = order == RL_T1 ? x1 * x1 : b2 * unit * unit;
  *report = {rl_expm_order[order], total, rl_expm_products[order] + total, 0,
             rl_expm_error(rule, order, x1, x2) / (x1 > unit ? x1 : unit)};
  if (PARTS == 1 && (found.diagonal || team.n == 1)) *report = {0, 0, 0, 0, 0};
  if (!finite) *report = {0, 0, 0, 0, nan};
}

#endif
