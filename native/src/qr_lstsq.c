/* A^H (A V), reading A once: a step of an iteration for least squares.
 *
 * For a block A_b of rows: T = A_b V, W += A_b^H T, while A_b is in the cache.  The memory's bandwidth is the limit: one
 * Zen 3 core reads A at 14 to 21 GB/s; the two products apart take 1.1 to 1.9 times as long. */
#include <string.h>

#include "basics.h"
#include "gemm.h"
#include "lapack.h"
#include "memory.h"
#include "randla.h"
#include "threads.h"

enum {
  BLOCK_BYTES = 1 << 18, /* of A in a block: half of a level-2 cache */
  LEAST_ROWS = 1024, /* column-major: with 128, shorter than what is fetched ahead, half the rate */
  MOST_ROWS = 4096,
  CHUNKS = 16, /* sums that are added in order */
  BY_VECTORS =
      4, /* so many columns go one by one: the packing of GEMM would cost more than reading A_b again */
};

#define RL_TYPE_S
#include "generic.h"
#include "qr_lstsq.inc"
#define RL_TYPE_D
#include "generic.h"
#include "qr_lstsq.inc"
#define RL_TYPE_C
#include "generic.h"
#include "qr_lstsq.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "qr_lstsq.inc"
