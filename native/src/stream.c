/* Random numbers as pure functions of (key, offset, kind, sub, index): any part of a stream can be made
 * alone, by any thread, with the same bits.  Compiled without contraction of a*b + c, so that the
 * bits do not depend on the ISA level either. */
#include <math.h>

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

/* The pair (cos, sin)(2 pi v) sqrt(-2 ln u) of Box and Muller.  Both functions are sums of their series,
 * after exact reductions: ln u = e ln 2 + 2 artanh z, z = (m - 1)/(m + 1), |z| <= 0.1716; and
 * 2 pi v = q pi/2 + x, |x| <= pi/4.  Errors below 2 ulp. */
#define RL_TYPE_S
#include "generic.h"
#include "stream.inc"
#define RL_TYPE_D
#include "generic.h"
#include "stream.inc"

/* 24 bits are enough for neither tail: u lies in the middle of its 2^32 cells. */
int rl_snormal(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
               float *x) {
  if (bad_range(count, x)) return RL_ERR_SIZE;
  float pair[4] = {0};
  uint32_t word[4];
  for (int64_t i = 0; i < count; i++) {
    const uint64_t at = first + (uint64_t)i;
    if (i == 0 || at % 4 == 0) {
      block(stream, kind, sub, at / 4, word);
      for (int h = 0; h < 4; h += 2)
        normal_pair_s((float)word[h] * 0x1p-32F + 0x1p-33F, (float)word[h + 1] * 0x1p-32F,
                      pair + h);
    }
    x[i] = pair[at % 4];
  }
  return RL_OK;
}

int rl_dnormal(rl_stream stream, uint32_t kind, uint32_t sub, uint64_t first, int64_t count,
               double *x) {
  if (bad_range(count, x)) return RL_ERR_SIZE;
  double pair[2] = {0};
  uint32_t word[4];
  for (int64_t i = 0; i < count; i++) {
    const uint64_t at = first + (uint64_t)i;
    if (i == 0 || at % 2 == 0) {
      block(stream, kind, sub, at / 2, word);
      normal_pair_d((double)((word64(word, 0) >> 11) + 1) * 0x1p-53,
                    (double)(word64(word, 1) >> 11) * 0x1p-53, pair);
    }
    x[i] = pair[at % 2];
  }
  return RL_OK;
}
