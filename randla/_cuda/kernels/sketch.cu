/* Products with sketching operators, whose entries are drawn where they are needed.
 *
 * Matrices come in batches (b, m, n), by rows or by columns: element (i, j) of matrix b lies at
 * b stride + i ld + j, or at b stride + i + j ld.  Sums have an order of their own, fixed by the sizes, so results
 * are the same in every run and on every device; those of sparse operators have the bits of the CPU.
 *
 *   sparse sign   the nonzeros are sorted by rows, and each row of the result is one sum over A's.  (Adding the rows
 *                 of A to tiles of the result in shared memory instead reads A once, and took five times as long on
 *                 an H100: each addition waits for the one before it.)
 *   adjoint       a gather
 *   SRHT          chunks of columns of U in shared memory: see native/src/sketch.c
 *   dense         blocks of U, which cuBLAS multiplies with
 */
#include "common.cuh"

#include "randla/device/philox.h"
#include "randla/device/sketch.h"

enum {
  THREADS = 256,
  DEEP = 8,          /* rows that a thread of a sparse product has on their way */
  GATHERED = 8,      /* parts of the rows that the adjoint draws at once */
  GATHER_ROWS = 256, /* at most */
  EACH = 4,          /* results of a thread, at most */
  NARROW = 4,        /* columns of a transform */
  LONGEST = 1 << 14  /* bytes of one of its columns */
};

static __device__ __forceinline__ float product(float a, float b) { return __fmul_rn(a, b); }
static __device__ __forceinline__ double product(double a, double b) { return __dmul_rn(a, b); }
static __device__ __forceinline__ float sum(float a, float b) { return __fadd_rn(a, b); }
static __device__ __forceinline__ double sum(double a, double b) { return __dadd_rn(a, b); }
static __device__ __forceinline__ REAL with_sign(int32_t code, REAL x) { return code & 1 ? -x : x; }
static __device__ __forceinline__ int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static __device__ __forceinline__ int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* A batch of matrices. */
struct Batch {
  REAL *start;
  int64_t ld, stride;
  bool by_rows;
  __device__ REAL *at(int64_t b, int64_t i, int64_t j) const {
    return start + b * stride + (by_rows ? i * ld + j : i + j * ld);
  }
};

/* y = alpha x, or y + alpha x, each operation rounded. */
static __device__ void deliver(REAL *y, REAL alpha, REAL x, int add) {
  const REAL scaled = product(alpha, x);
  *y = add ? sum(*y, scaled) : scaled;
}

/* rl_sketch without what a kernel knows; numbers as in randla/sketch.h. */
struct Operator {
  int64_t d, nnz;
  uint64_t key, offset;
  uint32_t kind, sub;
  int64_t row, rows, column, columns;
  __device__ void words(uint64_t block, uint32_t word[4]) const {
    rl_philox_block(key, offset, kind, sub, block, word);
  }
};
#define OPERATOR_ARGUMENTS                                                                       \
  int64_t d, int64_t nnz, uint64_t key, uint64_t offset, int64_t kind, int64_t sub, int64_t row, \
      int64_t rows, int64_t column, int64_t columns
#define OPERATOR {d, nnz, key, offset, (uint32_t)kind, (uint32_t)sub, row, rows, column, columns}

/* Codes (row << 1 | minus) of four parts from t on, for column i of the block; rows count from `first`, and
 * those that are not among the `count` from there become -1. */
static __device__ void draw_codes(const Operator &s, int64_t i, int64_t t, int64_t first,
                                  int64_t count, int32_t *codes) {
  uint32_t word[4];
  s.words((uint64_t)(s.column + i) * (uint64_t)((s.nnz + 3) / 4) + (uint64_t)(t / 4), word);
  for (int w = 0; w < 4; w++) {
    int64_t length, place = -1;
    if (t + w < s.nnz) {
      place = rl_sketch_part(s.d, s.nnz, t + w, &length) - s.row - first;
      place += rl_sketch_place(word[w], length);
    }
    codes[w] = place >= 0 && place < count ? (int32_t)((uint32_t)place << 1 | (word[w] & 1)) : -1;
  }
}

/* Packed sums of a panel, in the layout of the result. */
static __device__ REAL *partial(REAL *sums, int64_t number, int64_t rows, int64_t n, bool by_rows,
                                int64_t k, int64_t j) {
  return sums + number * rows * n + (by_rows ? k * n + j : k + j * rows);
}

/* ---- sparse sign ----------------------------------------------------------------------------------------- */

/* Y from the sums of the panels, in their order: `outer` lines of `inner` elements each. */
extern "C" __global__ void __launch_bounds__(THREADS)
    sketch_finish(const REAL *sums, int64_t items, int64_t panels, int64_t inner, int64_t outer,
                  double alpha, int add, REAL *y, int64_t ldy, int64_t stridey) {
  const int64_t size = inner * outer;
  for (int64_t e = (int64_t)blockIdx.x * THREADS + threadIdx.x; e < items;
       e += (int64_t)gridDim.x * THREADS) {
    const int64_t b = e / size, at = e % size;
    const REAL *from = sums + b * panels * size + at;
    REAL total = *from;
    for (int64_t p = 1; p < panels; p++) total = sum(total, from[p * size]);
    deliver(y + b * stridey + at / inner * ldy + at % inner, (REAL)alpha, total, add);
  }
}

/* The nonzeros as words that sort by rows, then columns: row << 32 | column << 1 | minus; those outside of the
 * block come last. */
extern "C" __global__ void __launch_bounds__(THREADS)
    sketch_nonzeros(OPERATOR_ARGUMENTS, int64_t items, uint64_t *found) {
  const Operator s = OPERATOR;
  const int64_t fours = (nnz + 3) / 4;
  for (int64_t e = (int64_t)blockIdx.x * THREADS + threadIdx.x; e < items;
       e += (int64_t)gridDim.x * THREADS) {
    const int64_t i = e / fours, t = e % fours * 4;
    int32_t codes[4];
    draw_codes(s, i, t, 0, rows, codes);
    for (int w = 0; w < 4 && t + w < nnz; w++)
      found[i * nnz + t + w] = codes[w] < 0 ? ~(uint64_t)0
                                            : (uint64_t)(codes[w] >> 1) << 32 | (uint64_t)i << 1 |
                                                  (uint64_t)(codes[w] & 1);
  }
}

/* Where the nonzeros of rows from `row` on begin. */
static __device__ int64_t begin_of(const uint64_t *sorted, int64_t count, uint64_t row) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (sorted[middle] >> 32 < row)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Y = alpha U A (+ Y) by the sorted nonzeros of columns from `first` on, A's rows contiguous: blocks for (b, `high`
 * rows of Y, tile of `wide` columns), high wide = THREADS.  Until the `last` columns, the result stands in `sums`;
 * with `goes_on` it begins at Y.  A thread adds the rows of A in their order, as the CPU does, and has DEEP of them
 * on their way.  Bound: the L2 cache, from which A is read nnz times, as all rows of Y go through A at one pace:
 * it comes from memory once. */
extern "C" __global__ void __launch_bounds__(THREADS)
    sketch_collect(const uint64_t *sorted, int64_t count, const REAL *x, int64_t ldx,
                   int64_t stridex, REAL *y, int64_t ldy, int64_t stridey, int by_rows, int64_t n,
                   int64_t rows, int64_t items, int64_t tiles, int wide, int begins, int last,
                   int goes_on, double alpha, int add, REAL *sums) {
  __shared__ int64_t begin[THREADS + 1];
  const Batch out = {y, ldy, stridey, by_rows != 0};
  const int high = THREADS / wide, r = threadIdx.x / wide;
  const int64_t groups = (rows + high - 1) / high;
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t k0 = item % groups * high, b = item / (groups * tiles);
    const int64_t j = item / groups % tiles * wide + threadIdx.x % wide, k = k0 + r;
    __syncthreads();
    for (int e = threadIdx.x; e <= high; e += THREADS)
      begin[e] = begin_of(sorted, count, (uint64_t)(k0 + e));
    __syncthreads();
    if (j >= n || k >= rows) continue;
    const REAL *const a = x + b * stridex + j;
    REAL *const partly = sums + (b * rows + k) * n + j;
    REAL total = !begins ? *partly : goes_on ? *out.at(b, k, j) : (REAL)0;
    int64_t q = begin[r];
    const int64_t end = begin[r + 1];
    for (; q + DEEP <= end; q += DEEP) {
      REAL term[DEEP];
#pragma unroll
      for (int u = 0; u < DEEP; u++) {
        const uint32_t found = (uint32_t)sorted[q + u];
        term[u] = with_sign((int32_t)(found & 1), a[(int64_t)(found >> 1) * ldx]);
      }
#pragma unroll
      for (int u = 0; u < DEEP; u++) total = sum(total, term[u]);
    }
    for (; q < end; q++) {
      const uint32_t found = (uint32_t)sorted[q];
      total = sum(total, with_sign((int32_t)(found & 1), a[(int64_t)(found >> 1) * ldx]));
    }
    if (last)
      deliver(out.at(b, k, j), (REAL)alpha, total, add);
    else
      *partly = total;
  }
}

/* Y = alpha U^T X (+ Y): blocks for (b, `high` rows of the result, `wide` columns), both powers of two. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    sketch_gather(OPERATOR_ARGUMENTS, REAL *x, int64_t ldx, int64_t stridex, REAL *y, int64_t ldy,
                  int64_t stridey, int by_rows, int64_t n, int64_t items, int64_t tiles, int high,
                  int wide, double alpha, int add) {
  __shared__ int32_t codes[GATHER_ROWS][GATHERED];
  const Operator s = OPERATOR;
  const Batch in = {x, ldx, stridex, by_rows != 0}, out = {y, ldy, stridey, by_rows != 0};
  const int tid = threadIdx.x;
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t j0 = item % tiles * wide, blocks = (columns + high - 1) / high;
    const int64_t i0 = item / tiles % blocks * high, b = item / (tiles * blocks);
    REAL total[EACH] = {0};
    for (int64_t t0 = 0; t0 < nnz; t0 += GATHERED) {
      __syncthreads();
      for (int e = tid; e < high * (GATHERED / 4); e += THREADS) {
        const int i = e / (GATHERED / 4), t = e % (GATHERED / 4) * 4;
        draw_codes(s, i0 + i, t0 + t, 0, rows, &codes[i][t]);
      }
      __syncthreads();
      for (int q = 0; q < EACH; q++) {
        const int e = tid + q * THREADS;
        const int i = by_rows ? e / wide : e % high, j = by_rows ? e % wide : e / high;
        if (e >= high * wide || i0 + i >= columns || j0 + j >= n) continue;
        for (int t = 0; t < GATHERED; t++) {
          const int32_t code = codes[i][t];
          if (code >= 0) total[q] = sum(total[q], with_sign(code, *in.at(b, code >> 1, j0 + j)));
        }
      }
    }
    for (int q = 0; q < EACH; q++) {
      const int e = tid + q * THREADS;
      const int i = by_rows ? e / wide : e % high, j = by_rows ? e % wide : e / high;
      if (e < high * wide && i0 + i < columns && j0 + j < n)
        deliver(out.at(b, i0 + i, j0 + j), (REAL)alpha, total[q], add);
    }
  }
}

/* ---- SRHT ------------------------------------------------------------------------------------------------ */

/* Signs of `length` columns from r on, a multiple of it; bit 0 is that of column r / 128 * 128. */
static __device__ const uint32_t *draw_signs(const Operator &s, int64_t r, int64_t length) {
  __shared__ uint32_t words[LONGEST / sizeof(float) / 32];
  const int64_t blocks = (length + 127) / 128;
  for (int64_t q = threadIdx.x; q < blocks; q += THREADS)
    s.words((uint64_t)(r / 128 + q), words + 4 * q);
  __syncthreads();
  return words;
}

/* Walsh-Hadamard transform of the NARROW columns of W: two stages (radix 4) for one read and write of it. */
static __device__ void transform(REAL *W, int64_t length) {
  int64_t h = 1;
  for (; 4 * h <= length; h *= 4) {
    __syncthreads();
    for (int64_t e = threadIdx.x; e < length / 4 * NARROW; e += THREADS) {
      const int64_t q = e / NARROW, step = h * NARROW;
      REAL *const w = W + (q / h * 4 * h + q % h) * NARROW + e % NARROW;
      const REAL a = w[0] + w[step], b = w[0] - w[step];
      const REAL c = w[2 * step] + w[3 * step], d = w[2 * step] - w[3 * step];
      w[0] = a + c;
      w[step] = b + d;
      w[2 * step] = a - c;
      w[3 * step] = b - d;
    }
  }
  __syncthreads();
  if (h == length) return;
  for (int64_t e = threadIdx.x; e < h * NARROW; e += THREADS) {
    const REAL a = W[e], b = W[e + h * NARROW];
    W[e] = a + b;
    W[e + h * NARROW] = a - b;
  }
  __syncthreads();
}

/* Sums over panels of chunks: blocks for (b, panel, tile of columns). */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    sketch_transform(OPERATOR_ARGUMENTS, const int64_t *kept, int64_t length, REAL *x, int64_t ldx,
                     int64_t stridex, int by_rows, int64_t n, int64_t items, int64_t panels,
                     int64_t panel, int64_t tiles, REAL *sums) {
  RL_DYNAMIC_SHARED(REAL, W);
  const Operator s = OPERATOR;
  const Batch in = {x, ldx, stridex, by_rows != 0};
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t j0 = item % tiles * NARROW, width = least(NARROW, n - j0);
    const int64_t number = item / tiles, p = number % panels, b = number / panels;
    const int64_t first = (column / length + p * panel) * length;
    const int64_t end = least(first + panel * length, column + columns);
    for (int64_t r = first; r < end; r += length) {
      __syncthreads();
      const uint32_t *const signs = draw_signs(s, r, length);
      for (int64_t e = threadIdx.x; e < length * NARROW; e += THREADS) {
        const int64_t i = by_rows ? e / NARROW : e % length, j = by_rows ? e % NARROW : e / length;
        const int64_t at = r + i - column;
        const bool inside = at >= 0 && at < columns && j < width;
        const REAL a = inside ? *in.at(b, at, j0 + j) : (REAL)0;
        W[i * NARROW + j] = with_sign(rl_sketch_bit(signs, r % 128 + i), a);
      }
      transform(W, length);
      for (int64_t e = threadIdx.x; e < rows * NARROW; e += THREADS) {
        const int64_t k = by_rows ? e / NARROW : e % rows, j = by_rows ? e % NARROW : e / rows;
        if (j >= width) continue;
        const int32_t code = rl_sketch_transform_code(kept[k], r, length);
        const REAL a = with_sign(code, W[(code >> 1) * NARROW + j]);
        REAL *const to = partial(sums, number, rows, n, by_rows, k, j0 + j);
        *to = r == first ? a : *to + a;
      }
    }
  }
}

/* The adjoint: blocks for (b, chunk, tile of columns).  Rows of X are added to places of a chunk in the order of
 * the rows: those of place q are order[starts[q]] ... order[starts[q + 1] - 1]. */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    sketch_transform_back(OPERATOR_ARGUMENTS, const int64_t *kept, const int64_t *order,
                          const int64_t *starts, int64_t length, REAL *x, int64_t ldx,
                          int64_t stridex, REAL *y, int64_t ldy, int64_t stridey, int by_rows,
                          int64_t n, int64_t items, int64_t chunks, int64_t tiles, double alpha,
                          int add) {
  RL_DYNAMIC_SHARED(REAL, W);
  const Operator s = OPERATOR;
  const Batch in = {x, ldx, stridex, by_rows != 0}, out = {y, ldy, stridey, by_rows != 0};
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t j0 = item % tiles * NARROW, width = least(NARROW, n - j0);
    const int64_t number = item / tiles, b = number / chunks;
    const int64_t r = (column / length + number % chunks) * length;
    __syncthreads();
    const uint32_t *const signs = draw_signs(s, r, length);
    for (int64_t e = threadIdx.x; e < length * NARROW; e += THREADS) {
      const int64_t i = e / NARROW, j = e % NARROW;
      REAL total = 0;
      for (int64_t q = starts[i]; j < width && q < starts[i + 1]; q++) {
        const int64_t k = order[q];
        total += with_sign(rl_sketch_transform_code(kept[k], r, length), *in.at(b, k, j0 + j));
      }
      W[i * NARROW + j] = total;
    }
    transform(W, length);
    for (int64_t e = threadIdx.x; e < length * NARROW; e += THREADS) {
      const int64_t i = by_rows ? e / NARROW : e % length, j = by_rows ? e % NARROW : e / length;
      const int64_t at = r + i - column;
      if (at < 0 || at >= columns || j >= width) continue;
      const REAL a = with_sign(rl_sketch_bit(signs, r % 128 + i), W[i * NARROW + j]);
      deliver(out.at(b, at, j0 + j), (REAL)alpha, a, add);
    }
  }
}

/* ---- dense ----------------------------------------------------------------------------------------------- */

/* The pair of Box and Muller, u in (0, 1]. */
static __device__ void normal_pair(double u, double v, double *first, double *second) {
  const double r = sqrt(-2 * log(u));
  sincospi(2 * v, second, first);
  *first *= r;
  *second *= r;
}
static __device__ void normal_pair(float u, float v, float *first, float *second) {
  const float r = sqrtf(-2 * logf(u));
  sincospif(2 * v, second, first);
  *first *= r;
  *second *= r;
}

/* Normal numbers of a block of words: in double precision two, of 53 bits each, else four. */
static __device__ int normals(const uint32_t word[4], int single, REAL x[4]) {
  if (single) {
    for (int pair = 0; pair < 2; pair++) {
      const float u = (float)word[2 * pair] * 0x1p-32f + 0x1p-33f;
      float first, second;
      normal_pair(u, (float)word[2 * pair + 1] * 0x1p-32f, &first, &second);
      x[2 * pair] = (REAL)first;
      x[2 * pair + 1] = (REAL)second;
    }
    return 4;
  }
  const uint64_t a = (word[0] | (uint64_t)word[1] << 32) >> 11;
  const uint64_t b = (word[2] | (uint64_t)word[3] << 32) >> 11;
  double first, second;
  normal_pair((double)(a + 1) * 0x1p-53, (double)b * 0x1p-53, &first, &second);
  x[0] = (REAL)first;
  x[1] = (REAL)second;
  return 2;
}

/* u = U^T, columns x rows by rows: a thread for each block of words.  With `subs`, each column is a sub-stream of its
 * own, from the first one on. */
extern "C" __global__ void __launch_bounds__(THREADS)
    sketch_normals(OPERATOR_ARGUMENTS, int single, int subs, int64_t items, REAL *u) {
  const Operator s = OPERATOR;
  const int64_t per = single ? 4 : 2, first = row / per,
                blocks = (row + rows - 1) / per - first + 1;
  for (int64_t e = (int64_t)blockIdx.x * THREADS + threadIdx.x; e < items;
       e += (int64_t)gridDim.x * THREADS) {
    const int64_t i = e / blocks, block = first + e % blocks;
    uint32_t word[4];
    REAL x[4];
    const uint64_t before = subs ? 0 : (uint64_t)(column + i) * (uint64_t)((d + per - 1) / per);
    rl_philox_block(key, offset, s.kind, s.sub + (subs ? (uint32_t)i : 0), before + (uint64_t)block,
                    word);
    const int count = normals(word, single, x);
    for (int q = 0; q < count; q++) {
      const int64_t k = block * per + q - row;
      if (k >= 0 && k < rows) u[i * rows + k] = x[q];
    }
  }
}

/* The same for signs: a thread draws a word, and the threads of a warp write its 32 entries side by side. */
extern "C" __global__ void __launch_bounds__(THREADS)
    sketch_signs(OPERATOR_ARGUMENTS, int64_t items, REAL *u) {
  const Operator s = OPERATOR;
  const int64_t first = row / 32, each = (row + rows - 1) / 32 - first + 1;
  const int64_t lane = rl_lane();
  for (int64_t start = ((int64_t)blockIdx.x * THREADS + threadIdx.x) - lane; start < items;
       start += (int64_t)gridDim.x * THREADS) {
    const int64_t mine = least(start + lane, items - 1), word_of = first + mine % each;
    uint32_t word[4];
    s.words(
        (uint64_t)(column + mine / each) * (uint64_t)((d + 127) / 128) + (uint64_t)(word_of / 4),
        word);
    const uint32_t half[2] = {word_of & 2 ? word[2] : word[0], word_of & 2 ? word[3] : word[1]};
    const uint32_t drawn = word_of & 1 ? half[1] : half[0];
    int64_t i = start / each, at = start % each;
    for (int q = 0; q < RL_WARP; q++) {
      const uint32_t bits = __shfl_sync(RL_ALL_LANES, drawn, q);
      const int64_t k = (first + at) * 32 + lane - row;
      if (start + q < items && k >= 0 && k < rows)
        u[i * rows + k] = bits >> lane & 1 ? (REAL)-1 : (REAL)1;
      if (++at == each) {
        at = 0;
        i++;
      }
    }
  }
}
