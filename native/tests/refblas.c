#include "refblas.h"

#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "randla.h"

static atomic_int complaints;
static atomic_long calls;

int ref_blas_complaints(void) { return atomic_load(&complaints); }
long ref_blas_calls(void) { return atomic_load(&calls); }

/* 'N', 'T' or 'C', or 0. */
static char letter(const char *p, size_t length) {
  const char c = (char)(*p >= 'a' ? *p - 'a' + 'A' : *p);
  return length == 1 && (c == 'N' || c == 'T' || c == 'C') ? c : 0;
}

#define INTEGER int
#define REF(name) RL_PASTE3(ref_, RL_PREFIX, name)
#define RL_TYPE_S
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#define RL_TYPE_D
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#define RL_TYPE_C
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#undef INTEGER
#undef REF

#define INTEGER int64_t
#define REF(name) RL_PASTE3(ref64_, RL_PREFIX, name)
#define RL_TYPE_S
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#define RL_TYPE_D
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#define RL_TYPE_C
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "refblas.inc"
#include "reflapack.inc"

void ref_blas_use(int ilp64) {
  static const char *const names[] = {
#define X(name) #name,
#include "randla/blas.def"
#undef X
  };
  static const rl_function routines32[] = {
#define X(name) (rl_function) ref_##name,
#include "randla/blas.def"
#undef X
  };
  static const rl_function routines64[] = {
#define X(name) (rl_function) ref64_##name,
#include "randla/blas.def"
#undef X
  };
  rl_set_blas((int)(sizeof names / sizeof *names), names, ilp64 ? routines64 : routines32, ilp64);
}
