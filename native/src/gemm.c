#include "gemm.h"

#include <limits.h>

#include "provider.h"

static int fits(int64_t size) { return size >= 0 && (rl_blas.ilp64 || size <= INT_MAX); }

#define RL_TYPE_S
#include "generic.h"
#include "gemm.inc"
#define RL_TYPE_D
#include "generic.h"
#include "gemm.inc"
#define RL_TYPE_C
#include "generic.h"
#include "gemm.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "gemm.inc"
