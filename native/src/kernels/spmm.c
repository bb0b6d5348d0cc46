/* Sparse times a panel, compiled once per ISA level. */
#include <stdint.h>

#include "../basics.h"
#include "simd.h"
#include "spmm.h"

/* Entries of A between a row of the panel's being asked for and its use. */
enum { AHEAD = 6 };

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "spmm.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "spmm.inc"
#define RL_TYPE_C
#include "../generic.h"
#include "elements.inc"
#include "spmm.inc"
#define RL_TYPE_Z
#include "../generic.h"
#include "elements.inc"
#include "spmm.inc"

extern const rl_spmm_kernels RL_CAT(rl_spmm_kernels, RL_ISA);
typedef float s_real, c_real;
typedef double d_real, z_real;
#define OF(p)                                                                  \
  {                                                                            \
    RL_VECTOR_BYTES / (int)sizeof(p##_real), {gather_32_##p, gather_64_##p}, { \
      scatter_32_##p, scatter_64_##p                                           \
    }                                                                          \
  }
const rl_spmm_kernels RL_CAT(rl_spmm_kernels, RL_ISA) = {OF(s), OF(d), OF(c), OF(z)};
