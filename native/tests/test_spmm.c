/* Sparse matrices times panels, against their dense selves: both storages, both widths of indices, entries in any
 * order and repeated, empty rows, threads. */
#include <math.h>

#include "test_common.h"

#define RL_TYPE_S
#include "generic.h"
#include "test_spmm.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_spmm.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_spmm.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_spmm.inc"

int main(void) {
  test_begin();
  int level = 0;
  while (test_level(&level) != NULL) {
    panels_s();
    panels_d();
    panels_c();
    panels_z();
  }
  refusals_d();
  return test_end();
}
