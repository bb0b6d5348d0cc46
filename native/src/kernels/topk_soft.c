/* Soft ranks and soft top-k, compiled once per ISA level.  topk_soft.h says what each kernel does. */
#include "topk_soft.h"

#include <math.h>
#include <stdint.h>

#include "simd.h"

/* halves of vectors: as many narrow elements as there are doubles in one */
typedef float rl_vh __attribute__((vector_size(RL_VECTOR_BYTES / 2)));
typedef int32_t rl_vih __attribute__((vector_size(RL_VECTOR_BYTES / 2)));

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "topk_soft.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "topk_soft.inc"

#define TABLE(p, bytes)       \
  {RL_VECTOR_BYTES / (bytes), \
   survey_##p,                \
   locate_##p,                \
   split_##p,                 \
   moments_##p,               \
   translate_##p,             \
   evaluate_##p,              \
   ranks_##p,                 \
   slopes_##p,                \
   tails_##p,                 \
   values_##p,                \
   nearest_##p,               \
   weigh_##p,                 \
   apply_##p}
extern const rl_soft_kernels RL_CAT(rl_soft_kernels, RL_ISA);
const rl_soft_kernels RL_CAT(rl_soft_kernels, RL_ISA) = {.s = TABLE(s, 4), .d = TABLE(d, 8)};
