/* Radix select: the k-th largest of the keys of a row, for words of 8, 16, 32 or 64 bits.  WORD is
 * uint8_t ... uint64_t.
 *
 * An element becomes a key, an unsigned integer of the same order.  Digit by digit from the top, a histogram of
 * the keys that have the digits found so far tells the next digit of the k-th largest key. */
#ifndef RANDLA_TOPK_CUH
#define RANDLA_TOPK_CUH

#include "common.cuh"

enum {
  BITS = 8 * sizeof(WORD),
  DIGIT = BITS > 16 ? 11 : 8, /* bits of a digit of the selection */
  BINS = 1 << DIGIT
};
#define SIGN ((WORD)((WORD)1 << (BITS - 1)))

/* How elements compare, larger first: what topk.py makes of dtype, `largest` and `nan`. */
struct Order {
  WORD infinity;   /* bits of infinity, 0 for integers */
  WORD flip;       /* integers: SIGN where they have one */
  WORD complement; /* all ones for the smallest */
  WORD nan;        /* key of a NaN */
};
#define ORDER_ARGUMENTS uint64_t infinity, uint64_t flip, uint64_t complement, uint64_t nan
#define ORDER {(WORD)infinity, (WORD)flip, (WORD)complement, (WORD)nan}

static __device__ bool is_nan(Order o, WORD bits) {
  return o.infinity != 0 && (WORD)(bits & (WORD)~SIGN) > o.infinity;
}

static __device__ WORD key_of(Order o, WORD bits) {
  if (o.infinity == 0) return bits ^ o.flip ^ o.complement;
  if (is_nan(o, bits)) return o.nan;
  if ((WORD)(bits << 1) == 0) bits = 0; /* -0 is 0 */
  return (WORD)(bits & SIGN ? ~bits : bits | SIGN) ^ o.complement;
}

/* What is known of the k-th key: its bits in `mask`, which are `prefix`.  Selected are all elements whose masked
 * key is larger, and the first `need` of those where it is equal. */
struct Bound {
  WORD prefix, mask;
  int64_t need;
  bool done;
};
static __device__ Bound unbound(int64_t k) {
  Bound b;
  b.prefix = b.mask = 0;
  b.need = k;
  b.done = false;
  return b;
}

/* Shift of the digit below `top` bits. */
static __device__ __forceinline__ int digit_below(int top) { return top > DIGIT ? top - DIGIT : 0; }

/* One copy for all kernels of the module: those that need it. */
static __device__ uint32_t *histogram() {
  __shared__ uint32_t bins[BINS];
  return bins;
}

/* Histogram of the digit at `shift` of the keys in row[begin, end) that agree with the bound. */
static __device__ void count_digits(const WORD *row, int64_t begin, int64_t end, Order o, Bound b,
                                    int shift, uint32_t *bins) {
  for (unsigned i = threadIdx.x; i < BINS; i += blockDim.x) bins[i] = 0;
  __syncthreads();
  for (int64_t first = begin; first < end; first += blockDim.x) {
    const int64_t i = first + threadIdx.x;
    const WORD key = i < end ? key_of(o, row[i]) : 0;
    const bool counts = i < end && (WORD)(key & b.mask) == b.prefix;
    const unsigned lanes = __ballot_sync(RL_ALL_LANES, counts);
    if (lanes == 0) continue;
    /* where many keys are alike, 32 additions to one place would wait for each other */
    const unsigned bin = (unsigned)((WORD)(key & (WORD)~b.mask) >> shift),
                   leader = __ffs(lanes) - 1;
    const unsigned common = __shfl_sync(RL_ALL_LANES, bin, leader);
    if (__ballot_sync(RL_ALL_LANES, counts && bin == common) == lanes) {
      if (rl_lane() == leader) atomicAdd(&bins[common], (uint32_t)__popc(lanes));
    } else if (counts) {
      atomicAdd(&bins[bin], 1u);
    }
  }
  __syncthreads();
}

/* The bound with one more digit.  `exact`: go on to the last bit even if all of a digit's keys are taken. */
template <class T>
static __device__ Bound choose(const T *bins, Bound b, int shift, bool exact) {
  __shared__ uint64_t scratch[RL_WARP];
  __shared__ Bound chosen;
  const unsigned each = (BINS + blockDim.x - 1) / blockDim.x, first = threadIdx.x * each;
  uint64_t sum = 0, total;
  for (unsigned j = 0; j < each; j++)
    if (first + j < BINS) sum += bins[BINS - 1 - (first + j)]; /* the largest digit first */
  uint64_t ahead = rl_block_prefix(sum, scratch, &total);
  const uint64_t need = (uint64_t)b.need;
  if (ahead < need && need <= ahead + sum) { /* one thread */
    unsigned j = first;
    while (ahead + bins[BINS - 1 - j] < need) ahead += bins[BINS - 1 - j++];
    const WORD digit = (WORD)(BINS - 1 - j);
    chosen.prefix = b.prefix | (WORD)(digit << shift);
    chosen.mask = (WORD)((WORD) ~(WORD)0 << shift);
    chosen.need = (int64_t)(need - ahead);
    chosen.done = shift == 0 || (!exact && bins[BINS - 1 - j] == need - ahead);
  }
  __syncthreads();
  return chosen;
}

#endif
