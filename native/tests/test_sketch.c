/* Sketching operators: entries from their formula, products against naive sums, what is written, what is refused. */
#include <math.h>

#include "memory.h"
#include "test_common.h"

enum { KINDS = 5 };
static const int64_t kind_of[KINDS] = {RL_KIND_GAUSSIAN, RL_KIND_GAUSSIAN_SINGLE,
                                       RL_KIND_RADEMACHER, RL_KIND_SPARSE_SIGN, RL_KIND_SRHT};

static int64_t power_from(int64_t m) {
  int64_t n = 1;
  while (n < m) n *= 2;
  return n;
}

static rl_sketch whole(int64_t kind, int64_t d, int64_t m, int64_t nnz) {
  if (kind == RL_KIND_SRHT && d > power_from(m)) d = power_from(m);
  rl_sketch s = {.kind = kind, .d = d, .m = m, .nnz = nnz > d ? d : nnz, .rows = d, .columns = m};
  s.stream.key = 0x123456789abcdefU;
  s.stream.offset = 77;
  return s;
}

/* A block of it, at odd places. */
static rl_sketch window(rl_sketch s) {
  s.row = test_below((int)s.d);
  s.rows = 1 + test_below((int)(s.d - s.row));
  s.column = test_below((int)s.m);
  s.columns = 1 + test_below((int)(s.m - s.column));
  return s;
}

/* ---- the oracle: one entry of U from the words of the stream ----------------------------------------- */

static uint32_t word(const rl_sketch *s, uint32_t sub, int64_t block, int which) {
  uint32_t w[4];
  CHECK_STATUS(rl_stream_words(s->stream, (uint32_t)s->kind, sub, (uint64_t)block, 1, w), RL_OK);
  return w[which];
}

/* Floyd's draw, with a search instead of a table. */
static void floyd(rl_stream stream, uint32_t kind, uint32_t sub, int64_t count, int64_t bound,
                  int64_t *chosen) {
  for (int64_t t = 0; t < count; t++) {
    uint32_t w[4];
    CHECK_STATUS(rl_stream_words(stream, kind, sub, (uint64_t)(t / 2), 1, w), RL_OK);
    const uint64_t W = w[2 * (t & 1)] | (uint64_t)w[2 * (t & 1) + 1] << 32;
    const uint64_t L = (uint64_t)(bound - count + t + 1), h = W >> 1;
    /* floor(h L / 2^63), by halves of h: L is below 2^31 here */
    int64_t r = (int64_t)(((h >> 32) * L + ((h & 0xffffffffU) * L >> 32)) >> 31), at = t;
    for (int64_t k = 0; k < t; k++)
      if (chosen[k] == r) r = (int64_t)L - 1;
    while (at > 0 && chosen[at - 1] > r) {
      chosen[at] = chosen[at - 1];
      at--;
    }
    chosen[at] = r;
  }
}

/* sin(2 pi v + more pi / 2).  The nearest quarter turn is subtracted from v exactly, and only the rest is
 * multiplied by 2 pi: also where long double is no more than double (valgrind), the result is good to a rounding. */
static long double sine(long double v, int more) {
  const long double quarters = rintl(4 * v),
                    x = 6.283185307179586476925286766559L * (v - quarters / 4);
  const int turn = (int)quarters + more;
  const long double y = turn & 1 ? cosl(x) : sinl(x);
  return turn & 2 ? -y : y;
}

/* U of a block, in long double for the normals: rows x columns, by columns. */
static double *entries(const rl_sketch *s) {
  double *U = test_alloc(sizeof(double) * (size_t)(s->rows * s->columns + 1));
  int64_t *kept = test_alloc(sizeof *kept * (size_t)s->d);
  const uint32_t sub = (uint32_t)s->sub;
  if (s->kind == RL_KIND_SRHT) floyd(s->stream, RL_KIND_SRHT, 1, s->d, power_from(s->m), kept);
  for (int64_t q = 0; q < s->columns; q++) {
    double *const u = U + q * s->rows;
    const int64_t j = s->column + q;
    for (int64_t k = 0; k < s->rows; k++) u[k] = 0;
    if (s->kind == RL_KIND_SPARSE_SIGN) {
      const int64_t z = s->nnz;
      for (int64_t t = 0; t < z; t++) {
        const int64_t longer = s->d % z, length = s->d / z + (t < longer);
        const uint32_t w = word(s, sub, j * ((z + 3) / 4) + t / 4, (int)(t & 3));
        const int64_t row = t * (s->d / z) + (t < longer ? t : longer) +
                            (int64_t)((uint64_t)(w >> 1) * (uint64_t)length >> 31) - s->row;
        if (row >= 0 && row < s->rows) u[row] = w & 1 ? -1 : 1;
      }
      continue;
    }
    for (int64_t k = 0; k < s->rows; k++) {
      const int64_t i = s->row + k;
      if (s->kind == RL_KIND_RADEMACHER) {
        const uint32_t w = word(s, sub, j * ((s->d + 127) / 128) + i / 128, (int)(i / 32 % 4));
        u[k] = w >> i % 32 & 1 ? -1 : 1;
      } else if (s->kind == RL_KIND_SRHT) {
        const uint32_t w = word(s, sub, j / 128, (int)(j / 32 % 4));
        int odd = (int)(w >> j % 32 & 1);
        for (int64_t common = kept[i] & j; common != 0; common &= common - 1) odd ^= 1;
        u[k] = odd ? -1 : 1;
      } else {
        const int single = s->kind == RL_KIND_GAUSSIAN_SINGLE, per = single ? 4 : 2;
        const int64_t b = j * ((s->d + per - 1) / per) + i / per;
        const int at = (int)(i % per) & ~1;
        long double a, v;
        if (single) {
          const float f = (float)word(s, sub, b, at) * 0x1p-32F + 0x1p-33F;
          a = (long double)f;
          v = (long double)((float)word(s, sub, b, at + 1) * 0x1p-32F);
        } else {
          const uint64_t x = word(s, sub, b, 0) | (uint64_t)word(s, sub, b, 1) << 32;
          const uint64_t y = word(s, sub, b, 2) | (uint64_t)word(s, sub, b, 3) << 32;
          a = ((long double)(x >> 11) + 1) * 0x1p-53L;
          v = (long double)(y >> 11) * 0x1p-53L;
        }
        const long double r = sqrtl(-2 * logl(a));
        u[k] = (double)(r * sine(v, i & 1 ? 0 : 1));
      }
    }
  }
  free(kept);
  return U;
}

static int normal(int64_t kind) {
  return kind == RL_KIND_GAUSSIAN || kind == RL_KIND_GAUSSIAN_SINGLE;
}

static void subsets(void) {
  static const int64_t cases[][2] = {{1, 1}, {1, 2}, {5, 5}, {7, 100}, {99, 100}, {300, 5000}};
  for (int t = 0; t < (test_quick() ? 5 : 6); t++) {
    const int64_t count = cases[t][0], bound = cases[t][1];
    const rl_stream stream = {3, 9};
    guarded g = guarded_new((size_t)count, 8);
    int64_t *wanted = test_alloc(sizeof *wanted * (size_t)count);
    floyd(stream, RL_KIND_ROW_SAMPLING, 0, count, bound, wanted);
    CHECK_STATUS(rl_stream_subset(stream, RL_KIND_ROW_SAMPLING, 0, count, bound, guarded_data(&g)),
                 RL_OK);
    CHECK(memcmp(guarded_data(&g), wanted, sizeof *wanted * (size_t)count) == 0, "%d of %d",
          (int)count, (int)bound);
    CHECK(guarded_margins(&g), "written outside, %d of %d", (int)count, (int)bound);
    guarded_free(&g);
    free(wanted);
  }
  int64_t x[4];
  const rl_stream stream = {3, 9};
  CHECK_STATUS(rl_stream_subset(stream, 10, 0, 4, 3, x), RL_ERR_SIZE);
  CHECK_STATUS(rl_stream_subset(stream, 10, 0, -1, 3, x), RL_ERR_SIZE);
  CHECK_STATUS(rl_stream_subset(stream, 10, 0, 2, 3, NULL), RL_ERR_SIZE);
}

static void codes(void) {
  static const int64_t nonzeros[] = {1, 2, 3, 4, 5, 8, 13, 300};
  for (int t = 0; t < 8; t++) {
    const rl_sketch s = window(whole(RL_KIND_SPARSE_SIGN, 307, 100, nonzeros[t]));
    rl_sketch rows = s; /* codes know nothing of a block of rows */
    rows.row = 0;
    rows.rows = s.d;
    double *U = entries(&rows);
    guarded g = guarded_new((size_t)(s.columns * s.nnz), 4);
    CHECK_STATUS(rl_sketch_codes(&s, guarded_data(&g)), RL_OK);
    const int32_t *code = guarded_data(&g);
    int wrong = 0;
    for (int64_t j = 0; j < s.columns; j++)
      for (int64_t z = 0; z < s.nnz; z++)
        wrong += U[j * s.d + (code[j * s.nnz + z] >> 1)] != (code[j * s.nnz + z] & 1 ? -1 : 1);
    CHECK(wrong == 0 && guarded_margins(&g), "nnz = %d: %d wrong", (int)s.nnz, wrong);
    guarded_free(&g);
    free(U);
  }
}

#define RL_TYPE_S
#include "generic.h"
#include "test_sketch.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_sketch.inc"

static void arguments(void) {
  rl_sketch s = whole(RL_KIND_SPARSE_SIGN, 5, 9, 2), t;
  double a[90], b[90];
  int32_t code[40];
  int64_t pointers[10] = {0};
  memset(a, 0, sizeof a);
#define LEFT(s, n, lda, beta, ldb) rl_dsketch_left(s, 0, 1, n, 1, a, lda, 0, beta, b, ldb, 0)
  CHECK_STATUS(LEFT(&s, 2, 9, 0, 5), RL_OK);
  CHECK_STATUS(LEFT(NULL, 2, 9, 0, 5), RL_ERR_SIZE);
  CHECK_STATUS(LEFT(&s, -1, 9, 0, 5), RL_ERR_SIZE);
  CHECK_STATUS(LEFT(&s, 2, 8, 0, 5), RL_ERR_SIZE);
  CHECK_STATUS(LEFT(&s, 2, 9, 0, 4), RL_ERR_SIZE);
  CHECK_STATUS(LEFT(&s, 2, 9, 0.5, 5), RL_ERR_OPTION);
  CHECK_STATUS(rl_dsketch_left(&s, 0, -1, 2, 1, a, 9, 0, 0, b, 5, 0), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_left(&s, 0, 1, 2, 1, NULL, 9, 0, 0, b, 5, 0), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_left(&s, 0, 1, 2, 1, a, 9, 0, 0, NULL, 5, 0), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_left(&s, 0, 0, 2, 1, NULL, 9, 0, 0, NULL, 5, 0), RL_OK);
  CHECK_STATUS(rl_dsketch_right(&s, 1, 1, 2, 1, a, 1, 0, 0, b, 2, 0), RL_ERR_SIZE);
#define BROKEN(field, value, status) \
  t = s;                             \
  t.field = value;                   \
  CHECK_STATUS(LEFT(&t, 2, 9, 0, 9), status);
  BROKEN(kind, RL_KIND_ROW_SAMPLING, RL_ERR_OPTION)
  BROKEN(kind, 99, RL_ERR_OPTION)
  BROKEN(d, 0, RL_ERR_SIZE)
  BROKEN(d, ((int64_t)1 << 30) + 1, RL_ERR_SIZE)
  BROKEN(sub, -1, RL_ERR_SIZE)
  BROKEN(row, -1, RL_ERR_SIZE)
  BROKEN(row, 1, RL_ERR_SIZE)
  BROKEN(rows, -1, RL_ERR_SIZE)
  BROKEN(rows, 6, RL_ERR_SIZE)
  BROKEN(column, -1, RL_ERR_SIZE)
  BROKEN(columns, -1, RL_ERR_SIZE)
  BROKEN(column, INT64_MAX, RL_ERR_SIZE)
  BROKEN(nnz, 0, RL_ERR_SIZE)
  BROKEN(nnz, 6, RL_ERR_SIZE)
  s = whole(RL_KIND_SRHT, 5, 9, 0);
  BROKEN(m, 0, RL_ERR_SIZE)
  BROKEN(m, 8, RL_ERR_SIZE)
  BROKEN(d, 17, RL_ERR_SIZE)
  CHECK_STATUS(rl_sketch_codes(&s, code), RL_ERR_OPTION);
  CHECK_STATUS(rl_dsketch_csr(&s, 2, 1, pointers, NULL, NULL, 8, 0, b, 1, 5), RL_ERR_OPTION);
  s = whole(RL_KIND_SPARSE_SIGN, 5, 9, 2);
  CHECK_STATUS(rl_sketch_codes(&s, NULL), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_csr(&s, 2, 1, pointers, NULL, NULL, 8, 0, b, 1, 5), RL_OK);
  CHECK_STATUS(rl_dsketch_csr(&s, 2, 1, pointers, NULL, NULL, 2, 0, b, 1, 5), RL_ERR_OPTION);
  CHECK_STATUS(rl_dsketch_csr(&s, 2, 1, NULL, NULL, NULL, 8, 0, b, 1, 5), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_csr(&s, -2, 1, pointers, NULL, NULL, 8, 0, b, 1, 5), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_csr(&s, 2, 2, pointers, NULL, NULL, 8, 1, b, 1, 5), RL_ERR_OPTION);
  CHECK_STATUS(rl_dsketch_csc(&s, 2, 1, pointers, NULL, NULL, 8, 0, NULL, 1, 5), RL_ERR_SIZE);
  pointers[9] = 1;
  CHECK_STATUS(rl_dsketch_csr(&s, 2, 1, pointers, NULL, a, 8, 0, b, 1, 5), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_fill(&s, b, 4), RL_ERR_SIZE);
  CHECK_STATUS(rl_dsketch_fill(&s, NULL, 5), RL_ERR_SIZE);
  /* no columns of U: zeros, or what stood there */
  s.columns = 0;
  b[0] = b[6] = 7;
  CHECK_STATUS(LEFT(&s, 2, 1, 1, 5), RL_OK);
  CHECK(b[0] == 7 && b[6] == 7, "beta = 1 keeps B");
  CHECK_STATUS(LEFT(&s, 2, 1, 0, 5), RL_OK);
  CHECK(b[0] == 0 && b[6] == 0, "zeros");
}

int main(void) {
  test_begin();
  ref_blas_use(0);
  arguments();
  int i = 0;
  while (test_level(&i) != NULL) {
    test_seed(6);
    subsets();
    codes();
    sketch_s();
    sketch_d();
  }
  return test_end();
}
