/* Random numbers as pure functions of (key, offset, kind, sub, index): any part of a stream can be made
 * alone, by any thread, with the same bits.  Normal numbers are made by kernels, which contract no a*b + c: the
 * bits do not depend on the ISA level either. */
#include <stdlib.h>

#include "dispatch.h"
#include "memory.h"
#include "randla.h"
#include "randla/device/philox.h"

static int bad_range(int64_t count, const void *x) { return count < 0 || (count > 0 && x == NULL); }

static void block(rl_stream s, uint32_t kind, uint32_t sub, uint64_t b, uint32_t word[4]) {
  rl_philox_block(s.key, s.offset, kind, sub, b, word);
}

/* Words 2h and 2h+1 of a block as one of 64 bits. */
static uint64_t word64(const uint32_t word[4], int h) {
  return word[2 * h] | (uint64_t)word[2 * h + 1] << 32;
}

int rl_stream_words(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t b, int64_t count,
                    uint32_t *words) {
  if (bad_range(count, words)) return RL_ERR_SIZE;
  for (int64_t i = 0; i < count; i++) block(stream, kind, sub, b + (uint64_t)i, words + 4 * i);
  return RL_OK;
}

/* EACH(per, body): for element i of the range with `word` its block, of which it is member h of `per`. */
#define EACH(per, body)                                               \
  uint32_t word[4];                                                   \
  for (int64_t i = 0; i < count; i++) {                               \
    const uint64_t at = first + (uint64_t)i;                          \
    const int h = (int)(at % (per));                                  \
    if (i == 0 || h == 0) block(stream, kind, sub, at / (per), word); \
    x[i] = body;                                                      \
  }

int rl_suniform(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                float *x) {
  if (bad_range(count, x)) return RL_ERR_SIZE;
  EACH(4, (float)(word[h] >> 8) * 0x1p-24F)
  return RL_OK;
}

int rl_duniform(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                double *x) {
  if (bad_range(count, x)) return RL_ERR_SIZE;
  EACH(2, (double)(word64(word, h) >> 11) * 0x1p-53)
  return RL_OK;
}

int rl_signs(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
             int8_t *x) {
  if (bad_range(count, x)) return RL_ERR_SIZE;
  EACH(4, (int8_t)(1 - 2 * (int)(word[h] & 1)))
  return RL_OK;
}

/* floor((W >> 1) bound / 2^63): the sign of the same word is its bit 0, independent of this. */
static int64_t below(uint64_t w, int64_t bound) {
  const uint64_t a = w >> 1, n = (uint64_t)bound; /* both below 2^63 */
  const uint64_t al = a & 0xffffffffU, ah = a >> 32, nl = n & 0xffffffffU, nh = n >> 32;
  const uint64_t mid = ah * nl + ((al * nl) >> 32), mid2 = al * nh + (mid & 0xffffffffU);
  const uint64_t high = ah * nh + (mid >> 32) + (mid2 >> 32);
  const uint64_t low = mid2 << 32 | ((al * nl) & 0xffffffffU);
  return (int64_t)(high << 1 | low >> 63);
}

int rl_integers(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
                int64_t bound, int64_t *x) {
  if (bad_range(count, x) || bound < 1) return RL_ERR_SIZE;
  EACH(2, below(word64(word, h), bound))
  return RL_OK;
}

/* NORMAL(p, REAL, PER): elements of whole blocks come from the kernel; the first and the last block may be cut. */
#define NORMAL(p, REAL, PER)                                                                       \
  int rl_##p##normal(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count, \
                     REAL *x) {                                                                    \
    if (bad_range(count, x)) return RL_ERR_SIZE;                                                   \
    const rl_sketch_kernels_##p *const kernels = &rl_kernels_in_use()->sketch->p;                  \
    const int64_t ahead = (int64_t)(first % (PER));                                                \
    int64_t done = 0;                                                                              \
    while (done < count) {                                                                         \
      const uint64_t at = first + (uint64_t)done;                                                  \
      const int64_t whole = (count - done) / (PER);                                                \
      if (at % (PER) == 0 && whole > 0) {                                                          \
        kernels->normals(stream, kind, sub, at / (PER), whole, x + done);                          \
        done += (PER) * whole;                                                                     \
        continue;                                                                                  \
      }                                                                                            \
      REAL block[PER];                                                                             \
      kernels->normals(stream, kind, sub, at / (PER), 1, block);                                   \
      const int64_t from = done == 0 ? ahead : 0;                                                  \
      for (int64_t i = from; i < (PER) && done < count; i++) x[done++] = block[i];                 \
    }                                                                                              \
    return RL_OK;                                                                                  \
  }
NORMAL(s, float, 4)
NORMAL(d, double, 2)

static int ascending(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

int rl_stream_subset(rl_stream stream, uint32_t kind, uint32_t sub, int64_t count, int64_t bound,
                     int64_t *chosen) {
  if (bad_range(count, chosen) || bound < count) return RL_ERR_SIZE;
  if (count == 0) return RL_OK;
  /* a table of what was taken, by multiplicative hashing: at most half full */
  int64_t slots = 16;
  while (slots < 2 * count && slots < INT64_MAX / 4) slots *= 2;
  int64_t *const table = rl_alloc(slots, sizeof *table);
  if (table == NULL) return RL_ERR_MEMORY;
  const int shift = 64 - __builtin_ctzll((uint64_t)slots);
  for (int64_t i = 0; i < slots; i++) table[i] = -1;
  uint32_t word[4];
  for (int64_t t = 0; t < count; t++) {
    const int64_t last = bound - count + t;
    if (t % 2 == 0) block(stream, kind, sub, (uint64_t)t / 2, word);
    int64_t r = below(word64(word, (int)(t % 2)), last + 1);
    for (int attempt = 0; attempt < 2; attempt++) { /* r, or `last`, which nobody can have taken */
      uint64_t at = (uint64_t)r * 0x9E3779B97F4A7C15U >> shift;
      while (table[at] >= 0 && table[at] != r) at = (at + 1) & (uint64_t)(slots - 1);
      if (table[at] < 0) {
        table[at] = r;
        break;
      }
      r = last;
    }
    chosen[t] = r;
  }
  rl_free(table);
  qsort(chosen, (size_t)count, sizeof *chosen, ascending);
  return RL_OK;
}
