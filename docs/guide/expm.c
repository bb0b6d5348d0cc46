/* exp of 1000 matrices 3 x 3 and of one 300 x 300, and what belongs to it, in C.
 *
 *     ./expm FILE PREFIX SUFFIX ILP64
 *
 * names a BLAS: its file, how it spells dgemm, and 1 if its integers have 64 bits. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <randla.h>

/* Hand the routines that randla asks for to it.  Once, before anything else. */
static int use_blas(const char *file, const char *prefix, const char *suffix, int ilp64) {
  void *library = dlopen(file, RTLD_NOW);
  if (library == NULL) return RL_ERR_NO_BLAS;
  const char *names[64];
  rl_function routines[64];
  int count = 0;
  for (; count < 64 && rl_blas_routine(count) != NULL; count++) {
    char symbol[64];
    names[count] = rl_blas_routine(count);
    snprintf(symbol, sizeof symbol, "%s%s%s", prefix, names[count], suffix);
    void *address = dlsym(library, symbol);
    if (address == NULL) return RL_ERR_NO_BLAS;
    memcpy(&routines[count], &address, sizeof address);
  }
  return rl_set_blas(count, names, routines, ilp64);
}

static int fail(int status) {
  fprintf(stderr, "%s\n", rl_strerror(status));
  return 1;
}

/* exp of matrices full of 1/n: all have the trace e + n - 1. */
static int run(int64_t batch, int64_t n) {
  const int64_t size = n * n; /* a matrix, packed: leading dimension n, stride n n */
  double *a = malloc(sizeof *a * (size_t)(batch * size));
  double *e = malloc(sizeof *e * (size_t)(batch * size));
  rl_expm_info *info = malloc(sizeof *info * (size_t)batch);
  int64_t failed;
  int status = RL_ERR_MEMORY;
  if (a != NULL && e != NULL && info != NULL) {
    for (int64_t i = 0; i < batch * size; i++) a[i] = 1.0 / (double)n;
    status = rl_dexpm(batch, n, a, n, size, 0, RL_EXPM_HERMITIAN, e, n, size, info, &failed);
  }
  if (status == RL_OK) {
    double trace = 0;
    for (int64_t i = 0; i < n; i++) trace += e[i * n + i];
    printf("%d x %d: trace - n = %.15f, order %d, scaling %d\n", (int)batch, (int)n,
           trace - (double)n, info[0].order, info[0].scaling);
  }
  free(a);
  free(e);
  free(info);
  return status;
}

/* What else there is, for the generator of a rotation by 1 radian: its exponential times (1, 0), the derivative in
 * its own direction, phi_1, and the gradient of the trace of phi_1. */
static int others(void) {
  const double a[4] = {0, 1, -1, 0}, b[2] = {1, 0}, eye[4] = {1, 0, 0, 1};
  double y[2], e[4], l[4], f[4], g[4];
  int status = rl_dexpm_multiply(1, 'L', 2, 1, a, 2, 4, b, 2, 2, 0, y, 2, 2, NULL);
  if (status == RL_OK) status = rl_dexpm_frechet(1, 2, a, 2, 4, a, 2, 4, 0, e, 2, 4, l, 2, 4);
  if (status == RL_OK) status = rl_dphi(1, 2, 1, a, 2, 4, 0, f, 2, 4, NULL);
  if (status == RL_OK) status = rl_dphi_vjp(1, 2, 1, a, 2, 4, eye, 2, 4, 0, g, 2, 4);
  if (status != RL_OK) return status;
  printf("cos 1 = %.15f, sin 1 = %.15f\n", y[0], y[1]);
  printf("-sin 1 = %.15f\n", l[0]);
  printf("sin 1 = %.15f, 1 - cos 1 = %.15f\n", f[0], f[1]);
  printf("2 (cos 1 - sin 1) = %.15f\n", g[1] - g[2]);
  return RL_OK;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int status = use_blas(argv[1], argv[2], argv[3], atoi(argv[4]));
  if (status == RL_OK) status = run(1000, 3);
  if (status == RL_OK) status = run(1, 300);
  if (status == RL_OK) status = others();
  return status == RL_OK ? 0 : fail(status);
}
