/* The triangle of a certified Cholesky orthonormalisation: what is l x l stays on the device, in one block.
 * Sums over rows that come in blocks, which do not depend on where these end. */
#include "common.cuh"

enum {
  THREADS = 256,
  SIDE = 16,    /* SIDE x SIDE threads share a trailing matrix */
  COLUMNS = 64, /* threads of sums of columns */
  DEEP = 16     /* rows that each of them has on their way */
};

static __device__ __forceinline__ float root_of(float x) { return sqrtf(x); }
static __device__ __forceinline__ double root_of(double x) { return sqrt(x); }

/* R and R^-1 (l x l, by rows) with G = R^T R, from D^-1 G D^-1 = L L^T, D = diag(G)^(1/2) (0 -> 1): R = L^T D,
 * R^-1 = D^-1 L^-T.  certain: the factor exists and its diagonal is above `least`, false where G is not finite.
 * W, l x (l + 1) and 2 l in shared memory: L below, L^-1 transposed above the diagonal; then 1 / L_ii and D.
 * Bound: 2 l barriers, and l^2 / 2 dependent multiply-adds of a thread. */
extern "C" __global__ void __launch_bounds__(THREADS)
    svd_triangles(const REAL *G, int64_t l, double least, REAL *inverse, REAL *R, int *certain) {
  RL_DYNAMIC_SHARED(REAL, W);
  const int n = (int)l, ld = n + 1, tid = threadIdx.x;
  REAL *const diagonal = W + n * ld, *const d = diagonal + n;
  for (int i = tid; i < n; i += THREADS) {
    const REAL square = G[i * l + i];
    d[i] = square > 0 ? root_of(square) : (REAL)1;
  }
  __syncthreads();
  for (int e = tid; e < n * n; e += THREADS) {
    const int i = e / n, j = e % n;
    if (j <= i) W[i * ld + j] = G[e] / (d[i] * d[j]);
  }
  bool whole = true;
  for (int k = 0; k < n && whole; k++) {
    __syncthreads();
    const REAL pivot = W[k * ld + k]; /* the same for all threads */
    whole = pivot > (REAL)(least * least) && pivot - pivot == 0;
    if (!whole) break;
    const REAL root = root_of(pivot);
    for (int i = k + 1 + tid; i < n; i += THREADS) W[i * ld + k] /= root;
    if (tid == 0) diagonal[k] = 1 / root;
    __syncthreads();
    for (int i = k + 1 + tid / SIDE; i < n; i += THREADS / SIDE)
      for (int j = k + 1 + tid % SIDE; j <= i; j += SIDE)
        W[i * ld + j] -= W[i * ld + k] * W[j * ld + k];
  }
  __syncthreads();
  /* column j of L^-1: x_j = 1 / L_jj, x_i = -(sum_k L_ik x_k) / L_ii */
  for (int j = tid; j < n && whole; j += THREADS) {
    REAL *const x = W + j * ld;
    const REAL first = diagonal[j];
    for (int i = j + 1; i < n; i++) {
      REAL sum = W[i * ld + j] * first;
      for (int k = j + 1; k < i; k++) sum += W[i * ld + k] * x[k];
      x[i] = -sum * diagonal[i];
    }
  }
  __syncthreads();
  for (int e = tid; e < n * n; e += THREADS) {
    const int i = e / n, j = e % n;
    const REAL below = j > i ? W[j * ld + i] : i == j ? 1 / diagonal[i] : (REAL)0;
    const REAL above = j > i ? W[i * ld + j] : i == j ? diagonal[i] : (REAL)0;
    R[e] = whole ? below * d[j] : (REAL)0;
    inverse[e] = whole ? above / d[i] : (REAL)0;
  }
  if (tid == 0) *certain = whole;
}

/* squares[i] = |X_i|^2, X rows x n by rows: a block for each row, one order for all. */
extern "C" __global__ void __launch_bounds__(THREADS)
    svd_squares_of_rows(const REAL *x, int64_t rows, int64_t n, double *squares) {
  __shared__ double scratch[RL_WARP];
  for (int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
    double mine = 0, total;
    for (int64_t j = threadIdx.x; j < n; j += THREADS) {
      const double a = x[i * n + j];
      mine += a * a;
    }
    rl_block_prefix(mine, scratch, &total);
    if (threadIdx.x == 0) squares[i] = total;
  }
}

/* sums += rows of X, one after the other, a thread for each column.  Bound: memory's bandwidth if there are
 * columns for all processors, else one addition after the other. */
extern "C" __global__ void __launch_bounds__(COLUMNS)
    svd_add_columns(const REAL *x, int64_t rows, int64_t n, double *sums) {
  const int64_t j = (int64_t)blockIdx.x * COLUMNS + threadIdx.x;
  if (j >= n) return;
  const REAL *const a = x + j;
  double total = sums[j];
  int64_t i = 0;
  for (; i + DEEP <= rows; i += DEEP) {
    REAL term[DEEP];
#pragma unroll
    for (int u = 0; u < DEEP; u++) term[u] = a[(i + u) * n];
#pragma unroll
    for (int u = 0; u < DEEP; u++) total += (double)term[u];
  }
  for (; i < rows; i++) total += (double)a[i * n];
  sums[j] = total;
}
