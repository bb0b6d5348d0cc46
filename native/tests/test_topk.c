/* Top-k selection against a stable sort: every type, every ISA level; what is written, and what is refused. */
#include <float.h>
#include <math.h>

#include "kernels/topk_kernels.h"
#include "memory.h"
#include "test_common.h"
#include "threads.h"

#ifdef __SSE__
#include <xmmintrin.h>
#endif

enum { TYPES = RL_U64 + 1 };
static const char *const type_name[TYPES] = {"f16", "bf16", "f32", "f64", "bool", "i8", "i16",
                                             "i32", "i64",  "u8",  "u16", "u32",  "u64"};
static const int size_of[TYPES] = {2, 2, 4, 8, 1, 1, 2, 4, 8, 1, 2, 4, 8};

/* ---- the oracle: a comparison written from the definition, and a stable sort ------------------------- */

typedef struct {
  int missing; /* NaN */
  double real; /* floats */
  int64_t whole;
  uint64_t natural;
  int64_t at;
} element;

static double half_value(uint16_t b, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = b >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = b & ((1 << fraction_bits) - 1);
  double x;
  if (exponent == (1 << exponent_bits) - 1)
    x = fraction ? NAN : INFINITY;
  else if (exponent == 0)
    x = ldexp(fraction, 1 - bias - fraction_bits);
  else
    x = ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  return b >> 15 ? -x : x;
}

static element read_element(rl_dtype type, const char *x, int64_t at) {
  element e = {.at = at};
  uint16_t h;
  float f;
  switch (type) {
#define CASE(name, field, ctype) \
  case name: {                   \
    ctype v;                     \
    memcpy(&v, x, sizeof v);     \
    e.field = v;                 \
    break;                       \
  }
    case RL_F16:
    case RL_BF16:
      memcpy(&h, x, 2);
      e.real = half_value(h, type == RL_F16 ? 5 : 8);
      break;
    case RL_F32:
      memcpy(&f, x, 4);
      e.real = (double)f;
      break;
      CASE(RL_F64, real, double)
      CASE(RL_I8, whole, int8_t)
      CASE(RL_I16, whole, int16_t)
      CASE(RL_I32, whole, int32_t)
      CASE(RL_I64, whole, int64_t)
      CASE(RL_BOOL, natural, uint8_t)
      CASE(RL_U8, natural, uint8_t)
      CASE(RL_U16, natural, uint16_t)
      CASE(RL_U32, natural, uint32_t)
      CASE(RL_U64, natural, uint64_t)
#undef CASE
  }
  e.missing = isnan(e.real);
  return e;
}

static unsigned oracle_flags;
static int compare(const void *p, const void *q) {
  const element *a = p, *b = q;
  int order; /* > 0: a is larger */
  if (a->missing || b->missing) {
    order = a->missing - b->missing;
    if (oracle_flags & RL_TOPK_NAN_LEAST) order = -order;
  } else {
    order = (a->real > b->real) - (a->real < b->real);
    if (order == 0) order = (a->whole > b->whole) - (a->whole < b->whole);
    if (order == 0) order = (a->natural > b->natural) - (a->natural < b->natural);
  }
  if (order != 0) return oracle_flags & RL_TOPK_SMALLEST ? order : -order;
  return (a->at > b->at) - (a->at < b->at);
}
static int by_index(const void *p, const void *q) {
  const element *a = p, *b = q;
  return (a->at > b->at) - (a->at < b->at);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

enum { KINDS = 12 };

static uint64_t random_bits(void) {
  return (uint64_t)test_below(1 << 30) << 34 ^ (uint64_t)test_below(1 << 30) << 10 ^
         (uint64_t)test_below(1 << 10);
}

static void put(rl_dtype type, char *x, double v) {
  const float f = (float)v;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  switch (type) {
    case RL_F32: memcpy(x, &f, 4); return;
    case RL_F64: memcpy(x, &v, 8); return;
    case RL_BF16: {
      const uint16_t b = (uint16_t)(bits >> 16);
      memcpy(x, &b, 2);
      return;
    }
    case RL_F16: { /* the exponents that both have; others become what their bits are */
      const uint16_t b =
          (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 13) - (112 << 10)) & 0x7fff));
      memcpy(x, &b, 2);
      return;
    }
    default: {
      const int64_t i = (int64_t)(v * 1000);
      memcpy(x, &i, (size_t)size_of[type]);
      if (type == RL_BOOL) *x &= 1;
    }
  }
}

static void fill(rl_dtype type, int kind, int64_t n, char *x) {
  const int size = size_of[type];
  const int64_t period = n / 64 + 1;
  for (int64_t i = 0; i < n; i++) {
    const double u = test_uniform();
    char *at = x + i * size;
    switch (kind) {
      case 0: { /* all bits: NaN of many kinds, infinities, subnormal numbers */
        uint64_t bits = random_bits();
        memcpy(at, &bits, (size_t)size);
        if (type == RL_BOOL) *at &= 1;
        break;
      }
      case 1: put(type, at, u * 30); break;
      case 2: put(type, at, (double)i / (double)n * 30 - 15); break;
      case 3: put(type, at, 15 - (double)i / (double)n * 30); break;
      case 4: put(type, at, 0.5); break;
      case 5: put(type, at, test_below(5) - 2.0); break;
      case 6: put(type, at, tan(u * 1.57)); break;
      case 7: put(type, at, test_below(2) ? 0.0 : -0.0); break;
      case 8: put(type, at, u < 0.5 ? 0.0 : u); break;
      case 9:
        put(type, at, test_below(9) ? u : test_below(2) ? (double)NAN : -(double)INFINITY);
        break;
      case 10: put(type, at, (double)(i % period)); break;
      default: /* subnormal numbers */
        if (type == RL_F64)
          put(type, at, u * DBL_MIN);
        else
          put(type, at, u * (double)FLT_MIN);
    }
  }
}

/* One call of each function, compared with the sort; `strided`: rows are columns of the memory. */
static void one_case(rl_dtype type, int kind, int64_t rows, int64_t n, int64_t k, unsigned flags,
                     int what, int strided) {
  const int64_t size = size_of[type];
  const int index_size = flags & RL_TOPK_INDEX32 ? 4 : 8;
  char *x = test_alloc((size_t)(rows * n * size)), *y = test_alloc((size_t)(rows * n * size));
  element *e = test_alloc(sizeof *e * (size_t)n);
  for (int64_t r = 0; r < rows; r++) fill(type, kind, n, x + r * n * size);
  for (int64_t r = 0; strided && r < rows; r++)
    for (int64_t i = 0; i < n; i++)
      memcpy(y + (i * rows + r) * size, x + (r * n + i) * size, (size_t)size);
  const void *given = strided ? y : x;
  const int64_t incx = strided ? rows : 1, ldx = strided ? 1 : n;
  guarded val = guarded_new((size_t)(rows * k * size), 1);
  guarded idx = guarded_new((size_t)(rows * k * index_size), 1);
  CHECK_STATUS(
      rl_topk(type, rows, n, k, given, incx, ldx, NULL, what & 1 ? guarded_data(&val) : NULL, k,
              what & 2 ? guarded_data(&idx) : NULL, k, flags, NULL),
      RL_OK);
  char kth_val[8];
  int64_t kth_idx = -1;
  int wrong = 0;
  for (int64_t r = 0; r < rows; r++) {
    const char *row = x + r * n * size;
    for (int64_t i = 0; i < n; i++) e[i] = read_element(type, row + i * size, i);
    oracle_flags = flags;
    qsort(e, (size_t)n, sizeof *e, compare);
    const int64_t last = e[k - 1].at;
    if (!(flags & RL_TOPK_SORTED)) qsort(e, (size_t)k, sizeof *e, by_index);
    for (int64_t i = 0; i < k; i++) {
      if (what & 2) {
        const char *p = (char *)guarded_data(&idx) + (r * k + i) * index_size;
        int32_t narrow;
        int64_t wide;
        memcpy(&narrow, p, 4);
        if (index_size == 8) memcpy(&wide, p, 8);
        wrong += (index_size == 8 ? wide : narrow) != e[i].at;
      }
      if (what & 1) /* copies, to the bit */
        wrong += memcmp((char *)guarded_data(&val) + (r * k + i) * size, row + e[i].at * size,
                        (size_t)size) != 0;
    }
    CHECK_STATUS(rl_topk_kth(type, 1, n, k, (const char *)given + r * ldx * size, incx, ldx, NULL,
                             kth_val, 1, &kth_idx, 1, flags & ~(unsigned)RL_TOPK_INDEX32, NULL),
                 RL_OK);
    wrong += kth_idx != last || memcmp(kth_val, row + last * size, (size_t)size) != 0;
  }
  CHECK(wrong == 0, "%s %s kind %d, %d x %d, k = %d, flags %x, what %d: %d wrong", rl_isa(),
        type_name[type], kind, (int)rows, (int)n, (int)k, flags, what, wrong);
  CHECK(guarded_margins(&val) && guarded_margins(&idx), "%s %s n = %d, k = %d: written outside",
        rl_isa(), type_name[type], (int)n, (int)k);
  guarded_free(&val);
  guarded_free(&idx);
  free(x);
  free(y);
  free(e);
}

static int64_t some_k(int64_t n) {
  switch (test_below(8)) {
    case 0: return 1;
    case 1: return n;
    case 2: return n > 1 ? n - 1 : 1;
    case 3: return n / 2 + 1 > n ? n : n / 2 + 1;
    case 4: return n / 16 > 0 ? n / 16 : 1;
    case 5: return n / 100 + 1;
    default: return 1 + test_below((int)n);
  }
}

static void random_cases(int count) {
  static const int sizes[] = {1,    2,    15,   16,   17,   63,   64,   65,    129,   500,   1023,
                              1024, 1025, 2049, 4097, 8191, 8193, 9000, 33000, 65537, 140000};
  const int n_sizes = test_quick() ? 18 : 21;
  for (int i = 0; i < count; i++) {
    const rl_dtype type = (rl_dtype)test_below(TYPES);
    const int64_t n = test_below(3) ? sizes[test_below(i % 16 ? 15 : n_sizes)]
                                    : 1 + test_below(test_quick() ? 300 : 3000);
    const int64_t rows = n > 5000 ? 1 + test_below(2) : 1 + test_below(5);
    unsigned flags = 0;
    if (test_below(2)) flags |= RL_TOPK_SMALLEST;
    if (test_below(2)) flags |= RL_TOPK_SORTED;
    if (test_below(2)) flags |= RL_TOPK_INDEX32;
    if (test_below(2)) flags |= RL_TOPK_NAN_LEAST;
    threads_set(1 + test_below(3));
    one_case(type, test_below(KINDS), rows, n, some_k(n), flags, 1 + test_below(3),
             test_below(4) == 0);
  }
  threads_set(1);
}

/* Every length around the sizes of vectors, so that every tail is met. */
static void tails(void) {
  for (int64_t n = 1; n <= 130; n += test_quick() ? 7 : 1)
    for (int t = 0; t < 2; t++) {
      one_case(t ? RL_F32 : RL_F64, 1, 1, n, 1 + test_below((int)n), 0, 3, 0);
      one_case(t ? RL_U16 : RL_I8, 0, 1, n, 1 + test_below((int)n), RL_TOPK_SORTED, 3, 0);
    }
}

/* ---- NaN, lengths, threads, flush to zero ------------------------------------------------------------- */

static void nan_policies(void) {
  enum { ROWS = 3, N = 40000, K = 4 };
  float *x = test_alloc(sizeof *x * ROWS * N), val[ROWS * K];
  int64_t idx[ROWS * K], again[ROWS * K], failed = -2;
  for (int i = 0; i < ROWS * N; i++) x[i] = (float)test_uniform();
  CHECK_STATUS(
      rl_topk(RL_F32, ROWS, N, K, x, 1, N, NULL, val, K, idx, K, RL_TOPK_NAN_RAISE, &failed),
      RL_OK);
  CHECK(failed == -1, "no row failed, got %d", (int)failed);
  x[2 * N + 39999] = x[1 * N + 7] = NAN;
  const float minus = -x[1 * N + 7];
  x[1 * N + 9] = minus;
  for (int threads = 1; threads <= 3; threads += 2) {
    threads_set(threads);
    CHECK_STATUS(
        rl_topk(RL_F32, ROWS, N, K, x, 1, N, NULL, val, K, idx, K, RL_TOPK_NAN_RAISE, &failed),
        RL_ERR_NAN);
    CHECK(failed == 1, "row 1 is the first, got %d", (int)failed);
  }
  threads_set(1);
  for (unsigned smallest = 0; smallest < 2; smallest++) {
    CHECK_STATUS(rl_topk(RL_F32, ROWS, N, K, x, 1, N, NULL, NULL, K, idx, K, smallest, NULL),
                 RL_OK);
    CHECK_STATUS(rl_topk(RL_F32, ROWS, N, K, x, 1, N, NULL, val, K, again, K,
                         smallest | RL_TOPK_NAN_PROPAGATE, NULL),
                 RL_OK);
    CHECK(memcmp(idx, again, sizeof idx) == 0, "propagate changes no index");
    for (int i = 0; i < ROWS * K; i++)
      CHECK(!isnan(val[i]) == (i < K), "value %d is %g", i, (double)val[i]);
  }
  free(x);
}

static void lengths(void) {
  enum { ROWS = 4, N = 5000, K = 3 };
  double *x = test_alloc(sizeof *x * ROWS * N);
  const int64_t length[ROWS] = {3, N, 100, 2048};
  int64_t idx[ROWS * K], alone[K], failed;
  for (int i = 0; i < ROWS * N; i++) x[i] = test_uniform();
  CHECK_STATUS(rl_topk(RL_F64, ROWS, N, K, x, 1, N, length, NULL, K, idx, K, 0, NULL), RL_OK);
  for (int r = 0; r < ROWS; r++) {
    CHECK_STATUS(
        rl_topk(RL_F64, 1, length[r], K, x + r * N, 1, N, NULL, NULL, K, alone, K, 0, NULL), RL_OK);
    CHECK(memcmp(alone, idx + r * K, sizeof alone) == 0, "row %d of length %d", r, (int)length[r]);
  }
  const int64_t bad[ROWS] = {3, 5, 2, N};
  CHECK_STATUS(rl_topk(RL_F64, ROWS, N, K, x, 1, N, bad, NULL, K, idx, K, 0, &failed), RL_ERR_SIZE);
  CHECK(failed == 2, "length 2 is below k, got row %d", (int)failed);
  const int64_t large[ROWS] = {3, 5, 9, N + 1};
  CHECK_STATUS(rl_topk(RL_F64, ROWS, N, K, x, 1, N, large, NULL, K, idx, K, 0, &failed),
               RL_ERR_SIZE);
  free(x);
}

/* Other libraries switch this on, and compares of floats then take subnormal numbers for zero. */
static void flush_to_zero(void) {
#ifdef __SSE__
  enum { N = 3000, K = 20 };
  float x[N], val[2][K];
  int64_t idx[2][K];
  for (int scale = 0; scale < 3; scale++) {
    for (int i = 0; i < N; i++)
      x[i] = (float)test_uniform() * (scale == 0 ? 1 : scale == 1 ? FLT_MIN : FLT_MIN * 0x1p10F);
    if (scale == 2)
      for (int i = 0; i < N; i++) x[i] = i % 300 ? -x[i] * 0x1p-9F : x[i];
    const unsigned before = _mm_getcsr();
    for (int on = 0; on < 2; on++) {
      _mm_setcsr(on ? before | 0x8040 : before);
      CHECK_STATUS(rl_topk(RL_F32, 1, N, K, x, 1, N, NULL, val[on], K, idx[on], K, 0, NULL), RL_OK);
      _mm_setcsr(before);
    }
    CHECK(memcmp(idx[0], idx[1], sizeof idx[0]) == 0 && memcmp(val[0], val[1], sizeof val[0]) == 0,
          "flush to zero changes the result, scale %d, level %s", scale, rl_isa());
  }
#endif
}

static int stop_after, stop_asked;
static int stop_when_told(void) { return ++stop_asked > stop_after; }

static void interruption(void) {
  enum { N = 300000 };
  /* with more, others may have done the rest before the caller asks again */
  if (rl_max_threads() > 1) return;
  float *x = test_alloc(sizeof *x * N);
  for (int i = 0; i < N; i++) x[i] = (float)test_uniform();
  int64_t *idx = test_alloc(sizeof *idx * N);
  for (int64_t k = 10; k < N; k += N / 2)
    for (stop_after = 0; stop_after < 4; stop_after++) {
      stop_asked = 0;
      rl_set_stop(stop_when_told);
      const int status = rl_topk(RL_F32, 1, N, k, x, 1, N, NULL, NULL, k, idx, k, 0, NULL);
      rl_set_stop(NULL);
      CHECK(status == RL_ERR_INTERRUPTED, "k = %d, after %d: %s", (int)k, stop_after,
            rl_strerror(status));
    }
  CHECK_STATUS(rl_topk(RL_F32, 1, N, 10, x, 1, N, NULL, NULL, 10, idx, 10, 0, NULL), RL_OK);
  free(x);
  free(idx);
}

/* All paths of long rows: candidates, two passes, bounds that many elements equal; on several threads. */
static void long_rows(void) {
  static const rl_dtype types[] = {RL_F32, RL_F64, RL_I64, RL_F16, RL_U8};
  static const int kinds[] = {1, 4, 5, 9};
  const int64_t n = test_quick() ? 36000 : 140000;
  for (int t = 0; t < 5; t++)
    for (int kind = 0; kind < 4; kind++)
      for (int threads = 1; threads <= 3; threads += 2) {
        threads_set(threads);
        one_case(types[t], kinds[kind], 1, n, 20, threads == 3, 3, 0);
        one_case(types[t], kinds[kind], 1, n, n / 2, threads == 3, 3, 0);
      }
  threads_set(1);
}

/* Rows whose sampled places hold only small elements, so that bounds miss twice and radix counting decides. */
static void adversary(void) {
  enum { N = 70000, SAMPLE = 4096, NEIGHBOURS = 4 };
  static const uint32_t seeds[] = {0, 0x2545F491U}; /* those of topk.inc */
  static const int64_t ks[] = {20, N / 2, N - 9};
  double *x = test_alloc(sizeof *x * N);
  int32_t *y = test_alloc(sizeof *y * N);
  int64_t *idx = test_alloc(sizeof *idx * N), *same = test_alloc(sizeof *same * N);
  int64_t sampled = 0;
  for (int i = 0; i < N; i++) y[i] = 1000000 + test_below(1 << 20);
  for (int s = 0; s < 2; s++)
    for (int64_t i = 0; i < SAMPLE / NEIGHBOURS; i++)
      for (int q = 0; q < NEIGHBOURS; q++)
        y[rl_topk_sample(i, (double)(N - NEIGHBOURS + 1) / (SAMPLE / NEIGHBOURS), seeds[s]) + q] =
            test_below(1000);
  for (int i = 0; i < N; i++) {
    x[i] = y[i];
    sampled += y[i] < 1000;
  }
  for (int t = 0; t < 3; t++) {
    const int64_t k = ks[t];
    CHECK_STATUS(rl_topk(RL_I32, 1, N, k, y, 1, N, NULL, NULL, k, idx, k, 0, NULL), RL_OK);
    CHECK_STATUS(rl_topk(RL_F64, 1, N, k, x, 1, N, NULL, NULL, k, same, k, 0, NULL), RL_OK);
    CHECK(memcmp(idx, same, sizeof *idx * (size_t)k) == 0, "k = %d: types differ", (int)k);
    int64_t small = 0;
    int32_t threshold = INT32_MAX;
    char *taken = test_alloc(N);
    memset(taken, 0, N);
    for (int64_t i = 0; i < k; i++) {
      small += y[idx[i]] < 1000;
      threshold = y[idx[i]] < threshold ? y[idx[i]] : threshold;
      taken[idx[i]] = 1;
    }
    CHECK(small == (k > N - sampled ? k - (N - sampled) : 0), "k = %d: %d small", (int)k,
          (int)small);
    for (int i = 0; i < N; i++)
      CHECK(taken[i] || y[i] <= threshold, "k = %d: %d is larger", (int)k, i);
    free(taken);
  }
  free(x);
  free(y);
  free(idx);
  free(same);
}

/* ---- arguments ---------------------------------------------------------------------------------------- */

static void arguments(void) {
  const float x[6] = {1, 2, 3, 4, 5, 6};
  float val[6];
  int64_t idx[6];
#define CALL(type, rows, n, k, x, ldv, ldi, flags) \
  rl_topk(type, rows, n, k, x, 1, n, NULL, val, ldv, idx, ldi, flags, NULL)
  CHECK_STATUS(CALL((rl_dtype)99, 1, 6, 2, x, 2, 2, 0), RL_ERR_OPTION);
  CHECK_STATUS(CALL((rl_dtype)-1, 1, 6, 2, x, 2, 2, 0), RL_ERR_OPTION);
  CHECK_STATUS(CALL(RL_F32, 1, 6, 2, x, 2, 2, 64), RL_ERR_OPTION);
  CHECK_STATUS(CALL(RL_F32, 1, 6, 2, x, 2, 2, RL_TOPK_NAN_RAISE | RL_TOPK_NAN_PROPAGATE),
               RL_ERR_OPTION);
  CHECK_STATUS(CALL(RL_F32, -1, 6, 2, x, 2, 2, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 1, -6, 0, x, 2, 2, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 1, 6, -1, x, 2, 2, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 1, 6, 7, x, 7, 7, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 2, 3, 2, x, 1, 2, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 2, 3, 2, x, 2, 1, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 1, 6, 2, NULL, 2, 2, 0), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 1, ((int64_t)1 << 31) + 1, 2, x, 2, 2, RL_TOPK_INDEX32), RL_ERR_SIZE);
  CHECK_STATUS(CALL(RL_F32, 0, 6, 2, NULL, 2, 2, 0), RL_OK);
  CHECK_STATUS(CALL(RL_F32, 5, 0, 0, NULL, 0, 0, 0), RL_OK);
  CHECK_STATUS(rl_topk_kth(RL_F32, 1, 6, 0, x, 1, 6, NULL, val, 1, idx, 1, 0, NULL), RL_ERR_SIZE);
  /* one row more often, from its end */
  CHECK_STATUS(rl_topk(RL_F32, 2, 6, 2, x + 5, -1, 0, NULL, val, 2, idx, 2, 0, NULL), RL_OK);
  CHECK(idx[0] == 0 && idx[1] == 1 && idx[2] == 0 && val[3] == 5, "reversed rows");

  unsigned char mask[8];
  int64_t rest[8];
  const int64_t some[4] = {0, 3, 1, 2};
  CHECK_STATUS(rl_topk_mask(2, 4, 2, some, 2, mask, 4), RL_OK);
  CHECK(memcmp(mask, "\1\0\0\1\0\1\1\0", 8) == 0, "mask");
  CHECK_STATUS(rl_topk_rest(2, 4, 2, some, 2, rest, 2), RL_OK);
  CHECK(rest[0] == 1 && rest[1] == 2 && rest[2] == 0 && rest[3] == 3, "rest");
  const int64_t falling[2] = {2, 1}, outside[2] = {1, 4}, twice[2] = {1, 1};
  CHECK_STATUS(rl_topk_mask(1, 4, 2, falling, 2, mask, 4), RL_ERR_SIZE);
  CHECK_STATUS(rl_topk_rest(1, 4, 2, outside, 2, rest, 2), RL_ERR_SIZE);
  CHECK_STATUS(rl_topk_rest(1, 4, 2, twice, 2, rest, 2), RL_ERR_SIZE);
  CHECK_STATUS(rl_topk_rest(1, 4, 5, some, 5, rest, 2), RL_ERR_SIZE);
  CHECK_STATUS(rl_topk_mask(1, 4, 2, some, 2, NULL, 4), RL_ERR_SIZE);
  CHECK_STATUS(rl_topk_rest(1, 4, 4, some, 4, NULL, 0), RL_ERR_SIZE); /* 0 3 1 2 does not ascend */
}

int main(void) {
  test_begin();
  arguments();
  int i = 0;
  const char *level;
  while ((level = test_level(&i)) != NULL) {
    test_seed(11);
    random_cases(test_quick() == 0 ? 3000 : test_quick() == 1 ? 400 : 60);
    tails();
    nan_policies();
    lengths();
    flush_to_zero();
    long_rows();
    adversary();
    if (test_quick() < 2) interruption();
  }
  return test_end();
}
