/* The sums of Winograd's form, one pass each: -DREAL=float or double; complex matrices are twice as wide.
 *
 * Row-major blocks of rows x cols reals: those of a matrix at its leading dimension, temporaries packed, one
 * `size` = rows cols after the other.  Bound: memory, each block is read or written once. */
#include "common.cuh"

typedef REAL real;

#define RL_EACH(i, size)                                                       \
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (size); \
       i += (int64_t)gridDim.x * blockDim.x)

/* S1 = A21 + A22, S2 = S1 - A11, S3 = A11 - A21, S4 = A12 - S2 */
extern "C" __global__ void matmul_left(int64_t rows, int64_t cols, const real *a, int64_t lda,
                                       real *s) {
  const int64_t size = rows * cols;
  RL_EACH(i, size) {
    const real *top = a + i / cols * lda + i % cols, *bottom = top + rows * lda;
    const real s1 = bottom[0] + bottom[cols], s2 = s1 - top[0];
    s[i] = s1;
    s[i + size] = s2;
    s[i + 2 * size] = top[0] - bottom[0];
    s[i + 3 * size] = top[cols] - s2;
  }
}

/* T1 = B12 - B11, T2 = B22 - T1, T3 = B22 - B12, T4 = T2 - B21 */
extern "C" __global__ void matmul_right(int64_t rows, int64_t cols, const real *b, int64_t ldb,
                                        real *t) {
  const int64_t size = rows * cols;
  RL_EACH(i, size) {
    const real *top = b + i / cols * ldb + i % cols, *bottom = top + rows * ldb;
    const real t1 = top[cols] - top[0], t2 = bottom[cols] - t1;
    t[i] = t1;
    t[i + size] = t2;
    t[i + 2 * size] = bottom[cols] - top[cols];
    t[i + 3 * size] = t2 - bottom[0];
  }
}

/* The blocks of C from A11 B11, S2 T2, S3 T3, S1 T1, A12 B21, S4 B22, A22 T4 */
extern "C" __global__ void matmul_result(int64_t rows, int64_t cols, const real *p1, const real *p2,
                                         const real *p3, const real *p4, const real *p5,
                                         const real *p6, const real *p7, real *c, int64_t ldc) {
  const int64_t size = rows * cols;
  RL_EACH(i, size) {
    real *top = c + i / cols * ldc + i % cols, *bottom = top + rows * ldc;
    const real first = p1[i], u2 = first + p2[i], u3 = u2 + p3[i], fourth = p4[i];
    top[0] = first + p5[i];
    top[cols] = u2 + fourth + p6[i];
    bottom[0] = u3 - p7[i];
    bottom[cols] = u3 + fourth;
  }
}
