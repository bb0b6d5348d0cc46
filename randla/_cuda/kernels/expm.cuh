/* exp of one matrix by a team; with two parts, also its derivative.  Rules: randla/device/expm_rule.h. */
#ifndef RANDLA_EXPM_CUH
#define RANDLA_EXPM_CUH

#include "team.cuh"

#include "randla/device/expm_rule.h"

#define RL_EXPM_SLOTS 5 /* matrices that are kept, for each part */

/* rl_expm_info of randla/expm.h */
struct Report {
  int32_t order, scaling, products, reserved;
  double error_bound;
};

template <int PARTS, bool IN_REGISTERS>
struct Powers {
  Kept<IN_REGISTERS> A[PARTS], A2[PARTS], A3[PARTS], Y0[PARTS], Y1[PARTS];

  __device__ void place(scalar *memory, const Team &team) {
    memory += team.lane;
    for (int part = 0; part < PARTS; part++) {
      A[part].place(memory);
      A2[part].place(memory + RL_TEAM * RL_ENTRIES);
      A3[part].place(memory + 2 * RL_TEAM * RL_ENTRIES);
      Y0[part].place(memory + 3 * RL_TEAM * RL_ENTRIES);
      Y1[part].place(memory + 4 * RL_TEAM * RL_ENTRIES);
      memory += RL_EXPM_SLOTS * RL_TEAM * RL_ENTRIES;
    }
  }
};

/* What a matrix looks like before anything is done.  Shift and triangles are used where there is one part. */
struct Survey {
  double norm; /* of A 2^-huge - mu I; not finite where A is not */
  double mu;   /* 0, or what is worth taking out */
  int huge;    /* A must be divided by 2^huge before it is squared */
  bool triangular, diagonal;
};

template <class K>
static __device__ Survey survey(const Team &team, const K &A) {
  Survey found = {0, 0, 0, false, false};
  if (team.lane == 0) team.flags[0] = 0;
  found.norm = team.norm([&](int e, int, int) { return A[e]; });
  int sides = 0; /* 1: entries below the diagonal, 2: above */
  team.each([&](int e, int r, int c) {
    if (r == c) team.diagonal[r] = A[e];
    if (r != c && !is_zero(A[e])) sides |= r > c ? 1 : 2;
  });
  if (sides) atomicOr(team.flags, sides);
  team.sync();
  sides = team.flags[0];
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
  const double fallen = team.norm(
      [&](int e, int r, int c) { return r == c ? axpy((real)1, A[e], make((real)-mu)) : A[e]; });
  if (fallen < RL_EXPM_SHIFT_GAIN * found.norm) {
    found.norm = fallen;
    found.mu = mu;
  }
  return found;
}

/* The scheme of order number `order` into Y0: one formula for all, expm_rule.h.  c: its coefficients; linear: that
 * of A. */
template <int PARTS, bool IN_REGISTERS>
static __device__ void polynomial(const Team &team, Powers<PARTS, IN_REGISTERS> &M, int order,
                                  const real *c, real linear) {
  if (order == RL_T21)
    product<PARTS>(
        team, [&](int p, int e) { return M.A2[p][e]; }, [&](int p, int e) { return M.A[p][e]; },
        [&](int p, int e, int, int, scalar sum) { M.A3[p].set(e, sum); });
  auto X3 = [&](int p, int e) { return order == RL_T21 ? M.A3[p][e] : M.A2[p][e]; };
  auto last = [&](int p, int e, int row, int column) {
    const scalar one = make(p == 0 && row == column ? 1 : 0);
    return axpy(c[11], M.Y1[p][e],
                axpy(c[12], M.Y0[p][e],
                     axpy(c[19], X3(p, e), axpy(c[13], M.A2[p][e], axpy(linear, M.A[p][e], one)))));
  };
  auto each_part = [&](auto value, auto &into) {
#pragma unroll
    for (int p = 0; p < PARTS; p++)
      team.each([&](int e, int r, int k) { into[p].set(e, value(p, e, r, k)); });
  };
  auto rest = [&](int p, int e) {
    return axpy(c[5], M.Y0[p][e], axpy(c[17], X3(p, e), c[6] * M.A2[p][e]));
  };
  if (order >= RL_T4)
    product<PARTS>(
        team, X3,
        [&](int p, int e) {
          return axpy(c[14], X3(p, e), axpy(c[0], M.A2[p][e], c[1] * M.A[p][e]));
        },
        [&](int p, int e, int, int, scalar sum) { M.Y0[p].set(e, sum); });
  else
    each_part([&](int, int, int, int) { return make(0); }, M.Y0);
  if (order >= RL_T8)
    product<PARTS>(
        team,
        [&](int p, int e) {
          return M.Y0[p][e] + axpy(c[15], X3(p, e), axpy(c[2], M.A2[p][e], c[3] * M.A[p][e]));
        },
        [&](int p, int e) {
          return M.Y0[p][e] + axpy(c[16], X3(p, e), c[4] * M.A2[p][e]);
        },
        [&](int p, int e, int, int, scalar sum) { M.Y1[p].set(e, sum + rest(p, e)); });
  else
    each_part([&](int p, int e, int, int) { return rest(p, e); }, M.Y1);
  if (order >= RL_T15)
    product<PARTS>(
        team,
        [&](int p, int e) {
          return M.Y1[p][e] + axpy(c[18], X3(p, e), axpy(c[7], M.A2[p][e], c[8] * M.A[p][e]));
        },
        [&](int p, int e) { return M.Y1[p][e] + axpy(c[9], M.Y0[p][e], c[10] * M.A[p][e]); },
        [&](int p, int e, int r, int k, scalar sum) { M.Y0[p].set(e, sum + last(p, e, r, k)); });
  else
    each_part([&](int p, int e, int r, int k) { return last(p, e, r, k); }, M.Y0);
}

/* A <- A 2^-s, A2 <- A2 4^-s */
template <int PARTS, bool IN_REGISTERS>
static __device__ void scale(const Team &team, Powers<PARTS, IN_REGISTERS> &M, int s) {
  if (s == 0) return;
  const real f = (real)ldexp(1.0, -s);
#pragma unroll
  for (int p = 0; p < PARTS; p++)
    team.each([&](int e, int, int) {
      M.A[p].set(e, f * M.A[p][e]);
      M.A2[p].set(e, f * (f * M.A2[p][e]));
    });
}

/* exp of M.A[0], and its derivative in the direction M.A[1], into M.Y0; NaN where A is not finite.  coefficients:
 * those of each order. */
template <int PARTS, bool IN_REGISTERS>
static __device__ void exponential(const Team &team, Powers<PARTS, IN_REGISTERS> &M,
                                   const rl_expm_rule *rule, const real *coefficients,
                                   Report *report) {
  const Survey found = survey(team, M.A[0]);
  if (!isfinite(found.norm)) {
    const real nan = (real)(found.norm - found.norm);
#pragma unroll
    for (int p = 0; p < PARTS; p++)
      team.each([&](int e, int, int) {
#if RL_COMPLEX
        M.Y0[p].set(e, {nan, nan});
#else
        M.Y0[p].set(e, nan);
#endif
      });
    *report = {0, 0, 0, 0, nan};
    return;
  }
  const real down = (real)ldexp(1.0, -found.huge);
#pragma unroll
  for (int p = 0; p < PARTS; p++)
    team.each([&](int e, int r, int c) {
      const real mu = p == 0 && r == c ? (real)found.mu : 0;
      M.A[p].set(e, axpy(down, M.A[p][e], make(-mu)));
      M.A2[p].set(e, make(0));
    });

  int order = RL_T1, s = 0;
  double b1 = found.norm, b2 = b1 * b1;
  if (!rl_expm_accepts_t1(rule, b1)) {
    auto A = [&](int p, int e) { return M.A[p][e]; };
    product<PARTS>(team, A, A,
                   [&](int p, int e, int, int, scalar sum) { M.A2[p].set(e, sum); });
    b2 = team.norm([&](int e, int, int) { return M.A2[0][e]; });
    order = rl_expm_choose(rule, b1, b2, &s);
    scale(team, M, s);
  }
  polynomial(team, M, order, coefficients + RL_EXPM_SHARED * order, (real)1);

  const int total = s + found.huge;
  const bool exact = PARTS == 1 && found.triangular; /* a triangular matrix has exponentials on its diagonal */
  for (int t = 0; t <= total; t++) {
    auto P = [&](int p, int e) { return M.Y0[p][e]; };
    if (t > 0)
      product<PARTS>(team, P, P,
                     [&](int p, int e, int, int, scalar sum) { M.Y0[p].set(e, sum); });
    if (exact) {
      const real f = (real)ldexp(1.0, t - total);
      team.each([&](int e, int r, int c) {
        if (r == c) M.Y0[0].set(e, exponential_of(f * team.diagonal[r]));
      });
    }
  }
  if (found.mu != 0) {
    const real f = exponential_of((real)found.mu);
#pragma unroll
    for (int p = 0; p < PARTS; p++)
      team.each([&](int e, int, int) { M.Y0[p].set(e, f * M.Y0[p][e]); });
  }
  if (PARTS == 1 && (found.diagonal || team.n == 1)) {
    *report = {0, 0, 0, 0, 0};
    return;
  }
  const double x1 = ldexp(b1, -s), x2 = order == RL_T1 ? x1 * x1 : ldexp(b2, -2 * s);
  const double unit = ldexp(1.0, -s);
  *report = {rl_expm_order[order], total, rl_expm_products[order] + total, 0,
             rl_expm_error(rule, order, x1, x2) / (x1 > unit ? x1 : unit)};
}

#endif
