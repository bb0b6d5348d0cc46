#include "trsolve.h"

#include <math.h>
#include <string.h>

#include "gemm.h"
#include "lapack.h"

/* Order at which TRSM takes over from products: small enough that its flops do not count. */
#define RL_TRSM_BLOCK 64

#define RL_TYPE_S
#include "generic.h"
#include "trsolve.inc"
#define RL_TYPE_D
#include "generic.h"
#include "trsolve.inc"
#define RL_TYPE_C
#include "generic.h"
#include "trsolve.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "trsolve.inc"
