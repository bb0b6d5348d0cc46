#include <math.h>
#include <string.h>

#include "basics.h"
#include "gemm.h"
#include "lapack.h"
#include "orth.h"
#include "threads.h"

/* Rows whose products are summed in the precision of the type; and parts of the rows, which the sizes alone say: the
 * sums of one cost l^2 numbers, so that it has at least 4 l rows. */
enum { PIECE = 2048, PARTS = 64 };
#define CERTIFICATE(unit) (30 * sqrt(2 * (unit)))

static int64_t parts_of(int64_t m, int64_t l) {
  return most(1, least(PARTS, m / most(PIECE, 4 * l)));
}

#define RL_TYPE_S
#include "generic.h"
#include "orth_panel.inc"
#define RL_TYPE_D
#include "generic.h"
#include "orth_panel.inc"
#define RL_TYPE_C
#include "generic.h"
#include "orth_panel.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "orth_panel.inc"
