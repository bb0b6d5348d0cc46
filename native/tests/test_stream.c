/* Random numbers: the known answers of Philox, and every element a function of its place alone. */
#include <math.h>

#include "randla/device/philox.h"
#include "test_common.h"

/* Random123's kat_vectors for philox4x32, 10 rounds. */
static void known_answers(void) {
  static const struct {
    uint32_t counter[4], key[2], expected[4];
  } kat[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t t = 0; t < sizeof kat / sizeof *kat; t++) {
    uint32_t word[4];
    memcpy(word, kat[t].counter, sizeof word);
    rl_philox(word, kat[t].key[0], kat[t].key[1]);
    CHECK(memcmp(word, kat[t].expected, sizeof word) == 0, "vector %d: %08x ...", (int)t, word[0]);
    /* the same through the interface: the place of each part of the counter */
    const uint32_t *c = kat[t].counter;
    const rl_stream s = {kat[t].key[0] | (uint64_t)kat[t].key[1] << 32,
                         c[0] | (uint64_t)c[1] << 32};
    CHECK_STATUS(rl_stream_words(s, c[3], c[2], 0, 1, word), RL_OK);
    CHECK(memcmp(word, kat[t].expected, sizeof word) == 0, "stream %d: %08x ...", (int)t, word[0]);
    const rl_stream before = {s.key, s.offset - 5}; /* offset + block, modulo 2^64 */
    CHECK_STATUS(rl_stream_words(before, c[3], c[2], 5, 1, word), RL_OK);
    CHECK(memcmp(word, kat[t].expected, sizeof word) == 0, "block 5 of stream %d", (int)t);
  }
}

/* MADE(function, type, ...): any range gives the bits of one long range, and writes nothing else. */
#define MADE(function, type, ...)                                                          \
  for (uint64_t first = 0; first < 9; first++)                                             \
    for (int64_t count = 0; count < 12; count++) {                                         \
      type all[32];                                                                        \
      guarded g = guarded_new(12, sizeof(type));                                           \
      type *some = guarded_data(&g);                                                       \
      CHECK_STATUS(function(s, 3, 4, base, 32, __VA_ARGS__ all), RL_OK);                   \
      CHECK_STATUS(function(s, 3, 4, base + first, count, __VA_ARGS__ some), RL_OK);       \
      CHECK(memcmp(some, all + first, sizeof(type) * (size_t)count) == 0,                  \
            #function ": %d from %d", (int)count, (int)first);                             \
      CHECK(guarded_intact(&g, count, 1, 1, 1), #function " wrote beyond %d", (int)count); \
      guarded_free(&g);                                                                    \
      CHECK_STATUS(function(s, 3, 4, 0, -1, __VA_ARGS__ all), RL_ERR_SIZE);                \
      CHECK_STATUS(function(s, 3, 4, 0, 1, __VA_ARGS__ NULL), RL_ERR_SIZE);                \
      CHECK_STATUS(function(s, 3, 4, 0, 0, __VA_ARGS__ NULL), RL_OK);                      \
    }
static void parts(void) {
  const rl_stream s = {0x123456789abcdefU, 77};
  const uint64_t bases[] = {0, 3, 0xfffffffeU, (1U << 31) + 1};
  for (int b = 0; b < 4; b++) {
    const uint64_t base = bases[b];
    MADE(rl_suniform, float, )
    MADE(rl_duniform, double, )
    MADE(rl_snormal, float, )
    MADE(rl_dnormal, double, )
    MADE(rl_signs, int8_t, )
    const int64_t bound = 1000003;
#define INTEGERS(s, kind, sub, first, count, x) rl_integers(s, kind, sub, first, count, bound, x)
    MADE(INTEGERS, int64_t, )
#undef INTEGERS
  }
}

static void definitions(void) {
  enum { N = 400 };
  const rl_stream s = {42, 0};
  uint32_t w[4 * N];
  static float f[4 * N], nf[4 * N];
  static double d[2 * N], nd[2 * N];
  static int8_t sign[4 * N];
  static int64_t k[2 * N];
  CHECK_STATUS(rl_stream_words(s, 0, 0, 0, N, w), RL_OK);
  CHECK_STATUS(rl_suniform(s, 0, 0, 0, 4 * N, f), RL_OK);
  CHECK_STATUS(rl_duniform(s, 0, 0, 0, 2 * N, d), RL_OK);
  CHECK_STATUS(rl_signs(s, 0, 0, 0, 4 * N, sign), RL_OK);
  CHECK_STATUS(rl_snormal(s, 0, 0, 0, 4 * N, nf), RL_OK);
  CHECK_STATUS(rl_dnormal(s, 0, 0, 0, 2 * N, nd), RL_OK);
  for (int i = 0; i < 4 * N; i++) {
    CHECK(f[i] == (float)(w[i] >> 8) / 16777216.0F && f[i] >= 0 && f[i] < 1, "float %d: %g", i,
          (double)f[i]);
    CHECK(sign[i] == (w[i] & 1 ? -1 : 1), "sign %d: %d", i, sign[i]);
  }
  for (int i = 0; i < 2 * N; i++) {
    const uint64_t word = w[2 * i] | (uint64_t)w[2 * i + 1] << 32;
    CHECK(d[i] == (double)(word >> 11) / 9007199254740992.0 && d[i] < 1, "double %d: %g", i, d[i]);
  }
  /* Box and Muller by the C library */
  for (int i = 0; i < 2 * N; i++) {
    const double u = ((double)w[2 * i] + 0.5) * 0x1p-32, v = (double)w[2 * i + 1] * 0x1p-32;
    const double r = sqrt(-2 * log(u));
    const double x = r * cos(6.283185307179586477 * v), y = r * sin(6.283185307179586477 * v);
    CHECK(fabs((double)nf[2 * i] - x) <= 1e-6 * (1 + r) &&
              fabs((double)nf[2 * i + 1] - y) <= 1e-6 * (1 + r),
          "float pair %d: %g %g, expected %g %g", i, (double)nf[2 * i], (double)nf[2 * i + 1], x,
          y);
  }
  for (int i = 0; i < N; i++) {
    const double u = ((double)((w[4 * i] | (uint64_t)w[4 * i + 1] << 32) >> 11) + 1) * 0x1p-53;
    const double v = (double)((w[4 * i + 2] | (uint64_t)w[4 * i + 3] << 32) >> 11) * 0x1p-53;
    const double r = sqrt(-2 * log(u));
    const double x = r * cos(6.283185307179586477 * v), y = r * sin(6.283185307179586477 * v);
    CHECK(fabs(nd[2 * i] - x) <= 4e-15 * (1 + r) && fabs(nd[2 * i + 1] - y) <= 4e-15 * (1 + r),
          "double pair %d: %g %g, expected %g %g", i, nd[2 * i], nd[2 * i + 1], x, y);
  }
  /* integers: floor((W >> 1) bound / 2^63), in twice the width */
  const int64_t bounds[] = {1, 2, 3, 1000, (int64_t)1 << 32, ((int64_t)1 << 40) + 7, INT64_MAX};
  for (int b = 0; b < 7; b++) {
    CHECK_STATUS(rl_integers(s, 0, 0, 0, 2 * N, bounds[b], k), RL_OK);
    for (int i = 0; i < 2 * N; i++) {
      const uint64_t word = w[2 * i] | (uint64_t)w[2 * i + 1] << 32;
#ifdef __SIZEOF_INT128__
      const int64_t expected =
          (int64_t)(((unsigned __int128)(word >> 1) * (uint64_t)bounds[b]) >> 63);
      CHECK(k[i] == expected, "integer %d below %lld: %lld", i, (long long)bounds[b],
            (long long)k[i]);
#endif
      CHECK(k[i] >= 0 && k[i] < bounds[b], "integer %lld of %lld", (long long)k[i],
            (long long)bounds[b]);
      (void)word;
    }
  }
  CHECK_STATUS(rl_integers(s, 0, 0, 0, 1, 0, k), RL_ERR_SIZE);
  CHECK_STATUS(rl_integers(s, 0, 0, 0, 1, -5, k), RL_ERR_SIZE);
  CHECK_STATUS(rl_stream_words(s, 0, 0, 0, -1, w), RL_ERR_SIZE);
  CHECK_STATUS(rl_stream_words(s, 0, 0, 0, 1, NULL), RL_ERR_SIZE);
}

/* Key, offset, kind and sub-stream all matter. */
static void apart(void) {
  const rl_stream s = {1, 0}, other_key = {1 + ((uint64_t)1 << 40), 0}, other_offset = {1, 8};
  uint32_t a[16], b[16];
  CHECK_STATUS(rl_stream_words(s, 1, 1, 0, 4, a), RL_OK);
#define DIFFERS(...)                                    \
  CHECK_STATUS(rl_stream_words(__VA_ARGS__, b), RL_OK); \
  CHECK(memcmp(a, b, sizeof a) != 0, "equal streams");
  DIFFERS(other_key, 1, 1, 0, 4)
  DIFFERS(other_offset, 1, 1, 0, 4)
  DIFFERS(s, 2, 1, 0, 4)
  DIFFERS(s, 1, 2, 0, 4)
#undef DIFFERS
}

/* The first four moments, within five standard deviations. */
static void moments(void) {
  enum { N = 20000 };
  double *x = test_alloc(sizeof(double) * N);
  float *y = test_alloc(sizeof(float) * N);
  const rl_stream s = {2024, 0};
  CHECK_STATUS(rl_dnormal(s, 0, 0, 0, N, x), RL_OK);
  CHECK_STATUS(rl_snormal(s, 0, 1, 0, N, y), RL_OK);
  for (int which = 0; which < 2; which++) {
    double m[5] = {0};
    for (int i = 0; i < N; i++) {
      const double v = which ? (double)y[i] : x[i];
      CHECK(isfinite(v), "not finite");
      for (int p = 1; p <= 4; p++) m[p] += pow(v, p) / N;
    }
    const double d = 5 / sqrt((double)N);
    CHECK(fabs(m[1]) < d && fabs(m[2] - 1) < d * sqrt(2.0) && fabs(m[3]) < d * sqrt(15.0) &&
              fabs(m[4] - 3) < d * sqrt(96.0),
          "moments %g %g %g %g", m[1], m[2], m[3], m[4]);
  }
  free(y);
  free(x);
}

int main(void) {
  test_begin();
  known_answers();
  parts();
  definitions();
  apart();
  moments();
  return test_end();
}
