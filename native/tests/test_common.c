#include "test_common.h"

#include <stdarg.h>

static int failures, quick, n_wanted;
static char *wanted[16];
static uint64_t state = 1;

void test_failed(const char *file, int line, const char *condition, const char *format, ...) {
  if (failures++ >= 20) return;
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: %s: ", file, line, condition);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

void test_note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  putchar('\n');
  va_end(args);
}

void test_begin(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *how_quick = getenv("RANDLA_TEST_QUICK");
  quick = how_quick == NULL ? 0 : atoi(how_quick);
  const char *names = getenv("RANDLA_TEST_LEVELS");
  if (names != NULL) {
    static char copy[256];
    snprintf(copy, sizeof copy, "%s", names);
    for (char *p = strtok(copy, ","); p != NULL && n_wanted < 16; p = strtok(NULL, ",")) {
      wanted[n_wanted++] = p;
      CHECK(rl_set_isa(p) == RL_OK, "level %s was asked for and is not there", p);
    }
  }
  CHECK_STATUS(rl_set_isa("auto"), RL_OK);
}

int test_end(void) {
  CHECK(ref_blas_complaints() == 0, "%d BLAS calls with wrong arguments", ref_blas_complaints());
  if (failures > 0) fprintf(stderr, "%d checks failed\n", failures);
  return failures > 0;
}

int test_quick(void) { return quick; }

const char *test_level(int *i) {
  for (;;) {
    const char *name = rl_isa_level(*i);
    if (name == NULL) {
      rl_set_isa("auto");
      return NULL;
    }
    ++*i;
    int want = n_wanted == 0;
    for (int k = 0; k < n_wanted; k++) want |= strcmp(name, wanted[k]) == 0;
    if (want && rl_set_isa(name) == RL_OK) return name;
  }
}

void test_seed(uint64_t seed) { state = seed * 2 + 1; }

/* splitmix64 */
static uint64_t next(void) {
  uint64_t z = state += 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}
double test_uniform(void) { return (double)((int64_t)next() >> 10) * 0x1p-53; }
int test_below(int bound) { return (int)(next() % (uint64_t)bound); }

void *test_alloc(size_t bytes) {
  void *p = malloc(bytes > 0 ? bytes : 1);
  if (p == NULL) {
    fprintf(stderr, "out of memory in the tests themselves\n");
    exit(2);
  }
  return p;
}

enum { PATTERN = 0xA5 };

guarded guarded_new(size_t count, size_t size) {
  guarded g = {NULL, count, size, 64};
  g.bytes = test_alloc((count + 2 * g.margin) * size);
  guarded_fill(&g);
  return g;
}
void *guarded_data(const guarded *g) { return g->bytes + g->margin * g->size; }
void guarded_fill(guarded *g) { memset(g->bytes, PATTERN, (g->count + 2 * g->margin) * g->size); }
void guarded_free(guarded *g) { free(g->bytes); }

int guarded_margins(const guarded *g) {
  const size_t margin = g->margin * g->size, after = margin + g->count * g->size;
  int intact = 1;
  for (size_t i = 0; i < margin; i++)
    intact &= g->bytes[i] == PATTERN && g->bytes[after + i] == PATTERN;
  return intact;
}

int guarded_intact(const guarded *g, int64_t batch, int64_t n, int64_t ld, int64_t stride) {
  return guarded_intact_blocks(g, batch, n, n, ld, stride);
}

int guarded_intact_blocks(const guarded *g, int64_t batch, int64_t rows, int64_t cols, int64_t ld,
                          int64_t stride) {
  const size_t all = g->count + 2 * g->margin;
  unsigned char *output = test_alloc(all);
  memset(output, 0, all);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t j = 0; j < cols; j++)
      memset(output + (int64_t)g->margin + b * stride + j * ld, 1, (size_t)rows);
  int intact = 1;
  for (size_t e = 0; e < all; e++)
    for (size_t q = 0; q < g->size && !output[e]; q++)
      intact &= g->bytes[e * g->size + q] == PATTERN;
  free(output);
  return intact;
}
