/* Top-k selection, compiled once per ISA level.  topk_kernels.h says what each kernel does. */
#include "topk_kernels.h"

#include <math.h>
#include <stdint.h>

#include "simd.h"

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "topk.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "topk.inc"

#define TABLE(p)                                                                      \
  {widen_##p, keys_##p,         collect_##p,       between_##p,   tally_##p, kth_##p, \
   emit_##p,  store_values_##p, store_indices_##p, first_nan_##p, places_##p}
extern const rl_topk_kernels RL_CAT(rl_topk_kernels, RL_ISA);
const rl_topk_kernels RL_CAT(rl_topk_kernels, RL_ISA) = {.s = TABLE(s), .d = TABLE(d)};
