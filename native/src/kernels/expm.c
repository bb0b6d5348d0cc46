/* Kernels of the matrix exponential for n up to 100 or so; compiled once per ISA level.
 *
 * expm_lanes.inc: as many matrices side by side as a vector has lanes, for n up to about ten, where
 * products have too few rows and columns to fill vectors.  expm_rows.inc: one matrix at a time, its
 * rows in vectors.  Both take order and scaling from each matrix alone and run the same
 * operations on it in whatever company: its bits depend on nothing else. */
#include <stdint.h>

#include "../memory.h"
#include "expm_kernels.h"
#include "simd.h"

/* Vector registers, and where lanes and rows meet: the largest n for which lanes were faster; rows go as far
 * as they beat BLAS.  Measured: docs/benchmarks. */
#if RL_VECTOR_BYTES == 64
#define RL_REGISTERS 32
#define RL_LANES_MAX_S 11
#define RL_LANES_MAX_D 6
#define RL_LANES_MAX_C 9
#define RL_LANES_MAX_Z 6
#elif defined __aarch64__
#define RL_REGISTERS 32
#define RL_LANES_MAX_S 6
#define RL_LANES_MAX_D 6
#define RL_LANES_MAX_C 6
#define RL_LANES_MAX_Z 6
#else
#define RL_REGISTERS 16
#define RL_LANES_MAX_S 8
#define RL_LANES_MAX_D 6
#define RL_LANES_MAX_C 6
#define RL_LANES_MAX_Z 6
#endif
#define RL_ROWS_MAX_S 128
#define RL_ROWS_MAX_D 128
#define RL_ROWS_MAX_C 96
#define RL_ROWS_MAX_Z 96
#define RL_LANES_LIMIT 16

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#define RL_TYPE_C
#include "../generic.h"
#include "elements.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"
#define RL_TYPE_Z
#include "../generic.h"
#include "elements.inc"
#include "expm_lanes.inc"
#include "expm_rows.inc"

extern const rl_expm_kernels RL_CAT(rl_expm_kernels, RL_ISA);
const rl_expm_kernels RL_CAT(rl_expm_kernels, RL_ISA) = {
    .s = {RL_VECTOR_BYTES / 4, RL_LANES_MAX_S, RL_ROWS_MAX_S, group_s, one_s, work_bytes_s},
    .d = {RL_VECTOR_BYTES / 8, RL_LANES_MAX_D, RL_ROWS_MAX_D, group_d, one_d, work_bytes_d},
    .c = {RL_VECTOR_BYTES / 4, RL_LANES_MAX_C, RL_ROWS_MAX_C, group_c, one_c, work_bytes_c},
    .z = {RL_VECTOR_BYTES / 8, RL_LANES_MAX_Z, RL_ROWS_MAX_Z, group_z, one_z, work_bytes_z},
};
