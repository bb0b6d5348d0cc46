/* The BLAS in use: a table of Fortran-convention entry points.  Nothing else in the core may name a
 * BLAS routine; stems call the checked, typed wrappers of gemm.h and its like. */
#ifndef RL_PROVIDER_H
#define RL_PROVIDER_H

#include "randla.h"

typedef struct {
  int ilp64; /* integers are 64 bits wide */
#define X(name) rl_function name;
#include "randla/blas.def"
#undef X
} rl_blas_table;

extern rl_blas_table rl_blas;

/* Threads of the BLAS, or 0 if it does not let us set them. */
int rl_blas_threads(void);
/* From the first begin to the last end, over all calls of all threads, the BLAS has one thread. */
void rl_blas_single_begin(void);
void rl_blas_single_end(void);

#endif
