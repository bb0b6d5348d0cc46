/* Sketching, compiled once per ISA level.  sketch.h says what each kernel does. */
#include "sketch.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

#include "philox.inc"

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "sketch.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "sketch.inc"

#define TABLE(p)                                                                        \
  {add_columns_##p, add_rows_##p,  add_vector_##p, gather_columns_##p, gather_rows_##p, \
   pack_##p,        negate_##p,    unpack_##p,     hadamard_##p,       signs_##p,       \
   normals_##p,     add_strip_##p, across_##p}
extern const rl_sketch_kernels RL_CAT(rl_sketch_kernels, RL_ISA);
const rl_sketch_kernels RL_CAT(rl_sketch_kernels, RL_ISA) = {TABLE(s), TABLE(d), philox_words};
