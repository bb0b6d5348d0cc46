#include "orth.h"

#include <math.h>
#include <string.h>

#include "basics.h"
#include "gemm.h"
#include "lapack.h"
#include "permute.h"
#include "probe.h"
#include "threads.h"
#include "trsolve.h"

/* Rows in a block: its part of Q is read by each step from the cache.  The sums of a chunk cost k^2 numbers, so that
 * it has at least 4 k rows. */
enum { BLOCK = 1024, CHUNKS = 16 };

#define RL_TYPE_S
#include "generic.h"
#include "orth.inc"
#define RL_TYPE_D
#include "generic.h"
#include "orth.inc"
#define RL_TYPE_C
#include "generic.h"
#include "orth.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "orth.inc"
