/* What the certificate of rl_dqr_cqrrpt costs: the share of the call that goes into its probes.
 *
 *   bench_qr LIBRARY [PREFIX SUFFIX ILP64 [M N]]      the BLAS, as native/tests/consumer has it
 *
 * The probes are fused with the passes over A and Q, so that they cannot be timed by themselves: the same pass runs
 * with and without them, in turns, and so does the whole call.  CPU time of one thread, medians.  Build the target
 * bench_qr with -DRANDLA_TESTS=ON; no test runs it. */
#define _POSIX_C_SOURCE 199309L
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"
#include "orth.h"
#include "probe.h"
#include "randla.h"
#include "trsolve.h"

enum { MOST = 128, ROUNDS = 9 };
#define MUST(call)                                              \
  do {                                                          \
    const int status_ = (call);                                 \
    if (status_ != RL_OK) {                                     \
      fprintf(stderr, "%s: %s\n", #call, rl_strerror(status_)); \
      exit(1);                                                  \
    }                                                           \
  } while (0)

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static double median(double *x) {
  qsort(x, ROUNDS, sizeof *x, ascending);
  return x[ROUNDS / 2];
}

static double *numbers(int64_t count) {
  double *x = malloc(sizeof(double) * (size_t)count);
  if (x == NULL) exit(1);
  return x;
}

static void load(const char *library, const char *prefix, const char *suffix, int ilp64) {
  void *const handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  const char *names[MOST];
  rl_function routines[MOST];
  int count = 0;
  for (int i = 0; rl_blas_routine(i) != NULL && count < MOST; i++) {
    char symbol[64];
    snprintf(symbol, sizeof symbol, "%s%s%s", prefix, rl_blas_routine(i), suffix);
    void *const address = dlsym(handle, symbol);
    if (address == NULL) {
      fprintf(stderr, "%s has no %s\n", library, symbol);
      exit(2);
    }
    names[count] = rl_blas_routine(i);
    memcpy(&routines[count++], &address, sizeof address);
  }
  MUST(rl_set_blas(count, names, routines, ilp64));
}

/* The passes of CQRRPT over A, from a triangle on, with probes or without. */
static void pass(rl_orth *o, const double *a, const int64_t *perm, const double *r,
                 const double *inverses, double *gram, double *inverse, double *probes,
                 int probed) {
  const int64_t n = o->k;
  double *const x = probes, *const y = x + RL_PROBES * n, *const z = y + RL_PROBES * n;
  double cond;
  int failed;
  o->a = a;
  o->r = r;
  o->d = inverses;
  o->perm = perm;
  o->x = probed ? x : NULL;
  if (probed) {
    MUST(rl_dprobe((rl_stream){1, 0}, RL_KIND_QR_RESIDUAL, n, x));
    MUST(rl_dprobe((rl_stream){1, 0}, RL_KIND_QR_ORTHOGONALITY, n, z));
  }
  MUST(rl_dorth_gram(o, gram));
  MUST(rl_dorth_factor(n, gram, inverse, &cond, &failed));
  if (failed) exit(1);
  memcpy(y, x, sizeof(double) * (size_t)(RL_PROBES * n)); /* what R X is does not matter here */
  o->a = o->r = o->d = NULL;
  o->y = y;
  o->z = z;
  MUST(rl_dorth_apply(o, inverse));
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 5 && argc != 7) {
    fprintf(stderr, "usage: bench_qr LIBRARY [PREFIX SUFFIX ILP64 [M N]]\n");
    return 2;
  }
  load(argv[1], argc > 2 ? argv[2] : "", argc > 2 ? argv[3] : "_", argc > 2 ? atoi(argv[4]) : 0);
  const int64_t m = argc > 5 ? atoll(argv[5]) : 20000, n = argc > 6 ? atoll(argv[6]) : 500;
  if (n < 1 || m < 4 * n) {
    fprintf(stderr, "M must be at least 4 N\n");
    return 2;
  }
  double *const a = numbers(m * n), *const q = numbers(m * n), *const r = numbers(n * n);
  double *const inverses = numbers(RL_TRSOLVE_BLOCK * n), *const gram = numbers(n * n);
  double *const inverse = numbers(n * n), *const probes = numbers(3 * RL_PROBES * n);
  double *const e = numbers(RL_PROBES * m);
  int64_t *const perm = malloc(sizeof *perm * (size_t)n);
  if (perm == NULL) return 1;
  for (int64_t j = 0; j < n; j++) {
    MUST(rl_dnormal((rl_stream){2, 0}, RL_KIND_USER, (uint32_t)j, 0, m, a + m * j));
    perm[j] = n - 1 - j;
    for (int64_t i = 0; i < n; i++) r[i + n * j] = i == j ? 100 : i < j ? 0.01 : 0;
  }
  int usable;
  MUST(rl_dtrsolve_prepare(n, r, n, inverses, &usable));
  rl_orth o = {.m = m, .k = n, .q = q, .ldq = m, .order = 'F', .factor = 1, .lda = m, .ldr = n};
  rl_arena size = {NULL, 0};
  rl_dorth_take(&o, 1, &size);
  char *const space = malloc((size_t)size.used + RL_ALIGNMENT);
  if (space == NULL) return 1;
  rl_arena arena = {space + -(uintptr_t)space % RL_ALIGNMENT, 0};
  rl_dorth_take(&o, 1, &arena);
  o.e = e;
  double with[ROUNDS], without[ROUNDS], whole[ROUNDS];
  rl_qr_info info;
  for (int round = -1; round < ROUNDS; round++) { /* the first one does not count */
    double times[4] = {now()};
    pass(&o, a, perm, r, usable ? inverses : NULL, gram, inverse, probes, 1);
    times[1] = now();
    pass(&o, a, perm, r, usable ? inverses : NULL, gram, inverse, probes, 0);
    times[2] = now();
    MUST(rl_dqr_cqrrpt('F', m, n, a, m, (rl_stream){3, 0}, q, m, r, n, perm, &info, NULL, 0));
    times[3] = now();
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = 0; i < n; i++) r[i + n * j] = i == j ? 100 : i < j ? 0.01 : 0;
    if (round < 0) continue;
    with[round] = times[1] - times[0];
    without[round] = times[2] - times[1];
    whole[round] = times[3] - times[2];
  }
  const double t1 = median(with), t0 = median(without), all = median(whole);
  printf(
      "%lld x %lld, %s: pass %.1f ms, with probes %.1f ms, whole call %.1f ms; share of the "
      "certificate %.1f %%\n",
      (long long)m, (long long)n, rl_isa(), t0, t1, all, 100 * (t1 - t0) / all);
  free(space);
  free(perm);
  free(e);
  free(probes);
  free(inverse);
  free(gram);
  free(inverses);
  free(r);
  free(q);
  free(a);
  return info.method == RL_QR_CQRRPT ? 0 : 1;
}
