/* Exact top-k of rows, for words of 8, 16, 32 or 64 bits: WORD is uint8_t ... uint64_t.
 *
 * The k-th largest key comes by radix select (topk.cuh): three passes over a row of 32-bit words, six of 64-bit
 * ones.  It ends early where all of a digit's keys are taken.
 * Then the row is read once more, in order: a prefix sum over the block places what exceeds the k-th key, and
 * the first of its equals, by index.  Nothing depends on the order of threads or blocks: results equal those of
 * the CPU, ties included.
 *
 * A row is one block's, or is cut into parts with a block for each, and the histograms are then in global
 * memory.  Limits: a row is read four times (seven), the later ones from cache where it fits. */
#include "topk.cuh"

enum { RADIX = 256 /* of the sort */ };
#define NO_NAN 0x7fffffffffffffffLL

/* ---- what is written ----------------------------------------------------------------------------------- */

struct Output {
  const WORD *row;
  WORD *values;      /* where not NULL */
  void *indices;     /* where not NULL: int64_t or, `narrow`, int32_t */
  bool narrow, kth;  /* kth: the last of the order alone */
  const WORD *every; /* where not NULL: the row's first NaN, which all values become */
};

static __device__ void emit(const Output &out, int64_t place, int64_t i) {
  if (out.values) out.values[place] = out.every ? *out.every : out.row[i];
  if (!out.indices) return;
  if (out.narrow)
    static_cast<int32_t *>(out.indices)[place] = (int32_t)i;
  else
    static_cast<int64_t *>(out.indices)[place] = i;
}

/* Write what is selected in row[begin, end), in order; `above` and `equal` elements of it came before. */
static __device__ void place(const Output &out, int64_t start, int64_t begin, int64_t end, Order o,
                             Bound b, int64_t above, int64_t equal) {
  __shared__ uint32_t scratch[RL_WARP];
  for (int64_t first = begin; first < end; first += blockDim.x) {
    const int64_t i = first + threadIdx.x;
    const WORD key = i < end ? (WORD)(key_of(o, out.row[i]) & b.mask) : 0;
    const bool over = i < end && key > b.prefix, even = i < end && key == b.prefix;
    if (!__syncthreads_or(over || even)) continue;
    uint32_t total; /* two counts in one word: a block has at most 1024 of each */
    const uint32_t before = rl_block_prefix((uint32_t)over | (uint32_t)even << 16, scratch, &total);
    const int64_t rank = equal + (before >> 16), larger = above + (before & 0xffff);
    if (out.kth) {
      if (even && rank == b.need - 1) emit(out, start, i);
    } else if (over || (even && rank < b.need)) {
      emit(out, start + larger + (rank < b.need ? rank : b.need), i);
    }
    above += total & 0xffff;
    equal += total >> 16;
  }
}

#define OUTPUT_ARGUMENTS \
  WORD *values, void *indices, int64_t narrow, int64_t kth, const int64_t *first_nan
static __device__ Output output(const WORD *row, int64_t number, OUTPUT_ARGUMENTS) {
  Output out;
  out.row = row;
  out.values = values;
  out.indices = indices;
  out.narrow = narrow != 0;
  out.kth = kth != 0;
  out.every = first_nan && first_nan[number] != NO_NAN ? row + first_nan[number] : nullptr;
  return out;
}

/* ---- one block for each row ---------------------------------------------------------------------------- */

#define ROW_ARGUMENTS const WORD *x, int64_t ld, int64_t n, const int64_t *lengths

extern "C" __global__ void topk_rows(ROW_ARGUMENTS, int64_t k, ORDER_ARGUMENTS, OUTPUT_ARGUMENTS) {
  const Order o = ORDER;
  const int64_t number = blockIdx.x;
  const WORD *row = x + number * ld;
  const int64_t size = lengths ? lengths[number] : n;
  Bound b = unbound(k);
  for (int top = BITS; !b.done; top -= DIGIT) {
    const int shift = digit_below(top);
    count_digits(row, 0, size, o, b, shift, histogram());
    b = choose(histogram(), b, shift, kth != 0);
  }
  const Output out = output(row, number, values, indices, narrow, kth, first_nan);
  place(out, kth ? number : number * k, 0, size, o, b, 0, 0);
}

/* ---- several blocks for each row ----------------------------------------------------------------------- */

/* Block number i has part i % parts of row i / parts: elements [begin, end). */
struct Part {
  int64_t number, row, part, begin, end;
};
static __device__ Part part_of(int64_t parts, int64_t chunk, int64_t n, const int64_t *lengths) {
  Part p;
  p.number = blockIdx.x;
  p.row = p.number / parts;
  p.part = p.number % parts;
  const int64_t size = lengths ? lengths[p.row] : n;
  p.begin = p.part * chunk;
  p.end = p.begin + chunk < size ? p.begin + chunk : size;
  return p;
}

/* Bounds between launches: four words for each row. */
static __device__ Bound load_bound(const uint64_t *bounds, int64_t row) {
  Bound b;
  b.prefix = (WORD)bounds[4 * row];
  b.mask = (WORD)bounds[4 * row + 1];
  b.need = (int64_t)bounds[4 * row + 2];
  b.done = bounds[4 * row + 3] != 0;
  return b;
}

/* Add the histogram of the digit below `top` to that of the row; before the first digit all words of the bounds
 * and of the histograms are 0. */
extern "C" __global__ void topk_count(ROW_ARGUMENTS, int64_t parts, int64_t chunk, ORDER_ARGUMENTS,
                                      int64_t top, const uint64_t *bounds, uint64_t *bins) {
  const Order o = ORDER;
  const Part p = part_of(parts, chunk, n, lengths);
  const Bound b = load_bound(bounds, p.row);
  uint32_t *own = histogram();
  if (!b.done) { /* the same for all threads of a block */
    count_digits(x + p.row * ld, p.begin, p.end, o, b, digit_below((int)top), own);
    for (unsigned i = threadIdx.x; i < BINS; i += blockDim.x)
      if (own[i]) atomicAdd(&bins[p.row * BINS + i], (uint64_t)own[i]);
  }
}

/* One block for each row: the next digit of its bound.  The histogram is cleared for the next one. */
extern "C" __global__ void topk_choose(int64_t k, int64_t top, int64_t exact, uint64_t *bounds,
                                       uint64_t *bins) {
  const int64_t row = blockIdx.x;
  Bound b = load_bound(bounds, row);
  if (top == BITS) b = unbound(k);
  if (!b.done) {
    b = choose(bins + row * BINS, b, digit_below((int)top), exact != 0);
    for (unsigned i = threadIdx.x; i < BINS; i += blockDim.x) bins[row * BINS + i] = 0;
    if (threadIdx.x == 0) {
      bounds[4 * row] = b.prefix;
      bounds[4 * row + 1] = b.mask;
      bounds[4 * row + 2] = (uint64_t)b.need;
      bounds[4 * row + 3] = b.done;
    }
  }
}

/* How many elements of each part exceed the bound, and equal it. */
extern "C" __global__ void topk_tally(ROW_ARGUMENTS, int64_t parts, int64_t chunk, ORDER_ARGUMENTS,
                                      const uint64_t *bounds, int64_t *counts) {
  __shared__ uint64_t scratch[RL_WARP];
  const Order o = ORDER;
  const Part p = part_of(parts, chunk, n, lengths);
  const Bound b = load_bound(bounds, p.row);
  const WORD *row = x + p.row * ld;
  uint32_t over = 0, even = 0;
  for (int64_t i = p.begin + threadIdx.x; i < p.end; i += blockDim.x) {
    const WORD key = (WORD)(key_of(o, row[i]) & b.mask);
    over += key > b.prefix;
    even += key == b.prefix;
  }
  uint64_t total;
  rl_block_prefix((uint64_t)over | (uint64_t)even << 32, scratch, &total);
  if (threadIdx.x == 0) {
    counts[2 * p.number] = (int64_t)(total & 0xffffffff);
    counts[2 * p.number + 1] = (int64_t)(total >> 32);
  }
}

extern "C" __global__ void topk_place(ROW_ARGUMENTS, int64_t parts, int64_t chunk, int64_t k,
                                      ORDER_ARGUMENTS, const uint64_t *bounds,
                                      const int64_t *counts, OUTPUT_ARGUMENTS) {
  __shared__ uint64_t scratch[RL_WARP];
  const Order o = ORDER;
  const Part p = part_of(parts, chunk, n, lengths);
  const WORD *row = x + p.row * ld;
  const int64_t *before = counts + 2 * p.row * parts;
  uint64_t over = 0, even = 0, above, equal;
  for (int64_t i = threadIdx.x; i < p.part; i += blockDim.x) {
    over += (uint64_t)before[2 * i];
    even += (uint64_t)before[2 * i + 1];
  }
  rl_block_prefix(over, scratch, &above);
  rl_block_prefix(even, scratch, &equal);
  const Output out = output(row, p.row, values, indices, narrow, kth, first_nan);
  place(out, kth ? p.row : p.row * k, p.begin, p.end, o, load_bound(bounds, p.row), (int64_t)above,
        (int64_t)equal);
}

/* The position of the first NaN of each row; NO_NAN before. */
extern "C" __global__ void topk_nan(ROW_ARGUMENTS, int64_t parts, int64_t chunk, ORDER_ARGUMENTS,
                                    int64_t *first_nan) {
  const Order o = ORDER;
  const Part p = part_of(parts, chunk, n, lengths);
  const WORD *row = x + p.row * ld;
  int64_t i = p.begin + threadIdx.x;
  while (i < p.end && !is_nan(o, row[i])) i += blockDim.x;
  if (i < p.end) atomicMin(&first_nan[p.row], i);
}

/* ---- best first ---------------------------------------------------------------------------------------- */

/* Sort k pairs of each row, in `chosen` by ascending index, in shared memory: bitonic, on (key, place), so that equal
 * keys keep their order.  `width`, a power of 2, is at least k. */
extern "C" __global__ void topk_sort(const WORD *x, int64_t ld, int64_t k, int64_t width,
                                     ORDER_ARGUMENTS, const int64_t *chosen, OUTPUT_ARGUMENTS) {
  RL_DYNAMIC_SHARED(WORD, keys);
  uint32_t *places = reinterpret_cast<uint32_t *>(keys + (width < 8 ? 8 : width));
  const Order o = ORDER;
  const int64_t number = blockIdx.x;
  const WORD *row = x + number * ld;
  const int64_t *mine = chosen + number * k;
  for (unsigned i = threadIdx.x; i < width; i += blockDim.x) {
    keys[i] = i < k ? key_of(o, row[mine[i]]) : 0;
    places[i] = i; /* what fills up comes after all others of key 0 */
  }
  for (unsigned size = 2; size <= width; size *= 2)
    for (unsigned apart = size / 2; apart > 0; apart /= 2) {
      __syncthreads();
      for (unsigned pair = threadIdx.x; pair < width / 2; pair += blockDim.x) {
        const unsigned i = pair / apart * 2 * apart + pair % apart, j = i + apart;
        const WORD a = keys[i], c = keys[j];
        const uint32_t p = places[i], q = places[j];
        const bool ordered = a > c || (a == c && p < q);
        if (ordered != ((i & size) == 0)) {
          keys[i] = c;
          keys[j] = a;
          places[i] = q;
          places[j] = p;
        }
      }
    }
  __syncthreads();
  const Output out = output(row, number, values, indices, narrow, kth, first_nan);
  for (unsigned i = threadIdx.x; i < k; i += blockDim.x) emit(out, number * k + i, mine[places[i]]);
}

/* More than shared memory holds: a radix sort from the lowest digit, each pass stable.  Its keys are the complements,
 * ascending, and go along with the indices from one buffer to another. */
extern "C" __global__ void topk_keys(const WORD *x, int64_t ld, int64_t k, int64_t count,
                                     ORDER_ARGUMENTS, const int64_t *chosen, WORD *keys) {
  const Order o = ORDER;
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) keys[i] = (WORD)~key_of(o, x[i / k * ld + chosen[i]]);
}

/* counts[row][digit][part]. */
extern "C" __global__ void topk_radix_count(const WORD *keys, int64_t k, int64_t parts,
                                            int64_t chunk, int64_t shift, int64_t *counts) {
  uint32_t *bins = histogram();
  const Part p = part_of(parts, chunk, k, nullptr);
  for (unsigned i = threadIdx.x; i < RADIX; i += blockDim.x) bins[i] = 0;
  __syncthreads();
  for (int64_t i = p.begin + threadIdx.x; i < p.end; i += blockDim.x)
    atomicAdd(&bins[(unsigned)(keys[p.row * k + i] >> shift) % RADIX], 1u);
  __syncthreads();
  for (unsigned i = threadIdx.x; i < RADIX; i += blockDim.x)
    counts[(p.row * RADIX + i) * parts + p.part] = bins[i];
}

/* One block for each row: counts become places. */
extern "C" __global__ void topk_radix_scan(int64_t size, int64_t *counts) {
  __shared__ uint64_t scratch[RL_WARP];
  int64_t *mine = counts + blockIdx.x * size;
  uint64_t ahead = 0, total;
  for (int64_t first = 0; first < size; first += blockDim.x) {
    const int64_t i = first + threadIdx.x;
    const uint64_t before = rl_block_prefix(i < size ? (uint64_t)mine[i] : 0, scratch, &total);
    if (i < size) mine[i] = (int64_t)(ahead + before);
    ahead += total;
  }
}

/* To where the counts say; RADIX threads.  Elements of one digit keep their order: within a warp lanes count
 * those below, then warps, then one round of the block after the other. */
extern "C" __global__ void topk_radix_scatter(const WORD *keys, const int64_t *indices, int64_t k,
                                              int64_t parts, int64_t chunk, int64_t shift,
                                              const int64_t *counts, WORD *to_keys,
                                              int64_t *to_indices) {
  __shared__ uint16_t
      ranks[RADIX / RL_WARP][RADIX]; /* of each warp, then what the warps before it have */
  __shared__ int64_t next[RADIX];
  const Part p = part_of(parts, chunk, k, nullptr);
  next[threadIdx.x] = counts[(p.row * RADIX + threadIdx.x) * parts + p.part];
  for (int64_t first = p.begin; first < p.end; first += blockDim.x) {
    const int64_t i = first + threadIdx.x, at = p.row * k + i;
    for (unsigned w = 0; w < RADIX / RL_WARP; w++) ranks[w][threadIdx.x] = 0;
    __syncthreads();
    const WORD key = i < p.end ? keys[at] : 0;
    /* past the end: a digit that nobody has */
    const unsigned digit = i < p.end ? (unsigned)(key >> shift) % RADIX : RADIX;
    const unsigned peers = __match_any_sync(RL_ALL_LANES, digit);
    const unsigned rank = __popc(peers & rl_lanes_below());
    if (i < p.end && rank == 0) ranks[rl_warp()][digit] = (uint16_t)__popc(peers);
    __syncthreads();
    unsigned sum = 0; /* this thread's digit is threadIdx.x */
    for (unsigned w = 0; w < RADIX / RL_WARP; w++) {
      const unsigned own = ranks[w][threadIdx.x];
      ranks[w][threadIdx.x] = (uint16_t)sum;
      sum += own;
    }
    __syncthreads();
    if (i < p.end) {
      const int64_t to = p.row * k + next[digit] + ranks[rl_warp()][digit] + rank;
      to_keys[to] = key;
      to_indices[to] = indices[at];
    }
    __syncthreads();
    next[threadIdx.x] += sum;
  }
}

/* Values and indices of what was sorted. */
extern "C" __global__ void topk_gather(const WORD *x, int64_t ld, int64_t k, int64_t count,
                                       const int64_t *sorted, OUTPUT_ARGUMENTS) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    const int64_t number = i / k;
    const Output out = output(x + number * ld, number, values, indices, narrow, kth, first_nan);
    emit(out, i, sorted[i]);
  }
}

/* ---- what follows from ascending indices --------------------------------------------------------------- */

extern "C" __global__ void topk_mask(const int64_t *indices, int64_t k, int64_t n, int64_t count,
                                     uint8_t *mask) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) mask[i / k * n + indices[i]] = 1;
}

/* The other indices, m of each row.  Number r of them is r + c, c the selected ones before it, which are those where
 * indices[j] - j <= r: that never decreases with j. */
extern "C" __global__ void topk_rest(const int64_t *indices, int64_t k, int64_t m, int64_t count,
                                     int64_t *rest) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    const int64_t *mine = indices + i / m * k, r = i % m;
    int64_t low = 0, high = k;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (mine[middle] - middle <= r)
        low = middle + 1;
      else
        high = middle;
    }
    rest[i] = r + low;
  }
}
