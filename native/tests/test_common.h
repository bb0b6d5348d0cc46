/* What the native tests share: checks, the levels to run, random entries, guarded buffers, a BLAS.
 *
 * Environment: RANDLA_TEST_LEVELS, names separated by commas (all that the processor has, if unset; a
 * name that cannot be run is a failure, never a skip); RANDLA_TEST_QUICK, for emulators (1) and valgrind
 * (2): fewer and smaller sizes, the same checks. */
#ifndef RL_TEST_COMMON_H
#define RL_TEST_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "randla.h"
#include "refblas.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Number of threads from now on; returns what it was.  Without threads, or where ThreadSanitizer counts them
 * (gomp.c), it stays. */
static inline int threads_set(int count) {
#if defined _OPENMP && !defined __SANITIZE_THREAD__
  const int before = omp_get_max_threads();
  omp_set_num_threads(count);
  return before;
#else
  return count;
#endif
}

/* Counts a failure, prints the first of them, goes on. */
#define CHECK(condition, ...)                                                   \
  do {                                                                          \
    if (!(condition)) test_failed(__FILE__, __LINE__, #condition, __VA_ARGS__); \
  } while (0)
#define CHECK_STATUS(call, expected)                                                 \
  do {                                                                               \
    const int status_ = (call), expected_ = (expected);                              \
    CHECK(status_ == expected_, "%s: got \"%s\", expected \"%s\" (level %s)", #call, \
          rl_strerror(status_), rl_strerror(expected_), rl_isa());                   \
  } while (0)

void test_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The first thing in main(): reads the environment.  The last, as its result: 0 if nothing failed. */
void test_begin(void);
int test_end(void);
int test_quick(void);
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* for (int i = 0; (level = test_level(&i)) != NULL;): every level to run, made the one in use. */
const char *test_level(int *i);

/* Uniform in (-1, 1); integers below `bound`. */
double test_uniform(void);
int test_below(int bound);
void test_seed(uint64_t seed);

/* malloc that ends the program instead of returning NULL. */
void *test_alloc(size_t bytes);

/* An output array of `count` elements of `size` bytes: `margin` more of them on both sides, and every
 * byte set to a pattern. */
typedef struct {
  unsigned char *bytes;
  size_t count, size, margin;
} guarded;
guarded guarded_new(size_t count, size_t size);
void *guarded_data(const guarded *g); /* element 0 */
void guarded_fill(guarded *g);
void guarded_free(guarded *g);
/* Is the pattern in both margins?  Is it everywhere but in `batch` matrices of n columns of n elements?  (batch 0:
 * everywhere.) */
int guarded_margins(const guarded *g);
int guarded_intact(const guarded *g, int64_t batch, int64_t n, int64_t ld, int64_t stride);
int guarded_intact_blocks(const guarded *g, int64_t batch, int64_t rows, int64_t cols, int64_t ld,
                          int64_t stride);

#endif
