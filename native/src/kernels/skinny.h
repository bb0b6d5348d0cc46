/* Products of a large row-major matrix with a narrow row-major panel, by one thread. */
#ifndef RL_SKINNY_KERNELS_H
#define RL_SKINNY_KERNELS_H

#include <stdint.h>

#define RL_SKINNY_KERNELS(REAL, name)                                                           \
  typedef struct {                                                                              \
    int64_t block; /* rows of A (rows) or columns (columns) in a block: where to cut */         \
    /* bytes of work, at a multiple of 64, of either */                                         \
    int64_t (*room)(int64_t m, int64_t n, int64_t l);                                           \
    /* C (m x l) = A Y for A of m x n, Y n x l */                                               \
    void (*rows)(int64_t m, int64_t n, int64_t l, const REAL *a, int64_t lda, const REAL *y,    \
                 int64_t ldy, REAL *c, int64_t ldc, void *work);                                \
    /* C (n x l) = A^T Z for Z of m x l */                                                      \
    void (*columns)(int64_t m, int64_t n, int64_t l, const REAL *a, int64_t lda, const REAL *z, \
                    int64_t ldz, REAL *c, int64_t ldc, void *work);                             \
  } name;
RL_SKINNY_KERNELS(float, rl_skinny_kernels_s)
RL_SKINNY_KERNELS(double, rl_skinny_kernels_d)
#undef RL_SKINNY_KERNELS

typedef struct {
  rl_skinny_kernels_s s;
  rl_skinny_kernels_d d;
} rl_skinny_kernels;

#endif
