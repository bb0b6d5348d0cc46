#include "provider.h"

#include <string.h>

#ifdef RL_BLAS_LINKED /* -DRANDLA_BLAS=system: the symbols of the BLAS that was found at build time */
#define X(name) void name##_(void);
#include "randla/blas.def"
#undef X
rl_blas_table rl_blas = {
    0,
#define X(name) name##_,
#include "randla/blas.def"
#undef X
};
static int filled = 1;
int rl_blas_linked(void) { return 1; }
#else
rl_blas_table rl_blas;
static int filled = 0;
int rl_blas_linked(void) { return 0; }
#endif

static const char *const routine[] = {
#define X(name) #name,
#include "randla/blas.def"
#undef X
};
enum { N_ROUTINES = sizeof routine / sizeof *routine };

const char *rl_blas_routine(int i) { return i >= 0 && i < N_ROUTINES ? routine[i] : NULL; }

int rl_blas_ilp64(void) { return filled ? rl_blas.ilp64 : -1; }

int rl_set_blas(int count, const char *const names[], const rl_function routines[], int ilp64) {
  if (count < 0 || (count > 0 && (names == NULL || routines == NULL))) return RL_ERR_SIZE;
  rl_blas_table table = {.ilp64 = ilp64 != 0};
  for (int i = 0; i < count; i++) {
#define X(name) \
  if (strcmp(names[i], #name) == 0) table.name = routines[i];
#include "randla/blas.def"
#undef X
  }
  rl_blas = table;
  filled = 1;
  return RL_OK;
}
