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

#endif
