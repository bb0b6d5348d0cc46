/* Products by bilinear schemes: exact on integers for every scheme, size, layout and schedule; workspace, bits,
 * NaN, arguments; for every type. */
#include <math.h>

#include "memory.h"
#include "test_common.h"

/* A BLAS whose threads can be set: what it is told. */
static int blas_threads = 3, blas_least = 3;
static int get_threads(void) { return blas_threads; }
static void set_threads(int count) {
  blas_threads = count;
  if (count < blas_least) blas_least = count;
}

static int stop_after, stop_asked;
static int stop_when_told(void) { return ++stop_asked > stop_after; }

static int schemes(void) {
  rl_matmul_scheme scheme;
  int count = 0;
  while (rl_matmul_get_scheme(count, &scheme) == RL_OK) count++;
  return count;
}

static int number_of(const char *name) {
  rl_matmul_scheme scheme;
  for (int i = 0; rl_matmul_get_scheme(i, &scheme) == RL_OK; i++)
    if (strcmp(scheme.name, name) == 0) return i;
  return -1;
}

#define RL_TYPE_S
#include "generic.h"
#include "test_matmul.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_matmul.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_matmul.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_matmul.inc"

/* The equations of Brent, in integers. */
static void brent(void) {
  rl_matmul_scheme s;
  for (int i = 0; rl_matmul_get_scheme(i, &s) == RL_OK; i++) {
    const int mk = s.m * s.k, kn = s.k * s.n, mn = s.m * s.n;
    int64_t wrong = 0;
    for (int a = 0; a < mk; a++)
      for (int b = 0; b < kn; b++)
        for (int c = 0; c < mn; c++) {
          int64_t sum = 0;
          for (int r = 0; r < s.rank; r++)
            sum += (int64_t)s.u[r * mk + a] * s.v[r * kn + b] * s.w[r * mn + c];
          const int one = a / s.k == c / s.n && a % s.k == b / s.n && b % s.n == c % s.n;
          wrong += sum != (int64_t)one * s.d_u * s.d_v * s.d_w;
        }
    CHECK(wrong == 0, "%s: %lld equations do not hold", s.name, (long long)wrong);
    CHECK(s.rank < s.m * s.k * s.n && s.additions > 0, "%s", s.name);
  }
  CHECK(schemes() >= 2, "%d schemes", schemes());
  CHECK_STATUS(rl_matmul_get_scheme(-1, &s), RL_ERR_OPTION);
  CHECK_STATUS(rl_matmul_get_scheme(schemes(), &s), RL_ERR_OPTION);
  CHECK_STATUS(rl_matmul_get_scheme(0, NULL), RL_ERR_SIZE);
  CHECK_STATUS(rl_matmul_get_scheme(number_of("winograd"), &s), RL_OK);
  CHECK(s.additions == 15, "Winograd's form has %d sums", s.additions);
}

static void crossovers(void) {
  int64_t c[2], shipped[2];
  for (const char *type = "sdcz"; *type != 0; type++)
    for (int threads = 1; threads < 4; threads++) {
      CHECK_STATUS(rl_matmul_get_crossover(*type, threads, shipped), RL_OK);
      CHECK(shipped[0] > 0 && shipped[1] >= shipped[0], "%c %d", *type, threads);
      CHECK_STATUS(rl_matmul_set_crossover(*type, threads, (const int64_t[]){5, 9}), RL_OK);
      CHECK_STATUS(rl_matmul_get_crossover(*type, threads, c), RL_OK);
      CHECK(c[0] == 5 && c[1] == 9, "%lld %lld", (long long)c[0], (long long)c[1]);
      CHECK_STATUS(rl_matmul_set_crossover(*type, threads, NULL), RL_OK);
      CHECK_STATUS(rl_matmul_get_crossover(*type, threads, c), RL_OK);
      CHECK(c[0] == shipped[0] && c[1] == shipped[1], "%c %d", *type, threads);
    }
  CHECK_STATUS(rl_matmul_get_crossover('x', 1, c), RL_ERR_OPTION);
  CHECK_STATUS(rl_matmul_get_crossover(0, 1, c), RL_ERR_OPTION);
  CHECK_STATUS(rl_matmul_get_crossover('s', 1, NULL), RL_ERR_SIZE);
  CHECK_STATUS(rl_matmul_set_crossover('x', 1, NULL), RL_ERR_OPTION);
  CHECK_STATUS(rl_matmul_set_crossover('s', 1, (const int64_t[]){0, 9}), RL_ERR_SIZE);
  CHECK_STATUS(rl_matmul_set_crossover('s', 1, (const int64_t[]){9, 8}), RL_ERR_SIZE);
}

int main(void) {
  test_begin();
  brent();
  crossovers();
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    matmul_s();
    matmul_d();
    matmul_c();
    matmul_z();
  }
  CHECK(ref_blas_complaints() == 0, "the BLAS complained %d times", ref_blas_complaints());
  return test_end();
}
