/* Sketching operators: what is drawn, and how products run over it.
 *
 * The matrix that an operator meets is cut into tiles of as many columns as fill two cache lines; a tile W of the
 * result stays in cache while the rows of A pass by, in panels whose random numbers stay there too:
 *
 *   sparse sign   z read-add-stores into W for each element of A; the codes of a panel are drawn once, in parallel
 *   SRHT          blocks of `length` rows: signs, a Walsh-Hadamard transform in cache, and from it, because
 *                 H[k, r + i] = (-1)^popcount(k & r) H_length[k mod length, i], what every row of the result needs
 *   dense         blocks of BLOCK columns of U are drawn and multiplied by the BLAS
 *
 * Sums run in the order of the rows of A.  For the adjoint the roles of W and A change. */
#include <math.h>
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "gemm.h"
#include "memory.h"
#include "randla.h"
#include "randla/device/sketch.h"
#include "threads.h"

/* Bytes of the codes of a panel: with a tile they should fit into L2. */
#define PANEL_BYTES (128 << 10)
/* Columns of a dense U that are drawn at once, at multiples of it, and its rows: 1 MB in double precision.  And
 * columns of A that it is multiplied by, so that few rows are work for many threads: what is drawn again costs 3 %. */
#define BLOCK 256
#define STRIP 512
#define SLAB 1024
/* Rows of a Hadamard transform, at least: a tile takes 256 KB. */
#define SHORTEST 2048
/* Columns of a row-major tile, a row of which is a page: W may then be larger than L2, but is fetched in time.
 * Narrower tiles, whose W fits, were slower for every nnz: they read A in pieces. */
#define WIDE 512

static int dense(const rl_sketch *s) {
  return s->kind == RL_KIND_GAUSSIAN || s->kind == RL_KIND_GAUSSIAN_SINGLE ||
         s->kind == RL_KIND_RADEMACHER || s->kind == RL_KIND_KHATRI_RAO;
}

/* 2^ceil(log2 m) */
static int64_t padded(int64_t m) {
  int64_t n = 1;
  while (n < m) n *= 2;
  return n;
}

static int64_t transform_length(const rl_sketch *s) {
  return least(padded(s->m), most(SHORTEST, padded(s->d)));
}

/* Is it an operator, and a block of it? */
static int check(const rl_sketch *s) {
  const int64_t most_columns = INT64_MAX / 2;
  if (s == NULL) return RL_ERR_SIZE;
  if (s->kind != RL_KIND_SPARSE_SIGN && s->kind != RL_KIND_SRHT && !dense(s)) return RL_ERR_OPTION;
  if (s->d < 1 || s->d > 1 << 30 || s->sub < 0 || s->sub > UINT32_MAX) return RL_ERR_SIZE;
  if (s->row < 0 || s->rows < 0 || s->rows > s->d - s->row) return RL_ERR_SIZE;
  if (s->column < 0 || s->columns < 0 || s->column > most_columns ||
      s->columns > most_columns - s->column)
    return RL_ERR_SIZE;
  if (s->kind == RL_KIND_SPARSE_SIGN && (s->nnz < 1 || s->nnz > s->d)) return RL_ERR_SIZE;
  if (s->kind == RL_KIND_SRHT &&
      (s->m < 1 || s->m > (int64_t)1 << 62 || s->d > padded(s->m) || s->columns > s->m - s->column))
    return RL_ERR_SIZE;
  return RL_OK;
}

double rl_sketch_scale(const rl_sketch *s) {
  return 1 / sqrt((double)(s->kind == RL_KIND_SPARSE_SIGN ? s->nnz : s->d));
}

int64_t rl_sketch_block(const rl_sketch *s) {
  return s->kind == RL_KIND_SRHT ? transform_length(s) : dense(s) ? BLOCK : 1;
}

/* ---- sparse sign: codes ------------------------------------------------------------------------------ */

typedef struct {
  const rl_sketch *s;
  int64_t first;  /* column of U */
  int inside;     /* rows count from the block's; one that lies outside becomes rows + t */
  int32_t *codes; /* of nonzero t of column i at i columnstride + t ldc */
  int64_t columnstride, ldc;
} drawing;

/* Word t & 3 of block i ceil(z / 4) + (t >> 2) is for part t. */
static int draw_codes(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const drawing *const c = context;
  const rl_sketch *const s = c->s;
  const int64_t z = s->nnz, blocks = parts(z, 4);
  enum { CHUNK = 64 };
  uint32_t words[4 * CHUNK];
  const int64_t at_once = most(1, CHUNK / blocks);
  for (int64_t i = begin; i < end; i += at_once) {
    const int64_t columns = least(at_once, end - i);
    for (int64_t t0 = 0; t0 < z; t0 += 4 * CHUNK) { /* one pass, unless z is huge */
      const int64_t here = least(CHUNK, blocks - t0 / 4), z_here = least(4 * here, z - t0);
      const uint64_t b = (uint64_t)(c->first + i) * (uint64_t)blocks + (uint64_t)(t0 / 4);
      rl_kernels_in_use()->sketch->words(s->stream, RL_KIND_SPARSE_SIGN, (uint32_t)s->sub, b,
                                         columns * here, words);
      for (int64_t t = 0; t < z_here; t++) {
        const int64_t part = t0 + t;
        int64_t length;
        const int64_t low = rl_sketch_part(s->d, z, part, &length);
        size_t at = (size_t)t; /* below 4 CHUNK: either one column, or columns of 4 here words */
        for (int64_t q = 0; q < columns && at < 4 * CHUNK; q++, at += 4 * (size_t)here) {
          const uint32_t w = words[at];
          int64_t row = low + rl_sketch_place(w, length);
          if (c->inside) {
            row -= s->row;
            if (row < 0 || row >= s->rows) row = s->rows + part;
          }
          c->codes[(i + q) * c->columnstride + part * c->ldc] =
              (int32_t)((uint32_t)row << 1 | (w & 1));
        }
      }
    }
  }
  return RL_OK;
}

static int codes_of(const rl_sketch *s, int64_t first, int64_t columns, int inside, int threads,
                    int32_t *codes, int64_t columnstride, int64_t ldc) {
  drawing c = {s, first, inside, codes, columnstride, ldc};
  const int64_t grain = most(64, 4096 / s->nnz);
  return rl_parallel_for(columns, grain, columns > 2 * grain ? threads : 1, draw_codes, &c);
}

int rl_sketch_codes(const rl_sketch *s, int32_t *codes) {
  const int status = check(s);
  if (status != RL_OK) return status;
  if (s->kind != RL_KIND_SPARSE_SIGN) return RL_ERR_OPTION;
  if (s->columns > 0 && codes == NULL) return RL_ERR_SIZE;
  const int threads = rl_num_threads_for(16.0 * (double)s->columns * (double)s->nnz);
  return codes_of(s, s->column, s->columns, 0, threads, codes, s->nnz, 1);
}

/* Rows of W for codes that fall outside of the block: one for each part, so that threads do not share them. */
static int64_t outside(const rl_sketch *s) { return s->rows == s->d ? 0 : s->nnz; }

/* ---- SRHT: signs and rows ---------------------------------------------------------------------------- */

/* Codes 0 and 1 for the signs of columns first .. first + count - 1. */
static void signs_of(const rl_sketch *s, int64_t first, int64_t count, int32_t *codes) {
  enum { CHUNK = 16 };
  uint32_t words[4 * CHUNK];
  for (int64_t i = 0; i < count;) {
    const int64_t at = first + i, block = at / 128, bit = at % 128;
    rl_kernels_in_use()->sketch->words(s->stream, RL_KIND_SRHT, (uint32_t)s->sub, (uint64_t)block,
                                       CHUNK, words);
    const int64_t here = least(count - i, 128 * CHUNK - bit);
    for (int64_t j = 0; j < here; j++) codes[i + j] = rl_sketch_bit(words, bit + j);
    i += here;
  }
}

/* ---- apply ----------------------------------------------------------------------------------------------- */

/* A product: `in` (p x n) to `out` (q x n), count of them; by columns or by rows. */
#define RL_TYPE_S
#include "generic.h"
#include "sketch.inc"
#define RL_TYPE_D
#include "generic.h"
#include "sketch.inc"
