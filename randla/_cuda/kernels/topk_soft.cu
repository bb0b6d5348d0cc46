/* Soft ranks and soft top-k of rows: -DREAL=float or double, WORD the unsigned integer of its size.
 *
 * Ranks are sums over all pairs, O(n^2) for a row, with O(n) memory: a warp has some targets in registers, and its
 * lanes go through the row.  Bound: two operations of the special function unit for a pair (exponential and
 * reciprocal; 16 each on a multiprocessor and clock) and about as much time for the 15 others; in double precision
 * about 40 multiply-adds.  Expansions as on the CPU would pay for rows of many thousands.
 *
 * The other kinds are a block for each row, which goes through it once for each step of Newton's method.
 *
 * Every sum has an order that depends on n alone: a row gives the same bits in every run and in every batch. */
#include "scalar.cuh"
#include "topk.cuh"

/* Of a kind: topk_soft.py has the same numbers. */
enum { FERMI, LAPLACE, THRESHOLD, SHIVA };
enum { VALUES, VJP, JVP };

RL_INLINE double infinity() { return __longlong_as_double(0x7ff0000000000000ll); }
RL_INLINE double not_a_number() { return __longlong_as_double(0x7ff8000000000000ll); }
RL_INLINE bool is_finite(real x) { return x - x == 0; }
RL_INLINE bool is_infinite(real x) { return x == x && x - x != 0; }

RL_INLINE double warp_sum(double x) {
  for (int by = RL_WARP / 2; by > 0; by /= 2) x += __shfl_xor_sync(RL_ALL_LANES, x, by);
  return x;
}

/* The temperature of a row, with one over it as two factors: their product may be no number of this type. */
struct Width {
  double t;
  real lift, inverse;
};
RL_INLINE Width width_of(double t) {
  Width w;
  const double least = RL_SINGLE ? 0x1p-200 : 0x1p-1000;
  w.t = t > least ? t : least;
  w.lift = RL_SINGLE && w.t < 0x1p-100 ? (real)0x1p100 : 1;
  w.inverse = (real)(1 / (w.t * (double)w.lift));
  return w;
}

/* ---- pairs --------------------------------------------------------------------------------------------- */

enum {
  TARGETS = 4,        /* of a warp */
  PAIR_WARPS = 8,     /* of a block */
  RUN = 16 * RL_WARP, /* so many sources are summed up in REAL; the rest in double */
};

/* 1 / x, x in [1, 2]; one unit in the last place. */
RL_INLINE float reciprocal(float x) { return __fdividef(1.0f, x); }
RL_INLINE double reciprocal(double x) { return 1 / x; }

/* s(z), and s'(z).  Infinite z are right, and a NaN stays one. */
RL_INLINE real logistic(real z, real *slope) {
  const real e = exponential_of(-absolute(z)), p = reciprocal(1 + e), tail = e * p;
  *slope = tail * p;
  return z < 0 ? tail : p;
}

/* z where it is of no infinite size: products with s'(z), which is 0 there, are no NaN. */
RL_INLINE real moderate(real z) {
  return absolute(z) < (RL_SINGLE ? (real)1e18 : (real)1e150) ? z : 0;
}

struct Targets {
  int64_t row, group, first;
};
/* Of this warp. */
RL_INLINE Targets targets_of(int64_t n) {
  const int64_t groups = (n + TARGETS - 1) / TARGETS,
                blocks = (groups + PAIR_WARPS - 1) / PAIR_WARPS;
  Targets t;
  t.row = blockIdx.x / blocks;
  t.group = blockIdx.x % blocks * PAIR_WARPS + rl_warp();
  t.first = t.group * TARGETS;
  return t;
}

/* How many elements of a row are +inf and -inf; whether there is a NaN.  By a warp. */
struct Odd {
  double above, below;
  bool missing;
};
static __device__ __noinline__ Odd odd_of(const real *row, int64_t n) {
  double above = 0, below = 0;
  bool missing = false;
  for (int64_t j = rl_lane(); j < n; j += RL_WARP) {
    const real x = row[j];
    if (x != x)
      missing = true;
    else if (x - x != 0)
      *(x > 0 ? &above : &below) += 1;
  }
  Odd odd;
  odd.above = warp_sum(above);
  odd.below = warp_sum(below);
  odd.missing = __any_sync(RL_ALL_LANES, missing) != 0;
  return odd;
}

/* r_i = 1/2 + sum_j s((x_j - x_i) / t); infinite elements tie among themselves. */
extern "C" __global__ void __launch_bounds__(256)
    topk_soft_ranks(const real *x, int64_t n, const double *t, int64_t inct, real *rank) {
  const Targets own = targets_of(n);
  if (own.first >= n) return; /* all of the warp; there are no barriers */
  const real *row = x + own.row * n;
  const Width width = width_of(t[own.row * inct]);
  real target[TARGETS];
  double all[TARGETS];
#pragma unroll
  for (int c = 0; c < TARGETS; c++) {
    target[c] = row[own.first + c < n ? own.first + c : n - 1];
    all[c] = 0;
  }
  for (int64_t begin = 0; begin < n; begin += RUN) {
    const int64_t end = begin + RUN < n ? begin + RUN : n;
    real sum[TARGETS] = {0};
    for (int64_t j = begin + rl_lane(); j < end; j += RL_WARP) {
      const real source = row[j];
#pragma unroll
      for (int c = 0; c < TARGETS; c++) {
        real slope;
        sum[c] += logistic((source - target[c]) * width.lift * width.inverse, &slope);
      }
    }
#pragma unroll
    for (int c = 0; c < TARGETS; c++) all[c] += (double)sum[c];
  }
#pragma unroll
  for (int c = 0; c < TARGETS; c++) {
    double r = 0.5 + warp_sum(all[c]);
    if (is_infinite(target[c])) { /* for all lanes alike */
      const Odd odd = odd_of(row, n);
      r = odd.missing ? not_a_number()
                      : 0.5 + (target[c] > 0 ? 0.5 * odd.above : n - 0.5 * odd.below);
    }
    if (rl_lane() == 0 && own.first + c < n) rank[own.row * n + own.first + c] = (real)r;
  }
}

/* d_i = (1 / t) sum_j s'(z_ij) (v_j - v_i - bend z_ij): gradients of ranks (bend = 0) or their tangents (bend: that of
 * the temperature).  moments, where not NULL: for each group of targets the sum of all terms, each times its z. */
extern "C" __global__ void __launch_bounds__(256)
    topk_soft_slopes(const real *x, const real *v, int64_t n, const double *t, int64_t inct,
                     const double *bends, real *out, double *moments) {
  const Targets own = targets_of(n);
  if (own.first >= n) return;
  const real *row = x + own.row * n, *along = v + own.row * n;
  const Width width = width_of(t[own.row * inct]);
  const real bend = bends ? (real)bends[own.row] : 0;
  real target[TARGETS], less[TARGETS];
  double all[TARGETS], moment = 0;
#pragma unroll
  for (int c = 0; c < TARGETS; c++) {
    const int64_t i = own.first + c < n ? own.first + c : n - 1;
    target[c] = row[i];
    less[c] = along[i];
    all[c] = 0;
  }
  for (int64_t begin = 0; begin < n; begin += RUN) {
    const int64_t end = begin + RUN < n ? begin + RUN : n;
    real sum[TARGETS] = {0}, product[TARGETS] = {0};
    for (int64_t j = begin + rl_lane(); j < end; j += RL_WARP) {
      const real source = row[j], more = along[j];
      if (is_infinite(source)) continue; /* whatever stands there in v */
#pragma unroll
      for (int c = 0; c < TARGETS; c++) {
        const real z = (source - target[c]) * width.lift * width.inverse, near = moderate(z);
        real slope;
        logistic(z, &slope);
        const real term = slope * (more - less[c] - near * bend);
        sum[c] += term;
        product[c] += term * near;
      }
    }
#pragma unroll
    for (int c = 0; c < TARGETS; c++) {
      all[c] += (double)sum[c];
      if (own.first + c < n && !is_infinite(target[c])) moment += (double)product[c];
    }
  }
#pragma unroll
  for (int c = 0; c < TARGETS; c++) {
    double d = warp_sum(all[c]) / width.t;
    if (is_infinite(target[c])) {
      d = odd_of(row, n).missing ? not_a_number() : 0;
      moment += d;
    }
    if (rl_lane() == 0 && own.first + c < n) out[own.row * n + own.first + c] = (real)d;
  }
  moment = warp_sum(moment);
  if (moments && rl_lane() == 0)
    moments[own.row * ((n + TARGETS - 1) / TARGETS) + own.group] = moment;
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

struct Sums {
  double first, second, third;
};
/* Of some numbers over the block; all threads get the same bits, and see what others wrote before. */
static __device__ Sums block_sums(double a, double b, double c) {
  __shared__ double parts[3][RL_WARP];
  a = warp_sum(a);
  b = warp_sum(b);
  c = warp_sum(c);
  __syncthreads(); /* the last sums have been read */
  if (rl_lane() == 0) {
    parts[0][rl_warp()] = a;
    parts[1][rl_warp()] = b;
    parts[2][rl_warp()] = c;
  }
  __syncthreads();
  Sums s = {0, 0, 0};
  for (unsigned w = 0; w < blockDim.x / RL_WARP; w++) {
    s.first += parts[0][w];
    s.second += parts[1][w];
    s.third += parts[2][w];
  }
  return s;
}
static __device__ double block_largest(double a) {
  __shared__ double parts[RL_WARP];
  for (int by = RL_WARP / 2; by > 0; by /= 2) a = fmax(a, __shfl_xor_sync(RL_ALL_LANES, a, by));
  __syncthreads();
  if (rl_lane() == 0) parts[rl_warp()] = a;
  __syncthreads();
  a = parts[0];
  for (unsigned w = 1; w < blockDim.x / RL_WARP; w++) a = fmax(a, parts[w]);
  return a;
}

/* Gradients by the temperatures of rows, from the moments of their groups; each pair was met twice. */
extern "C" __global__ void topk_soft_moments(const double *moments, int64_t groups, const double *t,
                                             int64_t inct, double *dt) {
  const double *own = moments + blockIdx.x * groups;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < groups; i += blockDim.x) sum += own[i];
  sum = block_sums(sum, 0, 0).first;
  if (threadIdx.x == 0) dt[blockIdx.x] = 0.5 * sum / width_of(t[blockIdx.x * inct]).t;
}

/* ---- a threshold and what lies around it --------------------------------------------------------------- */

/* z = (x - centre) lift inverse - high - low: x - centre is exact near the threshold. */
struct Place {
  int law; /* FERMI or LAPLACE */
  real centre, lift, inverse, high, low;
};
static __device__ Place place_at(int law, real centre, double t) {
  const Width width = width_of(t);
  Place at;
  at.law = law;
  at.centre = centre;
  at.lift = width.lift;
  at.inverse = width.inverse;
  at.high = at.low = 0;
  return at;
}
RL_INLINE void set_threshold(Place *at, double beta) {
  at->high = (real)beta;
  at->low = (real)(beta - (double)at->high);
}
RL_INLINE real argument(real x, const Place &at) {
  return ((x - at.centre) * at.lift * at.inverse - at.high) - at.low;
}

/* F(-|z|), and F'(z): of Laplace's law twice that. */
RL_INLINE real tail_of(int law, real z, real *slope) {
  const real e = exponential_of(-absolute(z));
  if (law == LAPLACE) {
    *slope = e;
    return (real)0.5 * e;
  }
  const real p = 1 / (1 + e), t = e * p;
  *slope = t * p;
  return t;
}

static __device__ void values(const real *row, int64_t n, const Place &at, real *out) {
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    real slope;
    const real z = argument(row[i], at), t = tail_of(at.law, z, &slope);
    out[i] = z < 0 ? t : 1 - t;
  }
}

/* w (a (g - z slope - mean) + b), w = F'(z); shift > 0: w = exp(shift - |z|), its limit far from the threshold. */
struct Tangent {
  real shift, slope, mean, a, b;
};
RL_INLINE real weight_of(real x, real z, const Place &at, const Tangent &by) {
  if (is_infinite(x)) return 0;
  real slope;
  if (by.shift > 0) return exponential_of(absolute(z) > by.shift ? by.shift - absolute(z) : 0);
  tail_of(at.law, z, &slope);
  return slope;
}

/* The sum of w, and of w (g - z slope). */
static __device__ Sums weigh(const real *row, const real *g, int64_t n, const Place &at,
                             const Tangent &by) {
  double sum = 0, product = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const real z = argument(row[i], at), w = weight_of(row[i], z, at, by);
    if (w == 0) continue;
    sum += (double)w;
    product += (double)(w * (g[i] - moderate(z) * by.slope));
  }
  return block_sums(sum, product, 0);
}

/* The tangents themselves; returns their sum, and that of each times its z. */
static __device__ Sums apply(const real *row, const real *g, int64_t n, const Place &at,
                             const Tangent &by, real *out) {
  double sum = 0, moment = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const real z = argument(row[i], at), near = moderate(z), w = weight_of(row[i], z, at, by);
    const real d = w == 0 ? 0 : w * by.a * (g[i] - near * by.slope - by.mean) + w * by.b;
    out[i] = d;
    sum += (double)d;
    moment += (double)(d * near);
  }
  return block_sums(sum, moment, 0);
}

/* ---- what is in a row ---------------------------------------------------------------------------------- */

struct Row {
  const real *x, *g;
  int64_t n, above, finite, below; /* +inf, numbers, -inf */
  bool missing;                    /* there is a NaN */
  real low, high;                  /* of the numbers */
};
static __device__ Row look_at(const real *x, const real *g, int64_t n) {
  Row r;
  double above = 0, below = 0, high = -infinity(), low = -infinity();
  bool missing = false;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const real a = x[i];
    if (a != a) {
      missing = true;
    } else if (a - a != 0) {
      *(a > 0 ? &above : &below) += 1;
    } else {
      high = fmax(high, (double)a);
      low = fmax(low, -(double)a);
    }
  }
  r.missing = __syncthreads_or(missing) != 0;
  const Sums count = block_sums(above, below, 0);
  r.x = x;
  r.g = g;
  r.n = n;
  r.above = (int64_t)count.first;
  r.below = (int64_t)count.second;
  r.finite = n - r.above - r.below;
  r.high = (real)block_largest(high);
  r.low = (real)-block_largest(low);
  return r;
}

static __device__ void fill(int64_t n, real value, real *out) {
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) out[i] = value;
}

/* The sum of g over the elements that are equal to `value`, and their number. */
static __device__ Sums equal_to(const Row &r, real value) {
  double sum = 0, count = 0;
  for (int64_t i = threadIdx.x; i < r.n; i += blockDim.x)
    if (r.x[i] == value) {
      count += 1;
      if (r.g) sum += (double)r.g[i];
    }
  return block_sums(sum, count, 0);
}

/* The k-th largest number; `need`: which of its equals it is, from 1 on.  No NaN. */
struct Found {
  real value;
  int64_t need;
};
static __device__ Found kth_of(const Row &r, int64_t k) {
  const WORD *words = reinterpret_cast<const WORD *>(r.x);
  const Order order = {RL_SINGLE ? (WORD)0x7f800000 : (WORD)0x7ff0000000000000ull, 0, 0, 0};
  Bound b = unbound(k);
  for (int top = BITS; top > 0; top -= DIGIT) {
    const int shift = digit_below(top);
    count_digits(words, 0, r.n, order, b, shift, histogram());
    b = choose(histogram(), b, shift, true);
  }
  const WORD bits = b.prefix & SIGN ? (WORD)(b.prefix ^ SIGN) : (WORD)~b.prefix;
  Found f;
  f.value = *reinterpret_cast<const real *>(&bits);
  f.need = b.need;
  return f;
}

/* Where it is: of equals, by index. */
static __device__ int64_t index_of(const Row &r, const Found &f) {
  __shared__ uint32_t scratch[RL_WARP];
  __shared__ int64_t place;
  int64_t before = 0;
  for (int64_t first = 0; first < r.n && before < f.need; first += blockDim.x) {
    const int64_t i = first + threadIdx.x;
    const bool equal = i < r.n && r.x[i] == f.value;
    uint32_t total;
    const uint32_t ahead = rl_block_prefix((uint32_t)equal, scratch, &total);
    if (equal && before + ahead == f.need - 1) place = i;
    before += total;
  }
  __syncthreads();
  return place;
}

/* ---- kinds fermi and laplace --------------------------------------------------------------------------- */

/* Elements number k and k + 1, where the temperature is nothing beside the gap between them. */
struct Gap {
  bool there;
  real upper, lower;
};

RL_INLINE double quantile(int law, double p) {
  if (law == FERMI) return log(p) - log1p(-p);
  return p < 0.5 ? log(2 * p) : -log(2 * (1 - p));
}

/* sum F((x - b) / t) = k, 0 < k < number of finite elements, which `rest` counts from the first finite one; as in
 * topk_soft.inc, where the brackets are explained: Newton's method, else bisection. */
static __device__ Gap solve(const Row &r, double rest, double t, Place *at) {
  const double n = (double)r.finite, range = ((double)r.high - (double)r.low) / t;
  const double half = at->law == FERMI ? 1 : 0.5, beyond = RL_SINGLE ? 87 : 708;
  double least, most, beta;
  Gap gap = {false, 0, 0};
  if (range <= 64) {
    const double q = quantile(at->law, rest / n), slack = (1 + range) * 64 * RL_UNIT;
    at->centre = r.low + (r.high - r.low) / 2;
    least = ((double)r.low - (double)at->centre) / t - q - slack;
    most = ((double)r.high - (double)at->centre) / t - q + slack;
    beta = range * (0.5 - rest / n) - q / (1 + range);
  } else {
    const int64_t m = (int64_t)floor(rest) + 1, l = (int64_t)ceil(rest);
    gap.upper = gap.lower = kth_of(r, r.above + l).value;
    if (m != l) gap.lower = kth_of(r, r.above + m).value;
    const double apart = ((double)gap.upper - (double)gap.lower) / t;
    if (apart > 2 * beyond) {
      gap.there = true;
      return gap;
    }
    at->centre = gap.upper;
    least = -apart - quantile(at->law, rest / (double)m);
    most = -quantile(at->law, (rest - (double)l + 1) / (n - (double)l + 1));
    beta = -apart / 2;
  }
  if (!(beta > least && beta < most)) beta = (least + most) / 2;
  const double near = RL_SINGLE ? 1e-4 : 1e-8;
  double width = most - least;
  for (int i = 0, slow = 0; i < 200; i++) { /* the same for all threads: so are the sums */
    set_threshold(at, beta);
    double tails = 0, weight = 0, above = 0; /* small tails keep their digits beside large counts */
    for (int64_t j = threadIdx.x; j < r.n; j += blockDim.x) {
      real slope;
      const real z = argument(r.x[j], *at), tail = tail_of(at->law, z, &slope);
      tails += (double)(z < 0 ? tail : -tail);
      weight += (double)slope;
      above += z >= 0;
    }
    const Sums sum = block_sums(tails, weight, above);
    const double excess = sum.first + (sum.third - (double)r.above - rest),
                 step = excess / (half * sum.second);
    if (excess == 0 || fabs(step) <= 4 * RL_UNIT) break;
    *(excess > 0 ? &least : &most) = beta;
    const double next = beta + step, remains = most - least;
    slow = remains > 0.5 * width ? slow + 1 : 0;
    width = remains;
    if (fabs(step) < near * fmin(1.0, 1 / sqrt(1 + fabs(beta))) && next > least && next < most) {
      set_threshold(at, next);
      break;
    }
    if (!(remains > 2 * RL_UNIT * (1 + fabs(beta)))) break;
    beta = next > least && next < most && slow < 4 ? next : (least + most) / 2;
    if (slow >= 4) slow = 0;
  }
  return gap;
}

#define LARGEST (RL_SINGLE ? 3.4028234663852886e38 : 1.7976931348623157e308)

/* g: gradients or tangents of x.  dk, dt: where not NULL, of gradients; tangent_k, tangent_t: of each row. */
extern "C" __global__ void __launch_bounds__(512, 1)
    topk_soft_exact(int64_t law, int64_t mode, const real *x, const real *g, int64_t n,
                    const double *k, int64_t inck, const double *t, int64_t inct,
                    const double *tangent_k, const double *tangent_t, real *out, double *dk,
                    double *dt) {
  const int64_t number = blockIdx.x;
  const Row r = look_at(x + number * n, g ? g + number * n : nullptr, n);
  real *own = out + number * n;
  const double k_own = k[number * inck], t_own = width_of(t[number * inct]).t;
  const double more_k = mode == JVP ? tangent_k[number] : 0;
  const double rest = k_own - (double)r.above; /* what is left for the finite elements */
  double by_k = 0, by_t = 0;
  const bool none = rest == 0, all = rest == (double)r.finite;
  Place at = place_at((int)law, 0, t_own);
  Gap gap = {false, 0, 0};
  if (r.missing) {
    by_k = by_t = not_a_number();
    fill(n, (real)by_k, own);
  } else if (rest < 0 || rest > (double)r.finite || r.finite == 0) {
    /* equal elements share it: those at +inf, or those at -inf */
    const bool upper = rest < 0 || (r.finite == 0 && r.above > 0 && rest == 0);
    const real value = (real)(upper ? infinity() : -infinity());
    const Sums there = equal_to(r, value);
    by_k = there.first / there.second;
    const double share = (upper ? k_own : rest - (double)r.finite) / there.second;
    const real here = (real)(mode == VALUES ? share : mode == JVP ? more_k / there.second : 0);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
      own[i] = r.x[i] == value ? here : mode == VALUES && r.x[i] > value ? 1 : 0;
  } else {
    if (!none && !all) gap = solve(r, rest, t_own, &at);
    if (mode == VALUES && (none || all)) {
      for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
        own[i] = is_finite(r.x[i]) ? (real)all : (real)(r.x[i] > 0);
    } else if (mode == VALUES && gap.there) {
      for (int64_t i = threadIdx.x; i < n; i += blockDim.x) own[i] = r.x[i] >= gap.upper;
    } else if (mode == VALUES) {
      values(r.x, n, at, own);
    } else if (gap.there) {
      /* F' lives on the two sides of the gap alone, in equal parts */
      const Sums above = equal_to(r, gap.upper), below = equal_to(r, gap.lower);
      by_k = (above.first / above.second + below.first / below.second) / 2;
      for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
        own[i] = mode == VJP           ? 0
                 : r.x[i] == gap.upper ? (real)(more_k / (2 * above.second))
                 : r.x[i] == gap.lower ? (real)(more_k / (2 * below.second))
                                       : 0;
    } else {
      Tangent by = {0, 0, 0, 0, 0};
      double a = (law == FERMI ? 1 : 0.5) / t_own;
      if (none || all) { /* F' is exponential here, for both laws, and p does not move */
        at = place_at(LAPLACE, none ? r.high : r.low, t_own);
        a = 0;
      } else if (mode == JVP) {
        by.slope = (real)tangent_t[number];
      }
      Sums sum = weigh(r.x, r.g, n, at, by);
      if (!(sum.first > (RL_SINGLE ? 1e-28 : 1e-280))) { /* F' may have underflowed */
        double closest = -infinity();
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
          if (is_finite(r.x[i])) closest = fmax(closest, -(double)absolute(argument(r.x[i], at)));
        by.shift = (real)-block_largest(closest);
        sum = weigh(r.x, r.g, n, at, by);
      }
      by.mean = (real)(sum.second / sum.first);
      by.a = (real)fmin(a * exp(-(double)by.shift), LARGEST);
      by.b = mode == JVP ? (real)(more_k / sum.first) : 0;
      by_k = (double)by.mean;
      by_t = -apply(r.x, r.g, n, at, by, own).second;
    }
  }
  if (threadIdx.x == 0) {
    if (dk) dk[number] = by_k;
    if (dt) dt[number] = by_t;
  }
}

/* ---- kind threshold ------------------------------------------------------------------------------------ */

extern "C" __global__ void __launch_bounds__(512, 1)
    topk_soft_threshold(int64_t mode, const real *x, const real *g, int64_t n, const double *k,
                        int64_t inck, const double *t, int64_t inct, const double *tangent_t,
                        real *out, double *dt) {
  const int64_t number = blockIdx.x;
  const Row r = look_at(x + number * n, g ? g + number * n : nullptr, n);
  real *own = out + number * n;
  const double t_own = width_of(t[number * inct]).t;
  double by_t = 0;
  if (r.missing) {
    by_t = not_a_number();
    fill(n, (real)by_t, own);
  } else {
    const Found upper = kth_of(r, (int64_t)k[number * inck]),
                lower = kth_of(r, (int64_t)k[number * inck] + 1);
    if (!is_finite(upper.value) || !is_finite(lower.value)) {
      const real top = (real)infinity();
      for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const real a = r.x[i];
        const bool chosen = upper.value == top ? a >= upper.value : a > lower.value;
        const real p = a == upper.value && a == lower.value ? (real)0.5 : (real)chosen;
        own[i] = mode == VALUES ? p : 0;
      }
    } else {
      Place at = place_at(FERMI, upper.value, t_own);
      const double far = RL_SINGLE ? 1e30 : 1e300;
      set_threshold(&at, fmax(((double)lower.value - (double)upper.value) / 2 / t_own, -far));
      if (mode == VALUES) {
        values(r.x, n, at, own);
      } else {
        const int64_t i_upper = index_of(r, upper), i_lower = index_of(r, lower);
        Tangent by = {0, 0, 0, (real)fmin(1 / t_own, LARGEST), 0};
        if (mode == JVP) {
          by.slope = (real)tangent_t[number];
          by.mean = (real)(0.5 * ((double)r.g[i_upper] + (double)r.g[i_lower]));
        }
        const Sums sum = apply(r.x, r.g, n, at, by, own);
        by_t = -sum.second;
        if (mode == VJP && threadIdx.x == 0) {
          own[i_upper] -= (real)(sum.first / 2);
          own[i_lower] -= (real)(sum.first / 2);
        }
      }
    }
  }
  if (dt && threadIdx.x == 0) dt[number] = by_t;
}

/* ---- kind shiva ---------------------------------------------------------------------------------------- */

/* p = s((k - rank) / (gate n)).  g: gradients of p, and out those of ranks; or tangents of ranks, and out those of p.
 * out may be g. */
extern "C" __global__ void __launch_bounds__(512, 1)
    topk_soft_gate(int64_t mode, const real *rank, const real *g, int64_t n, const double *k,
                   int64_t inck, const double *gate, int64_t incg, const double *tangent_k,
                   const double *tangent_gate, real *out, double *dk, double *dgate) {
  const int64_t number = blockIdx.x;
  const real *own = rank + number * n, *along = g ? g + number * n : nullptr;
  const double k_own = k[number * inck], inverse = 1 / (gate[number * incg] * (double)n);
  Place at;
  at.law = FERMI;
  at.centre = (real)k_own;
  at.lift = 1;
  at.inverse = (real)-inverse;
  set_threshold(&at, -(k_own - (double)at.centre) * inverse);
  if (mode == VALUES) {
    values(own, n, at, out + number * n);
  } else {
    Tangent by = {0, 0, 0, (real)-inverse, 0};
    if (mode == JVP) {
      by.mean = (real)tangent_k[number];
      by.slope = (real)(-(double)n * tangent_gate[number]);
    }
    const Sums sum = apply(own, along, n, at, by, out + number * n);
    if (threadIdx.x == 0) {
      if (dk) dk[number] = -sum.first;
      if (dgate) dgate[number] = (double)n * sum.second;
    }
  }
}
