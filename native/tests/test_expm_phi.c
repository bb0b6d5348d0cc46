/* phi_k(A): against its series, against its own recurrence, gradients, structure, errors. */
#include <float.h>
#include <math.h>

#include "test_common.h"

#define RL_TYPE_S
#include "generic.h"
#include "oracle.inc"
#include "test_expm_phi.inc"
#define RL_TYPE_D
#include "generic.h"
#include "oracle.inc"
#include "test_expm_phi.inc"
#define RL_TYPE_C
#include "generic.h"
#include "oracle.inc"
#include "test_expm_phi.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "oracle.inc"
#include "test_expm_phi.inc"

int main(void) {
  test_begin();
  ref_blas_use(0);
  phi_tests_s();
  phi_tests_d();
  phi_tests_c();
  phi_tests_z();
  return test_end();
}
