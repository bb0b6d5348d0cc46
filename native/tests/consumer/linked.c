/* Against a librandla that was built with -DRANDLA_BLAS=system: no table to fill. */
#include <math.h>
#include <stdio.h>

#include <randla.h>

enum { N = 160 };

int main(void) {
  static double a[N * N], e[N * N];
  if (!rl_blas_linked() || rl_blas_ilp64() != 0) {
    fprintf(stderr, "no BLAS is linked\n");
    return 1;
  }
  /* t times the matrix of ones: I + (e^(t N) - 1) / N times it */
  const double t = 0.5 / N;
  for (int k = 0; k < N * N; k++) a[k] = t;
  const int status = rl_dexpm(1, N, a, N, N * N, 0, RL_EXPM_GENERAL, e, N, N * N, NULL, NULL);
  if (status != RL_OK) {
    fprintf(stderr, "rl_dexpm: %s\n", rl_strerror(status));
    return 1;
  }
  double error = 0;
  for (int k = 0; k < N * N; k++)
    error = fmax(error, fabs(e[k] - expm1(t * N) / N - (k % (N + 1) == 0)));
  printf("randla %s with a linked BLAS: error %.1e\n", rl_version(), error);
  return !(error < 1e-14);
}
