/* Kernels of TensorSketch, compiled once per ISA level. */
#include <stdint.h>

#include "../memory.h"
#include "simd.h"
#include "sketch_tensor.h"

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "sketch_tensor.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "sketch_tensor.inc"

extern const rl_tensor_kernels RL_CAT(rl_tensor_kernels, RL_ISA);
const rl_tensor_kernels RL_CAT(rl_tensor_kernels, RL_ISA) = {
    .s = {RL_VECTOR_BYTES / 4, room_s, apply_s, vjp_s},
    .d = {RL_VECTOR_BYTES / 8, room_d, apply_d, vjp_d},
};
