/* BLAS and LAPACK by Fortran's convention: everything by address, characters with hidden lengths at the end.
 *
 * INT(x) is the address of x in the width of the integers that the BLAS in use has; OUT is room for one that it
 * writes. */
#include "lapack.h"

#include <limits.h>
#include <string.h>

#include "memory.h"
#include "provider.h"

typedef struct {
  int64_t wide;
  int narrow;
} blas_int;

#define INT(x) (rl_blas.ilp64 ? (const void *)&(x) : (const void *)&(int){(int)(x)})
#define OUT(x) (rl_blas.ilp64 ? (void *)&(x).wide : (void *)&(x).narrow)
#define READ(x) (rl_blas.ilp64 ? (x).wide : (int64_t)(x).narrow)

static int fits(int64_t size) { return size >= 0 && (rl_blas.ilp64 || size <= INT_MAX); }

#define NEED(routine, ...)                                         \
  do {                                                             \
    if ((routine) == NULL) return RL_ERR_NO_BLAS;                  \
    const int64_t sizes_[] = {__VA_ARGS__};                        \
    for (size_t i_ = 0; i_ < sizeof sizes_ / sizeof *sizes_; i_++) \
      if (!fits(sizes_[i_])) return RL_ERR_BLAS_INT;               \
  } while (0)

/* Integers that LAPACK wrote, counted from 1, become int64_t counted from 0 where they stand. */
static void widen(int64_t count, int64_t *x) {
  if (rl_blas.ilp64) {
    for (int64_t i = 0; i < count; i++) x[i]--;
    return;
  }
  const char *const narrow = (const char *)x;
  for (int64_t i = count - 1; i >= 0; i--) { /* from the end: x[i] covers what is read already */
    int one;
    memcpy(&one, narrow + sizeof one * (size_t)i, sizeof one);
    x[i] = one - 1;
  }
}

/* In single precision a large size is rounded, perhaps down. */
static int64_t work_size(double asked, int64_t least) {
  const int64_t size = (int64_t)(asked * (1 + 0x1p-22)) + 1;
  return size > least ? size : least;
}

static int64_t at_least_one(int64_t size) { return size > 1 ? size : 1; }

#define RL_TYPE_S
#include "generic.h"
#include "lapack.inc"
#define RL_TYPE_D
#include "generic.h"
#include "lapack.inc"
#define RL_TYPE_C
#include "generic.h"
#include "lapack.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "lapack.inc"
