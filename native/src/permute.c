#include "permute.h"

#include <string.h>

void rl_permutation(int64_t n, int64_t count, const int64_t *pivots, int64_t *perm) {
  for (int64_t i = 0; i < n; i++) perm[i] = i;
  for (int64_t i = 0; i < count; i++) {
    const int64_t other = perm[pivots[i]];
    perm[pivots[i]] = perm[i];
    perm[i] = other;
  }
}

#define RL_TYPE_S
#include "generic.h"
#include "permute.inc"
#define RL_TYPE_D
#include "generic.h"
#include "permute.inc"
#define RL_TYPE_C
#include "generic.h"
#include "permute.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "permute.inc"
