#include "skinny.h"

#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "gemm.h"
#include "memory.h"
#include "threads.h"

/* The rule, for real numbers: kernels of our own, but not beyond this many columns, where what the BLAS does to pack A
 * no longer counts, nor for A^T Y where the rows of A all begin in the same place of a page, so that their lines
 * compete for a few sets of the caches, nor for float A^T Y of many columns.  Of GEMM's rate, l = 30 and 60, Zen 3,
 * ours and the BLAS's: float64 A Y 0.95 and 1.02, 0.57 and 0.81, A^T Y 0.80 and 0.90, 0.65 and 0.87, with a leading
 * dimension of 4096 0.50 and 0.55, 0.63 and 0.87; float A Y 0.86 and 0.89, 0.54 and 0.75, A^T Y 0.72 and 0.76, 0.65
 * and 0.86.  The BLAS is asked for C by columns, its faster side, which is then transposed. */
enum { MOST_COLUMNS = 256, MANY_COLUMNS = 48, PAGE = 4096 };
static int blas_is_faster(char op, int single, int64_t l, int64_t row_bytes, int64_t m) {
  if (l > MOST_COLUMNS) return 1;
  return op != 'N' && m > 8 && (row_bytes % PAGE == 0 || (single && l >= MANY_COLUMNS));
}

/* Parts of a product by the BLAS, so that the sizes alone say where it is cut. */
enum { PARTS = 16, LEAST_PART = 512 };
/* Flops after which a loop asks whether to stop. */
#define PATIENCE 2e10

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
