/* Every allocation of every function fails in turn: RL_ERR_MEMORY, nothing written, nothing lost (which
 * LeakSanitizer and valgrind see), and the next call works. */
#include "memory.h"
#include "test_common.h"

/* FAULTS(call, e): the call with each of its allocations failing, one at a time; e: its outputs, a `guarded`.
 * Returns the number of allocations. */
#define FAULTS(call, e, what, ...)                                                       \
  for (int k = 0;; k++) {                                                                \
    guarded_fill(&(e));                                                                  \
    rl_fail_after(k);                                                                    \
    const int status = (call);                                                           \
    rl_fail_after(-1);                                                                   \
    if (status == RL_OK) {                                                               \
      allocations += k;                                                                  \
      break;                                                                             \
    }                                                                                    \
    CHECK(status == RL_ERR_MEMORY, what ": allocation %d: %s", __VA_ARGS__, k,           \
          rl_strerror(status));                                                          \
    CHECK(guarded_intact(&(e), 0, 0, 0, 0), what ": allocation %d failed after writing", \
          __VA_ARGS__, k);                                                               \
    if (k > 100) break;                                                                  \
  }

static int allocations;

#define RL_TYPE_S
#include "generic.h"
#include "test_faults.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_faults.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_faults.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_faults.inc"

static void faults_topk(void) {
  static const int sizes[] = {1, 100, 5000, 100000};
  for (int t = 0; t < 4; t++)
    for (int sorted = 0; sorted < 2; sorted++) {
      const int n = sizes[t], k = n / 3 + 1;
      double *x = test_alloc(sizeof *x * (size_t)n);
      for (int i = 0; i < n; i++) x[i] = test_uniform();
      guarded e = guarded_new((size_t)k, sizeof *x);
      FAULTS(rl_topk(RL_F64, 1, n, k, x, 1, n, NULL, guarded_data(&e), k, NULL, k,
                     sorted ? RL_TOPK_SORTED : 0, NULL),
             e, "topk, n = %d, sorted %d", n, sorted)
      guarded_free(&e);
      free(x);
    }
}

static void faults_sketch_tensor(void) {
  for (int d = 8; d <= 12; d += 4)
    for (int samples = 1; samples <= 40; samples += 39) {
      double *x = test_alloc(sizeof *x * 3 * (size_t)samples);
      for (int i = 0; i < 3 * samples; i++) x[i] = test_uniform();
      guarded y = guarded_new((size_t)(d * samples), sizeof *x);
      guarded g = guarded_new((size_t)(3 * samples), sizeof *x);
      rl_dtensor_factor f[3] = {{3, x, 1, 3, 1, 0.5, guarded_data(&g), 1, 3}};
      f[1] = f[2] = f[0];
      f[1].x = f[2].x = f[1].gx = f[2].gx = NULL;
      const rl_stream s = {1, 0};
      int64_t pointers[41], index[120];
      for (int i = 0; i <= 40; i++) pointers[i] = 3 * i;
      for (int i = 0; i < 120; i++) index[i] = i % 3;
      FAULTS(rl_dtensor(s, d, samples, 3, f, guarded_data(&y), 1, d), y, "tensor, d = %d", d)
      FAULTS(rl_dtensor_csr(s, d, samples, 3, f, pointers, index, 8, x, guarded_data(&y), 1, d), y,
             "tensor_csr, d = %d", d)
      FAULTS(rl_dtensor_vjp(s, d, samples, 3, f, guarded_data(&y), 1, d), g, "tensor_vjp, d = %d",
             d)
      guarded_free(&y);
      guarded_free(&g);
      free(x);
    }
}

static void faults_sketch(void) {
  static const int64_t kinds[] = {RL_KIND_GAUSSIAN, RL_KIND_RADEMACHER, RL_KIND_SPARSE_SIGN,
                                  RL_KIND_SRHT};
  enum { D = 70, M = 90, N = 9 };
  static double a[M * N];
  static int64_t pointers[M + 1], indices[M], chosen[D];
  for (int i = 0; i < M; i++) {
    pointers[i + 1] = i + 1;
    indices[i] = i % N;
  }
  guarded e = guarded_new((size_t)M * M, sizeof *a);
  double *const b = guarded_data(&e);
  for (int t = 0; t < 4; t++) {
    rl_sketch s = {.kind = kinds[t], .d = D, .m = M, .nnz = D, .rows = D, .columns = M};
    const int kind = (int)s.kind;
    FAULTS(rl_dsketch_left(&s, 0, 1, N, 1, a, M, 0, 0, b, D, 0), e, "sketch %d", kind)
    FAULTS(rl_dsketch_left(&s, 1, 1, N, 1, a, D, 0, 0, b, M, 0), e, "adjoint of %d", kind)
    FAULTS(rl_dsketch_right(&s, 1, 1, N, 1, a, N, 0, 0, b, N, 0), e, "right of %d", kind)
    FAULTS(rl_dsketch_fill(&s, b, D), e, "entries of %d", kind)
    if (s.kind != RL_KIND_SPARSE_SIGN) continue;
    FAULTS(rl_dsketch_csr(&s, N, 1, pointers, indices, a, 8, 0, b, 1, D), e, "csr, %d", kind)
    FAULTS(rl_dsketch_csc(&s, N, 1, pointers, indices, a, 8, 0, b, 1, D), e, "csc, %d", kind)
    static double more[M];
    FAULTS(rl_dsketch_once_down(&s, N, a, N, b, N, more), e, "down, %d", kind)
    FAULTS(rl_dsketch_once_across(&s, 1, N, 1, a, M, b, D, more), e, "across, %d", kind)
  }
  const rl_stream stream = {1, 2};
  FAULTS(rl_stream_subset(stream, 10, 0, D, M, chosen), e, "subset of %d", M)
  guarded_free(&e);
}

static void faults_topk_soft(void) {
  for (int kind = RL_SOFT_FERMI; kind <= RL_SOFT_SHIVA; kind++) {
    enum { N = 300 };
    const double keep = 20, t = 1e-4, gate = 0.1;
    double x[N];
    for (int i = 0; i < N; i++) x[i] = test_uniform();
    guarded e = guarded_new(N, sizeof *x);
    FAULTS(rl_dtopk_soft(kind, 1, N, x, N, &keep, 0, &t, 0, &gate, 0, guarded_data(&e), N), e,
           "topk_soft, kind %d", kind)
    FAULTS(rl_dtopk_soft_rank(1, N, x, N, &t, 0, RL_SOFT_AUTO, guarded_data(&e), N), e,
           "topk_soft_rank beside kind %d", kind)
    guarded_free(&e);
  }
}

int main(void) {
  test_begin();
  ref_blas_use(0);
  /* the tool itself */
  rl_fail_after(1);
  void *p = rl_alloc(1, 1), *q = rl_alloc(1, 1), *r = rl_alloc(1, 1);
  CHECK(p != NULL && q == NULL && r != NULL, "the second allocation should fail, and no other");
  rl_free(p);
  rl_free(r);
  rl_fail_after(-1);
  int level = 0;
  while (test_level(&level) != NULL) {
    faults_s();
    faults_d();
    faults_c();
    faults_z();
    faults_qr_s();
    faults_qr_d();
    faults_qr_c();
    faults_qr_z();
    faults_qr_lstsq_s();
    faults_qr_lstsq_d();
    faults_qr_lstsq_c();
    faults_qr_lstsq_z();
    faults_svd_s();
    faults_svd_d();
    faults_svd_c();
    faults_svd_z();
    faults_matmul_s();
    faults_matmul_d();
    faults_matmul_c();
    faults_matmul_z();
    faults_topk();
    faults_sketch_tensor();
    faults_sketch();
    faults_topk_soft();
  }
  CHECK(allocations > 0, "no allocation was seen: are faults compiled in?");
  return test_end();
}
