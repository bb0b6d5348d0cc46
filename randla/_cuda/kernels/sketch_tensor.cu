/* TensorSketch: products of real polynomials modulo x^n - 1, a block for each sample.
 *
 * The transform is that of native/src/kernels/sketch_tensor.inc: in place, its values in the order of the tree of
 * moduli; real numbers at 0 and 1, and h complex ones in section [2h, 4h), real parts first.  All sections go
 * through their levels together, with a barrier after each level.  It stands in shared memory where it fits.
 * Every sum has a fixed order.  Bound: reading and writing the transforms once for each step. */
#include "common.cuh"
#include "randla/device/philox.h"

enum {
#define X(name, number) RL_KIND_##name = number,
#include "randla/stream.def"
#undef X
};

/* bucket << 1 | negative of features 0 ... count - 1 of factor g */
extern "C" __global__ void tensor_codes(uint64_t key, uint64_t offset, int64_t d, int64_t g,
                                        int64_t count, int32_t *codes) {
  const int64_t block = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (4 * block >= count) return;
  uint32_t word[4];
  rl_philox_block(key, offset, RL_KIND_TENSOR_SKETCH, (uint32_t)g, (uint64_t)block, word);
  for (int64_t j = 4 * block; j < 4 * block + 4 && j < count; j++) {
    const uint32_t w = word[j % 4];
    codes[j] = (int32_t)((((uint64_t)(w >> 1) * (uint64_t)d) >> 31) << 1 | (w & 1));
  }
}

/* One node of 4 h with c_j times r^j (t: r, r^2, r^3): butterfly j. */
static __device__ void node_forward(REAL *re, REAL *im, int64_t h, const REAL *t) {
  const REAL ar = re[0], ai = im[0], br = re[h], bi = im[h], cr = re[2 * h], ci = im[2 * h];
  const REAL dr = re[3 * h], di = im[3 * h];
  const REAL pr = t[2] * cr - t[3] * ci, pi = t[2] * ci + t[3] * cr;
  const REAL qr = t[0] * br - t[1] * bi, qi = t[0] * bi + t[1] * br;
  const REAL sr = t[4] * dr - t[5] * di, si = t[4] * di + t[5] * dr;
  const REAL ur = ar + pr, ui = ai + pi, vr = ar - pr, vi = ai - pi;
  const REAL wr = qr + sr, wi = qi + si, zr = qr - sr, zi = qi - si;
  re[0] = ur + wr;
  im[0] = ui + wi;
  re[h] = vr - zi;
  im[h] = vi + zr;
  re[2 * h] = ur - wr;
  im[2 * h] = ui - wi;
  re[3 * h] = vr + zi;
  im[3 * h] = vi - zr;
}
static __device__ void node_inverse(REAL *re, REAL *im, int64_t h, const REAL *t) {
  const REAL ar = re[0], ai = im[0], br = re[h], bi = im[h], cr = re[2 * h], ci = im[2 * h];
  const REAL dr = re[3 * h], di = im[3 * h];
  const REAL ur = ar + cr, ui = ai + ci, vr = ar - cr, vi = ai - ci;
  const REAL wr = br + dr, wi = bi + di, zr = br - dr, zi = bi - di;
  const REAL pr = ur - wr, pi = ui - wi, qr = vr + zi, qi = vi - zr, sr = vr - zi, si = vi + zr;
  re[0] = ur + wr;
  im[0] = ui + wi;
  re[h] = t[0] * qr + t[1] * qi;
  im[h] = t[0] * qi - t[1] * qr;
  re[2 * h] = t[2] * pr + t[3] * pi;
  im[2 * h] = t[2] * pi - t[3] * pr;
  re[3 * h] = t[4] * sr + t[5] * si;
  im[3 * h] = t[4] * si - t[5] * sr;
}

/* The nodes of level l, 4^l = `nodes`, of all sections. */
static __device__ void level(REAL *w, int64_t n, int64_t nodes, const REAL *twiddle, int inverse) {
  const REAL *table = twiddle + 2 * (nodes - 1);
  for (int64_t h = n / 4; h >= 2; h /= 2) {
    const int64_t size = h / nodes; /* of a node */
    REAL *re = w + 2 * h, *im = w + 3 * h;
    if (size >= 4) {
      for (int64_t i = threadIdx.x; i < h / 4; i += blockDim.x) {
        const int64_t node = i / (size / 4), at = node * size + i % (size / 4);
        if (inverse)
          node_inverse(re + at, im + at, size / 4, table + 6 * node);
        else
          node_forward(re + at, im + at, size / 4, table + 6 * node);
      }
    } else if (size == 2) {
      for (int64_t i = threadIdx.x; i < h / 2; i += blockDim.x) {
        const REAL r = table[6 * i + 2], s = table[6 * i + 3];
        const REAL ar = re[2 * i], ai = im[2 * i], br = re[2 * i + 1], bi = im[2 * i + 1];
        if (inverse) {
          const REAL dr = ar - br, di = ai - bi;
          re[2 * i] = ar + br;
          im[2 * i] = ai + bi;
          re[2 * i + 1] = r * dr + s * di;
          im[2 * i + 1] = r * di - s * dr;
        } else {
          const REAL tr = r * br - s * bi, ti = r * bi + s * br;
          re[2 * i] = ar + tr;
          im[2 * i] = ai + ti;
          re[2 * i + 1] = ar - tr;
          im[2 * i + 1] = ai - ti;
        }
      }
    }
  }
  __syncthreads();
}

static __device__ void pair(REAL *w, int64_t n) { /* what is left of the real numbers */
  while (n >= 4) n /= 4;
  if (n == 2 && threadIdx.x == 0) {
    const REAL a = w[0], b = w[1];
    w[0] = a + b;
    w[1] = a - b;
  }
  __syncthreads();
}

static __device__ void forward(REAL *w, int64_t n, const REAL *twiddle) {
  for (int64_t s = n; s >= 4; s /= 4) {
    const int64_t h = s / 4;
    for (int64_t j = threadIdx.x; j < h; j += blockDim.x) {
      const REAL a = w[j], b = w[h + j], c = w[2 * h + j], d = w[3 * h + j];
      const REAL even = a + c, odd = b + d;
      w[j] = even + odd;
      w[h + j] = even - odd;
      w[2 * h + j] = a - c;
      w[3 * h + j] = b - d;
    }
    __syncthreads();
  }
  pair(w, n);
  for (int64_t nodes = 1; n / 4 >= 2 * nodes; nodes *= 4) level(w, n, nodes, twiddle, 0);
}

/* Back, times n. */
static __device__ void inverse(REAL *w, int64_t n, const REAL *twiddle) {
  int64_t nodes = 1, s = n;
  while (n / 4 >= 8 * nodes) nodes *= 4;
  for (; n / 4 >= 2 && nodes >= 1; nodes /= 4) level(w, n, nodes, twiddle, 1);
  pair(w, n);
  while (s >= 4) s /= 4;
  for (; s < n; s *= 4) {
    const int64_t h = s;
    const REAL twice = h == 1 ? 1 : 2;
    for (int64_t j = threadIdx.x; j < h; j += blockDim.x) {
      const REAL a = w[j], b = w[h + j], c = w[2 * h + j], d = w[3 * h + j];
      const REAL even = a + twice * b, odd = a - twice * b;
      w[j] = even + 2 * c;
      w[h + j] = odd + 2 * d;
      w[2 * h + j] = even - 2 * c;
      w[3 * h + j] = odd - 2 * d;
    }
    __syncthreads();
  }
}

/* F: the transform of each hashed sample; with `starts` NULL, of the periodic continuation of d numbers to `m` of
 * them.  features: of each bucket in ascending order, feature << 1 | negative; number m is the constant. */
extern "C" __global__ void tensor_forward(int64_t n, int64_t d, const REAL *x, int64_t incx,
                                          int64_t ldx, int64_t m, double scale, double constant,
                                          const int64_t *starts, const int64_t *features,
                                          const REAL *twiddle, int64_t transformed, int64_t shared,
                                          REAL *F) {
  RL_DYNAMIC_SHARED(REAL, room);
  REAL *row = F + (int64_t)blockIdx.x * n, *w = shared ? room : row;
  const REAL *from = x + (int64_t)blockIdx.x * ldx;
  for (int64_t k = threadIdx.x; k < n; k += blockDim.x) {
    REAL sum = 0;
    if (starts == nullptr) {
      if (k < m) sum = from[k % d * incx];
    } else if (k < d) {
      for (int64_t e = starts[k]; e < starts[k + 1]; e++) {
        const int64_t j = features[e] >> 1;
        const REAL v = j < m ? (REAL)scale * from[j * incx] : (REAL)constant;
        sum += features[e] & 1 ? -v : v;
      }
    }
    w[k] = sum;
  }
  __syncthreads();
  if (transformed) forward(w, n, twiddle);
  if (shared)
    for (int64_t k = threadIdx.x; k < n; k += blockDim.x) row[k] = w[k];
}

/* out = a b or a conj(b), of the transforms of `samples`; out may be a. */
extern "C" __global__ void tensor_multiply(int64_t n, const REAL *a, const REAL *b,
                                           int64_t conjugated, REAL *out) {
  const int64_t at = (int64_t)blockIdx.x * n;
  for (int64_t k = threadIdx.x; k < n; k += blockDim.x) {
    if (k < 2) {
      out[at + k] = a[at + k] * b[at + k];
      continue;
    }
    int64_t h = 1;
    while (4 * h <= k) h *= 2;
    if (k >= 3 * h) continue; /* an imaginary part: with its real part */
    const REAL ar = a[at + k], ai = a[at + k + h], br = b[at + k];
    const REAL bi = conjugated ? -b[at + k + h] : b[at + k + h];
    out[at + k] = ar * br - ai * bi;
    out[at + k + h] = ar * bi + ai * br;
  }
}

/* y: what each transform belongs to, modulo x^d - 1; F is overwritten.  With codes, the elements at the m codes, times
 * scale and signs, which are added to what y holds. */
extern "C" __global__ void tensor_inverse(int64_t n, int64_t d, REAL *F, const REAL *twiddle,
                                          int64_t transformed, int64_t shared, const int32_t *codes,
                                          int64_t m, double scale, REAL *y, int64_t incy,
                                          int64_t ldy) {
  RL_DYNAMIC_SHARED(REAL, room);
  REAL *row = F + (int64_t)blockIdx.x * n, *w = shared ? room : row;
  if (shared)
    for (int64_t k = threadIdx.x; k < n; k += blockDim.x) w[k] = row[k];
  __syncthreads();
  if (transformed) inverse(w, n, twiddle);
  REAL *to = y + (int64_t)blockIdx.x * ldy;
  const REAL by = transformed ? 1 / (REAL)n : 1;
  if (codes == nullptr) {
    for (int64_t k = threadIdx.x; k < d; k += blockDim.x) {
      REAL sum = 0;
      for (int64_t at = k; at < n; at += d) sum += w[at];
      to[k * incy] = by * sum;
    }
  } else {
    for (int64_t j = threadIdx.x; j < m; j += blockDim.x) {
      const REAL v = (REAL)scale * by * w[codes[j] >> 1];
      to[j * incy] += codes[j] & 1 ? -v : v;
    }
  }
}
