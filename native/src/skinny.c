#include "skinny.h"

#include <string.h>

#include "dispatch.h"
#include "gemm.h"
#include "memory.h"
#include "threads.h"

/* The rule, for real numbers: kernels of our own, but not beyond this many columns, where what the BLAS does to pack A
 * no longer counts, nor for A^T Y where the rows of A all begin in the same place of a page: their lines compete
 * for a few sets of the caches.  Of GEMM's rate, l = 30 and 60, float64, Zen 3: A Y 0.92-1.0, the BLAS 0.6 and 0.8;
 * A^T Y 0.72-0.88, the BLAS 0.6 and 0.8; leading dimension 4096: A Y 0.89 and 0.96, A^T Y 0.50 and 0.55.  The panels
 * being row-major, the BLAS is asked for C^T = Y^T op(A)^T, its faster side. */
enum { MOST_COLUMNS = 256, PAGE = 4096 };
static int by_blas(char op, int64_t l, int64_t row_bytes, int64_t m) {
  return l > MOST_COLUMNS || (op != 'N' && row_bytes % PAGE == 0 && m > 8);
}

/* Parts of a product by the BLAS, so that the sizes alone say where it is cut. */
enum { PARTS = 16, LEAST_PART = 256 };
/* Flops after which a loop asks whether to stop. */
#define PATIENCE 2e10

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts(int64_t a, int64_t b) { return a / b + (a % b != 0); }

#define RL_TYPE_S
#include "generic.h"
#include "skinny.inc"
#define RL_TYPE_D
#include "generic.h"
#include "skinny.inc"
#define RL_TYPE_C
#include "generic.h"
#include "skinny.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "skinny.inc"
