/* A C program that uses an installed randla: a BLAS of its own choice, handed in; one exponential, one QR
 * factorisation in a workspace of its own.
 *
 *     consumer libopenblas.so [prefix suffix ilp64]
 *
 * prefix and suffix: how that library spells dgemm ("" and "_" where nothing is said). */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <randla.h>

enum { MOST = 256, N = 200 };

/* Columns i -> (i / M)^j, which are nearly dependent: A[:, perm] = Q R. */
static int factorise(void) {
  enum { M = 4000, K = 12 };
  const rl_stream stream = {7, 0};
  const int64_t lwork = rl_dqr_cqrrpt_lwork(M, K);
  if (lwork < 0) return 0;
  double *a = malloc(sizeof *a * M * K), *q = malloc(sizeof *q * M * K);
  double *work = malloc(sizeof *work * (size_t)lwork), r[K * K], off = 0, norm = 0;
  int64_t perm[K];
  rl_qr_info info;
  if (a == NULL || q == NULL || work == NULL) return 0;
  for (int j = 0; j < K; j++)
    for (int i = 0; i < M; i++) a[i + j * M] = pow((i + 1.0) / M, j);
  const int status = rl_dqr_cqrrpt('F', M, K, a, M, stream, q, M, r, K, perm, &info, work, lwork);
  if (status != RL_OK) {
    fprintf(stderr, "rl_dqr_cqrrpt: %s\n", rl_strerror(status));
    return 0;
  }
  for (int j = 0; j < K; j++)
    for (int i = 0; i < M; i++) {
      const double exact = a[i + perm[j] * M];
      double sum = 0;
      for (int l = 0; l <= j; l++) sum += q[i + l * M] * r[l + j * K];
      off += (sum - exact) * (sum - exact);
      norm += exact * exact;
    }
  printf("QR of %d x %d: rank %d, %d attempt(s), residual %.1e\n", M, K, (int)info.rank,
         (int)info.attempts, sqrt(off / norm));
  free(work);
  free(q);
  free(a);
  return info.rank == K && sqrt(off / norm) < 1e-14;
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 5) {
    fprintf(stderr, "usage: consumer library [prefix suffix ilp64]\n");
    return 2;
  }
  const char *prefix = argc > 2 ? argv[2] : "", *suffix = argc > 2 ? argv[3] : "_";
  const int ilp64 = argc > 2 ? atoi(argv[4]) : 0;

  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  const char *names[MOST];
  rl_function routines[MOST];
  int count = 0;
  for (int i = 0; rl_blas_routine(i) != NULL && count < MOST; i++) {
    char symbol[64];
    snprintf(symbol, sizeof symbol, "%s%s%s", prefix, rl_blas_routine(i), suffix);
    void *address = dlsym(library, symbol);
    if (address == NULL) {
      fprintf(stderr, "%s has no %s\n", argv[1], symbol);
      return 2;
    }
    names[count] = rl_blas_routine(i);
    memcpy(&routines[count++], &address, sizeof address); /* ISO C has no cast for this */
  }
  int status = rl_set_blas(count, names, routines, ilp64);
  if (status != RL_OK) {
    fprintf(stderr, "rl_set_blas: %s\n", rl_strerror(status));
    return 1;
  }

  /* the generator of a rotation by t in each plane (i, i + N/2): large enough to go through BLAS */
  const double t = 1.25;
  double *a = calloc((size_t)N * N, sizeof *a), *e = malloc(sizeof *e * N * N);
  if (a == NULL || e == NULL) return 2;
  for (int i = 0; i < N / 2; i++) {
    a[i + (i + N / 2) * N] = -t;
    a[i + N / 2 + i * N] = t;
  }
  rl_expm_info info;
  int64_t failed;
  status = rl_dexpm(1, N, a, N, N * N, 0, RL_EXPM_GENERAL, e, N, N * N, &info, &failed);
  if (status != RL_OK) {
    fprintf(stderr, "rl_dexpm: %s\n", rl_strerror(status));
    return 1;
  }
  double error = 0;
  for (int j = 0; j < N; j++)
    for (int i = 0; i < N; i++) {
      double exact = i == j ? cos(t) : 0;
      if (j == i + N / 2) exact = -sin(t);
      if (i == j + N / 2) exact = sin(t);
      error = fmax(error, fabs(e[i + j * N] - exact));
    }
  printf("randla %s, %s: exp of %d x %d by %d products, error %.1e\n", rl_version(), rl_isa(), N, N,
         info.products, error);
  free(e);
  free(a);
  return !(error < 1e-14 && factorise());
}
