/* TensorSketch: the CountSketch of a Kronecker product, by products of polynomials modulo z^d - 1
 * (Pham, Pagh, "Fast and scalable polynomial kernels via explicit feature maps", KDD 2013,
 * doi:10.1145/2487575.2487591).  Included by randla.h. */
#ifndef RANDLA_SKETCH_TENSOR_H
#define RANDLA_SKETCH_TENSOR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Feature j of factor g: word j & 3 of block j >> 2 of sub-stream g of RL_KIND_TENSOR_SKETCH gives its bucket,
 * ((word >> 1) d) >> 31, and is negative where bit 0 is set.  codes: bucket << 1 | negative, for `count` features
 * from number `first` on; 1 <= d <= 2^30. */
RL_API int rl_tensor_codes(rl_stream stream, int64_t d, int64_t g, int64_t first, int64_t count,
                           int32_t *codes);

/* Factor g of a tensor: element j of sample i is x[i ldx + j incx], j < m.  It is multiplied by `scale`, and followed
 * by the feature `constant`, number m.  x == NULL: the samples, and strides, of the factor before.  gx: where the
 * gradient goes, alike; NULL: it is added to that of the factor before. */
#define RL_TENSOR(p, T)                                                                               \
  typedef struct {                                                                                    \
    int64_t m;                                                                                        \
    const T *x;                                                                                       \
    int64_t incx, ldx;                                                                                \
    T scale, constant;                                                                                \
    T *gx;                                                                                            \
    int64_t incg, ldg;                                                                                \
  } rl_##p##tensor_factor;                                                                            \
                                                                                                      \
  /* Sample i of y, d components y[i ldy + k incy]: the product of the hashed factors modulo       \
   * z^d - 1.  A sample's bits do not depend on the others.  O(factors (m + d log d)) for each. */  \
  RL_API int rl_##p##tensor(rl_stream stream, int64_t d, int64_t samples, int64_t factors,            \
                            const rl_##p##tensor_factor *factor, T *y, int64_t incy, int64_t ldy);    \
                                                                                                      \
  /* The same for sparse samples, which all factors share: sample i has the entries pointers[i] ... \
   * pointers[i + 1] - 1 of data, at indices inside [0, m) (the caller's promise).  Of factor[0],  \
   * m, scale and constant are used for all; x is not looked at. */ \
  RL_API int rl_##p##tensor_csr(rl_stream stream, int64_t d, int64_t samples, int64_t factors,        \
                                const rl_##p##tensor_factor *factor, const void *pointers,            \
                                const void *indices, int index_bytes, const T *data, T *y,            \
                                int64_t incy, int64_t ldy);                                           \
                                                                                                      \
  /* The gradient by the samples of a function whose gradient by y is v: 2 factors + 1             \
   * transforms, against factors + 1 of rl_?tensor. */  \
  RL_API int rl_##p##tensor_vjp(rl_stream stream, int64_t d, int64_t samples, int64_t factors,        \
                                const rl_##p##tensor_factor *factor, const T *v, int64_t incv,        \
                                int64_t ldv);
RL_TENSOR(s, float)
RL_TENSOR(d, double)
#undef RL_TENSOR

#ifdef __cplusplus
}
#endif
#endif
