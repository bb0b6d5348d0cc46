/* Soft ranks and soft top-k against sums over pairs in double precision. */
#include <math.h>

#include "test_common.h"

static double sigmoid(double z) { return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)); }

#define RL_TYPE_S
#include "generic.h"
#include "test_topk_soft.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_topk_soft.inc"

int main(void) {
  test_begin();
  int level = 0;
  while (test_level(&level) != NULL) {
    ranks_s();
    ranks_d();
    weights_s();
    weights_d();
    refusals_s();
    refusals_d();
  }
  return test_end();
}
