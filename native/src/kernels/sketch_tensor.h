/* What TensorSketch needs from an ISA level: as many samples side by side as a vector has lanes. */
#ifndef RL_SKETCH_TENSOR_KERNELS_H
#define RL_SKETCH_TENSOR_KERNELS_H

#include <stdint.h>

/* twiddle: see rl_tensor_twiddles in sketch_tensor.inc.  Element j of sample i is x[i ldx + j incx]. */
#define RL_TENSOR_CALL(REAL, p)                                                               \
  typedef struct {                                                                            \
    int64_t m;                                                                                \
    const REAL *x; /* NULL: that of the factor before */                                      \
    int64_t incx, ldx;                                                                        \
    REAL by, constant;                                                                        \
    const int32_t *codes; /* bucket << 1 | negative of the m features, and of the constant */ \
    REAL *g;                                                                                  \
    int64_t incg, ldg;                                                                        \
  } rl_tensor_part_##p;                                                                       \
  typedef struct {                                                                            \
    int64_t d, n;          /* components; length of the transforms, a power of two */         \
    int64_t factors, most; /* the largest m */                                                \
    const rl_tensor_part_##p *factor;                                                         \
    const REAL *twiddle;                                                                      \
    const void *pointers, *indices; /* of sparse samples, whose entries are data */           \
    int index_bytes;                /* 0: they are dense */                                   \
    const REAL *data;                                                                         \
    const REAL *v; /* the gradient that comes in */                                           \
    int64_t incv, ldv;                                                                        \
    REAL *y;                                                                                  \
    int64_t incy, ldy;                                                                        \
  } rl_tensor_call_##p;                                                                       \
  typedef struct {                                                                            \
    int lanes;                                                                                \
    /* vectors of work for one thread */                                                      \
    int64_t (*room)(const rl_tensor_call_##p *c, int vjp);                                    \
    /* samples first ... first + count - 1, count <= lanes */                                 \
    void (*apply)(const rl_tensor_call_##p *c, int64_t first, int count, void *work);         \
    void (*vjp)(const rl_tensor_call_##p *c, int64_t first, int count, void *work);           \
  } rl_tensor_kernels_##p;
RL_TENSOR_CALL(float, s)
RL_TENSOR_CALL(double, d)
#undef RL_TENSOR_CALL

typedef struct {
  rl_tensor_kernels_s s;
  rl_tensor_kernels_d d;
} rl_tensor_kernels;

#endif
