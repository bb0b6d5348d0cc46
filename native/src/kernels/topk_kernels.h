/* What top-k selection needs from an ISA level, for words of 32 bits (s; narrower types are widened) and of
 * 64 (d).
 *
 * Everything is decided on keys: signed integers that have the order of the elements, larger first, equal
 * where elements tie.  For a word w, in two's complement:
 *
 *   float    w ^ ((w >> bits - 1) & MAX), which orders all finite and infinite numbers; -0 becomes +0; NaN
 *            becomes MAX or MIN
 *   integer  w, or for unsigned ones w ^ MIN
 *   ~ that   where the smallest are wanted (a negative number would overflow, and move the NaN)
 *
 * No arithmetic on floats: flush-to-zero, which other libraries switch on, changes nothing here. */
#ifndef RL_TOPK_KERNELS_H
#define RL_TOPK_KERNELS_H

#include <stdint.h>

enum { RL_TOPK_INTEGER, RL_TOPK_FLOAT, RL_TOPK_HALF };

/* How words become keys. */
typedef struct {
  int kind;         /* RL_TOPK_HALF: a float, but its word is no number of the processor */
  int64_t mask;     /* xor of all: -1 for the smallest, MIN of unsigned integers, or both */
  int64_t infinity; /* its word */
  int64_t nan;      /* key of NaN, before the mask */
} rl_topk_order;

/* What emit() writes. */
enum { RL_TOPK_VALUES = 1, RL_TOPK_INDICES = 2 };

/* Every output of a kernel needs this many elements more than it is said to write. */
#define RL_TOPK_PAD 16

/* As many keys as places() takes: beyond, radix sort is faster. */
#define RL_TOPK_PAIRS 128

#define RL_TOPK_KERNEL_TABLE(INT, name)                                                                              \
  typedef struct {                                                                                                   \
    INT threshold;                                                                                                   \
    int64_t above; /* number of keys > threshold */                                                                  \
    int64_t equal; /* number of keys == threshold, where k > above */                                                \
  } name##_cut;                                                                                                      \
  typedef struct {                                                                                                   \
    /* words from elements of `size` < sizeof(INT) bytes, in the high bits */                                        \
    void (*widen)(int size, const void *x, int64_t n, INT *w);                                                       \
    /* ahead: bytes to what will be read next, which is fetched meanwhile; 0: nothing */                             \
    void (*keys)(const rl_topk_order *order, const INT *w, int64_t n, int64_t ahead, INT *key);                      \
    /* words and positions, beginning with `first`, of the keys > low; their number.     \
     * many: about how many of a thousand will qualify */                           \
    int64_t (*collect)(const rl_topk_order *order, const INT *w, int64_t n, int64_t ahead,                           \
                       INT first, INT low, int many, INT *word, INT *index);                                         \
    /* the keys in the open interval (low, high), their number; *top: how many are >= high */                        \
    int64_t (*between)(const INT *key, int64_t n, INT low, INT high, INT *middle, int64_t *top);                     \
    void (*tally)(const INT *key, int64_t n, INT threshold, int64_t *above, int64_t *equal);                         \
    /* the k-th largest of 1 <= k <= n keys; unless `exact`, perhaps any threshold with above == k.  \
     * scratch: 2 (n + RL_TOPK_PAD) */               \
    name##_cut (*kth)(const INT *key, int64_t n, int64_t k, int exact, INT *scratch);                                \
    /* words and indices where key >= threshold; without `index`: positions from `first`; `what`:    \
     * which of the two */               \
    int64_t (*emit)(int what, const INT *key, const INT *w, const INT *index, INT first,                             \
                    int64_t n, INT threshold, INT *word, INT *position);                                             \
    void (*store_values)(int size, const INT *w, int64_t n, void *val);                                              \
    void (*store_indices)(int size, const INT *index, int64_t n, int64_t base, void *idx);                           \
    int64_t (*first_nan)(const rl_topk_order *order, const INT *w, int64_t n); /* -1: none */                        \
    /* place[i]: how many of n <= RL_TOPK_PAIRS keys come before key i, larger ones first, equal ones by position */ \
    void (*places)(const INT *key, int64_t n, INT *place);                                                           \
  } name;
RL_TOPK_KERNEL_TABLE(int32_t, rl_topk_kernels_s)
RL_TOPK_KERNEL_TABLE(int64_t, rl_topk_kernels_d)

typedef struct {
  rl_topk_kernels_s s;
  rl_topk_kernels_d d;
} rl_topk_kernels;

/* Element j of a sample of m from n: one of each of m equal parts of the row, at a place in it that follows the
 * golden ratio.  Ascending, as the prefetcher likes it; and no period of the data resonates with it. */
static inline int64_t rl_topk_sample(int64_t j, double part, uint32_t seed) {
  const uint32_t fraction = seed + (uint32_t)j * 0x9E3779B9U;
  return (int64_t)(((double)j + fraction * 0x1p-32) * part);
}

#endif
