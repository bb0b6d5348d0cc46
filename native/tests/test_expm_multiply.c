/* exp(A) B, its gradients, and the sparse products of its large cousin. */
#include <math.h>

#include "memory.h"
#include "test_common.h"

#define RL_TYPE_S
#include "generic.h"
#include "test_expm_multiply.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_expm_multiply.inc"
#define RL_TYPE_C
#include "generic.h"
#include "test_expm_multiply.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "test_expm_multiply.inc"

int main(void) {
  test_begin();
  ref_blas_use(0);
  multiply_s();
  multiply_d();
  multiply_c();
  multiply_z();
  return test_end();
}
