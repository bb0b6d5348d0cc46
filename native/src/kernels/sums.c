/* Linear combinations of arrays, and norms of matrices, compiled once per ISA level. */
#include <stdint.h>

#include "simd.h"
#include "sums.h"

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "sums.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "sums.inc"

extern const rl_sums_kernels RL_CAT(rl_sums_kernels, RL_ISA);
const rl_sums_kernels RL_CAT(rl_sums_kernels, RL_ISA) = {sums_s, sums_d, norms_s, norms_d};
