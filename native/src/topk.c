/* Exact top-k selection: the passes over a row, and who makes them.
 *
 * Everything serves to find one number, the k-th largest key; the result then is what exceeds it, and as many of
 * its equals as are wanted, lowest index first.  So the result has the order of the indices and does not depend
 * on samples, vectors or threads.  topk_kernels.h says what keys are.
 *
 *   n <= KEYS_MOST            the keys of the whole row, in cache
 *   k small beside n          one streaming pass collects what exceeds a bound from a sample; the candidates are
 *                             then the row
 *   else                      one pass keeps the keys between two bounds from a sample, a second one emits
 *   bounds that miss, twice   three passes (six for 64 bits) of radix counting: the guard against adversaries
 *
 * Memory: a piece of the row for each thread, the candidates or the keys between the bounds,
 * O(k + n / sqrt(sample)). */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "memory.h"
#include "randla.h"
#include "threads.h"

/* Elements that one thread takes at a time, and that have indices of 32 bits; those that go through the innermost
 * cache at a time. */
#define PIECE 32768
#define CHUNK 1024
/* Rows up to here are turned into keys once, and these kept. */
#define KEYS_MOST 8192
/* Candidates are collected where k is at most this part of n. */
#define FEW_ENOUGH 16

typedef struct {
  int64_t start, count, base; /* in the list of candidates; base: what their indices count from */
} piece;

static const struct {
  int size, kind; /* kind: enum of topk_kernels.h */
  int64_t mask;   /* of the key: MIN of unsigned integers */
  int64_t infinity;
} type_of[] = {
    [RL_F16] = {2, RL_TOPK_HALF, 0, 0x7c000000},
    /* in the high bits of a word, bfloat16 is float32 */
    [RL_BF16] = {2, RL_TOPK_FLOAT, 0, 0x7f800000},
    [RL_F32] = {4, RL_TOPK_FLOAT, 0, 0x7f800000},
    [RL_F64] = {8, RL_TOPK_FLOAT, 0, 0x7ff0000000000000},
    [RL_BOOL] = {1, RL_TOPK_INTEGER, INT32_MIN, 0},
    [RL_I8] = {1, RL_TOPK_INTEGER, 0, 0},
    [RL_I16] = {2, RL_TOPK_INTEGER, 0, 0},
    [RL_I32] = {4, RL_TOPK_INTEGER, 0, 0},
    [RL_I64] = {8, RL_TOPK_INTEGER, 0, 0},
    [RL_U8] = {1, RL_TOPK_INTEGER, INT32_MIN, 0},
    [RL_U16] = {2, RL_TOPK_INTEGER, INT32_MIN, 0},
    [RL_U32] = {4, RL_TOPK_INTEGER, INT32_MIN, 0},
    [RL_U64] = {8, RL_TOPK_INTEGER, INT64_MIN, 0},
};

typedef struct {
  int64_t rows, n, k;
  const char *x;
  int64_t incx, ldx;
  const int64_t *lengths;
  char *val, *idx;
  int64_t ldv, ldi;
  int size, index_size; /* bytes of an element, of an index */
  int kth, sorted;
  unsigned nan_policy; /* RL_TOPK_NAN_RAISE, _PROPAGATE or 0 */
  rl_topk_order order;
  _Atomic int64_t failed; /* the first row with a NaN */
} job;

/* Sizes of samples of a row, multiples of 4, from measurements: finding the bounds costs a few per cent of the pass. */
static int64_t sample_size(int64_t n) {
  return n <= 8192 ? 256 : n <= 65536 ? 1024 : n <= 1000000 ? 4096 : 8192;
}

/* Ranks in a sample of m that lie below and above rank k of n, but for one row in a hundred or less;
 * `attempt` widens. */
typedef struct {
  int64_t low, high;
} ranks;
static ranks ranks_around(int64_t k, int64_t n, int64_t m, int attempt) {
  const double p = (double)k / (double)n, mean = (double)m * p;
  const double d = (2.6 * sqrt(mean * (1 - p)) + 2) * (1 + attempt);
  return (ranks){(int64_t)ceil(mean + d), (int64_t)floor(mean - d)};
}

/* What a row needs at most; see `desk` in topk.inc. */
typedef struct {
  int64_t keys, list, middle, pieces, sample, sort; /* elements */
} room;

static room room_for(const job *j) {
  room r = {0};
  const int64_t n = j->n, k = j->k, m = sample_size(n);
  r.pieces = parts(n, PIECE);
  r.sample = m;
  if (n > 1024 && k <= n / FEW_ENOUGH) {
    const int64_t rank = ranks_around(k, n, m, 0).low;
    /* twice what is expected; the factor cannot overflow, rank <= m + 1 */
    r.list = least(n, 2 * (int64_t)((double)rank * ((double)n / (double)m)) + 1024);
  }
  const int64_t rest = most(r.list, n); /* rows of which keys or the middle are wanted */
  r.keys = least(rest, KEYS_MOST);
  if (rest > KEYS_MOST) {
    const double width = 2 * (2.6 * sqrt(0.25 * (double)m) + 2) * 2;
    r.middle = least(n, (int64_t)(2 * width * ((double)n / (double)m)) + 1024);
  }
  if (j->sorted) r.sort = k;
  return r;
}

/* ---- everything that depends on the width of a word --------------------------------------------------- */

#define RL_TYPE_S
#include "generic.h"
#include "topk.inc"
#define RL_TYPE_D
#include "generic.h"
#include "topk.inc"

/* ---- arguments ------------------------------------------------------------------------------------ */

static int run(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x, int64_t incx,
               int64_t ldx, const int64_t *lengths, void *val, int64_t ldv, void *idx, int64_t ldi,
               unsigned flags, int64_t *failed, int kth) {
  enum { KNOWN = 2 * RL_TOPK_NAN_PROPAGATE - 1 };
  if (failed != NULL) *failed = -1;
  if ((unsigned)type >= sizeof type_of / sizeof *type_of) return RL_ERR_OPTION;
  if ((flags & ~(unsigned)KNOWN) ||
      ((flags & RL_TOPK_NAN_RAISE) && (flags & RL_TOPK_NAN_PROPAGATE)))
    return RL_ERR_OPTION;
  if (rows < 0 || n < 0 || k < kth || k > n) return RL_ERR_SIZE;
  if (rows > 1 && ((val != NULL && ldv < (kth ? 1 : k)) || (idx != NULL && ldi < (kth ? 1 : k))))
    return RL_ERR_SIZE;
  if ((flags & RL_TOPK_INDEX32) && n > (int64_t)1 << 31) return RL_ERR_SIZE;
  for (int64_t i = 0; lengths != NULL && i < rows; i++)
    if (lengths[i] < k || lengths[i] > n) {
      if (failed != NULL) *failed = i;
      return RL_ERR_SIZE;
    }
  if (rows == 0 || k == 0) return RL_OK;
  if (x == NULL) return RL_ERR_SIZE;

  job j = {.rows = rows,
           .n = n,
           .k = k,
           .x = x,
           .incx = incx,
           .ldx = ldx,
           .lengths = lengths,
           .val = val,
           .idx = idx,
           .ldv = ldv,
           .ldi = ldi,
           .size = type_of[type].size,
           .index_size = flags & RL_TOPK_INDEX32 ? 4 : 8,
           .kth = kth,
           .sorted = !kth && k > 1 && (flags & RL_TOPK_SORTED) != 0,
           .failed = -1};
  j.order = (rl_topk_order){type_of[type].kind, type_of[type].mask, type_of[type].infinity, 0};
  if (flags & RL_TOPK_SMALLEST) j.order.mask = ~j.order.mask;
  if (j.order.kind != RL_TOPK_INTEGER)
    j.nan_policy = flags & (RL_TOPK_NAN_RAISE | RL_TOPK_NAN_PROPAGATE);
  const int least_nan = (flags & RL_TOPK_NAN_LEAST) != 0;
  int status;
  if (j.size == 8) {
    j.order.nan = least_nan ? INT64_MIN : INT64_MAX;
    status = run_rows_d(&j);
  } else {
    j.order.nan = least_nan ? INT32_MIN : INT32_MAX;
    status = run_rows_s(&j);
  }
  if (status == RL_ERR_NAN && failed != NULL) *failed = atomic_load(&j.failed);
  return status;
}

int rl_topk(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x, int64_t incx,
            int64_t ldx, const int64_t *lengths, void *val, int64_t ldv, void *idx, int64_t ldi,
            unsigned flags, int64_t *failed) {
  return run(type, rows, n, k, x, incx, ldx, lengths, val, ldv, idx, ldi, flags, failed, 0);
}

int rl_topk_kth(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x, int64_t incx,
                int64_t ldx, const int64_t *lengths, void *val, int64_t ldv, void *idx, int64_t ldi,
                unsigned flags, int64_t *failed) {
  return run(type, rows, n, k, x, incx, ldx, lengths, val, ldv, idx, ldi, flags, failed, 1);
}

/* ---- what follows from ascending indices ------------------------------------------------------------ */

static int ascending(int64_t n, int64_t k, const int64_t *idx) {
  for (int64_t i = 0; i < k; i++)
    if (idx[i] < 0 || idx[i] >= n || (i > 0 && idx[i] <= idx[i - 1])) return 0;
  return 1;
}

static int complement_sizes(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi,
                            int64_t ld, int64_t width, const void *out) {
  if (rows < 0 || n < 0 || k < 0 || k > n || ldi < k || ld < width) return RL_ERR_SIZE;
  if (rows > 0 && ((k > 0 && idx == NULL) || (width > 0 && out == NULL))) return RL_ERR_SIZE;
  return RL_OK;
}

int rl_topk_mask(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi,
                 unsigned char *mask, int64_t ldm) {
  const int status = complement_sizes(rows, n, k, idx, ldi, ldm, n, mask);
  if (status != RL_OK) return status;
  for (int64_t r = 0; r < rows && n > 0; r++) {
    if (!ascending(n, k, idx + r * ldi)) return RL_ERR_SIZE;
    memset(mask + r * ldm, 0, (size_t)n);
    for (int64_t i = 0; i < k; i++) mask[r * ldm + idx[r * ldi + i]] = 1;
  }
  return RL_OK;
}

int rl_topk_rest(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi, int64_t *rest,
                 int64_t ldr) {
  const int status = complement_sizes(rows, n, k, idx, ldi, ldr, n - k, rest);
  if (status != RL_OK) return status;
  for (int64_t r = 0; r < rows; r++) {
    const int64_t *at = idx + r * ldi;
    if (!ascending(n, k, at)) return RL_ERR_SIZE;
    int64_t next = 0, found = 0;
    for (int64_t i = 0; i <= k; i++) {
      const int64_t end = i < k ? at[i] : n;
      while (next < end) rest[r * ldr + found++] = next++;
      next = end + 1;
    }
  }
  return RL_OK;
}
