/* Sparse matrix times a block, fused with the sums of a recurrence. */
#include <stddef.h>

#include "memory.h"
#include "randla.h"
#include "threads.h"

#define RL_TYPE_S
#include "generic.h"
#include "spmm.inc"
#define RL_TYPE_D
#include "generic.h"
#include "spmm.inc"
#define RL_TYPE_C
#include "generic.h"
#include "spmm.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "spmm.inc"
