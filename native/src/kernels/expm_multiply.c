/* Kernels of exp(A) B for many small A; compiled once per ISA level. */
#include <math.h>
#include <stdint.h>

#include "../memory.h"
#include "expm_multiply.h"
#include "randla/device/expm_rule.h"
#include "simd.h"

/* Time of a multiply-add here over one in the kernels of exp. */
#define RL_ACTION_PRICE 1.2

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_multiply.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_multiply.inc"
#define RL_TYPE_C
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_multiply.inc"
#define RL_TYPE_Z
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_multiply.inc"

extern const rl_action_kernels RL_CAT(rl_action_kernels, RL_ISA);
const rl_action_kernels RL_CAT(rl_action_kernels, RL_ISA) = {
    .s = {RL_VECTOR_BYTES / 4, RL_LANES_LIMIT, apply_s, reverse_s, dots_s, action_bytes_s},
    .d = {RL_VECTOR_BYTES / 8, RL_LANES_LIMIT, apply_d, reverse_d, dots_d, action_bytes_d},
    .c = {RL_VECTOR_BYTES / 4, RL_LANES_LIMIT, apply_c, reverse_c, dots_c, action_bytes_c},
    .z = {RL_VECTOR_BYTES / 8, RL_LANES_LIMIT, apply_z, reverse_z, dots_z, action_bytes_z},
};
