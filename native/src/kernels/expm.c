/* Kernels of the matrix exponential for n up to 100 or so; compiled once per ISA level.
 *
 * expm_lanes.inc: as many matrices side by side as a vector has lanes, for n up to about ten, where
 * products have too few rows and columns to fill vectors.  expm_rows.inc: one matrix at a time, its
 * rows in vectors.  Both take order and scaling from each matrix alone and run the same
 * operations on it in whatever company: its bits depend on nothing else. */
#include <math.h>
#include <stdint.h>

#include "../memory.h"
#include "expm_kernels.h"
#include "simd.h"

/* Where lanes and rows meet.  Measured (docs/benchmarks); with AVX-512, by the experiments
 * that this code grew from.  Complex numbers favour lanes longer: nothing is deinterleaved there. */
#if RL_VECTOR_BYTES == 64
#define RL_LANES_MAX_s 11
#define RL_LANES_MAX_d 6
#define RL_LANES_MAX_c 24
#define RL_LANES_MAX_z 24
#elif defined __aarch64__
#define RL_LANES_MAX_s 10
#define RL_LANES_MAX_d 8
#define RL_LANES_MAX_c 24
#define RL_LANES_MAX_z 24
#else
#define RL_LANES_MAX_s 22
#define RL_LANES_MAX_d 18
#define RL_LANES_MAX_c 32
#define RL_LANES_MAX_z 32
#endif
#define RL_ROWS_LIMIT 128
#define RL_ROWS_MAX_s 128
#define RL_ROWS_MAX_d 128
#define RL_ROWS_MAX_c 96
#define RL_ROWS_MAX_z 96

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#include "product.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#include "product.inc"
#define RL_TYPE_C
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#include "product.inc"
#define RL_TYPE_Z
#include "../generic.h"
#include "elements.inc"
#include "lanes.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#include "product.inc"

extern const rl_expm_kernels RL_CAT(rl_expm_kernels, RL_ISA);
const rl_expm_kernels RL_CAT(rl_expm_kernels, RL_ISA) = {
    .s = {RL_VECTOR_BYTES / 4, RL_LANES_MAX_s, RL_ROWS_MAX_s, group_s, one_s, work_bytes_s,
          product_s},
    .d = {RL_VECTOR_BYTES / 8, RL_LANES_MAX_d, RL_ROWS_MAX_d, group_d, one_d, work_bytes_d,
          product_d},
    .c = {RL_VECTOR_BYTES / 4, RL_LANES_MAX_c, RL_ROWS_MAX_c, group_c, one_c, work_bytes_c,
          product_c},
    .z = {RL_VECTOR_BYTES / 8, RL_LANES_MAX_z, RL_ROWS_MAX_z, group_z, one_z, work_bytes_z,
          product_z},
};
