/* Sparse matrix times a block, fused with the sums of a recurrence; what is asked of it beforehand. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "memory.h"
#include "randla.h"
#include "threads.h"

/* Whether the row pointers ascend from 0 to at most `entries`, and the indices are in [0, n). */
#define INSIDE(INDEX, name)                                                                  \
  static int name(int64_t n, int64_t entries, const INDEX *pointers, const INDEX *indices) { \
    if (pointers[0] != 0 || pointers[n] > entries) return 0;                                 \
    for (int64_t i = 0; i < n; i++)                                                          \
      if (pointers[i + 1] < pointers[i]) return 0;                                           \
    INDEX low = 0, high = 0; /* no branch: the compiler uses vectors */                      \
    for (int64_t k = 0; k < pointers[n]; k++) {                                              \
      low = indices[k] < low ? indices[k] : low;                                             \
      high = indices[k] > high ? indices[k] : high;                                          \
    }                                                                                        \
    return low >= 0 && (high < n || pointers[n] == 0);                                       \
  }
INSIDE(int32_t, inside_by_32)
INSIDE(int64_t, inside_by_64)

#define TILE RL_SPMM_TILE

/* Offsets of the diagonals that hold entries, ascending: their number, or 0 if there are more than `most`. */
#define OFFSETS(INDEX, name)                                                                \
  static int64_t name(int64_t n, const INDEX *pointers, const INDEX *indices, int64_t most, \
                      char *seen, int64_t *offsets) {                                       \
    int64_t count = 0;                                                                      \
    memset(seen, 0, (size_t)(2 * n));                                                       \
    for (int64_t i = 0; i < n; i++)                                                         \
      for (int64_t k = pointers[i]; k < pointers[i + 1]; k++) {                             \
        char *const mine = &seen[indices[k] - i + n - 1];                                   \
        if (*mine) continue;                                                                \
        if (count++ == most) return 0;                                                      \
        *mine = 1;                                                                          \
      }                                                                                     \
    int64_t found = 0;                                                                      \
    for (int64_t q = 0; q < 2 * n - 1; q++)                                                 \
      if (seen[q]) offsets[found++] = q - (n - 1);                                          \
    return found;                                                                           \
  }
OFFSETS(int32_t, offsets_by_32)
OFFSETS(int64_t, offsets_by_64)

int rl_spmm_offsets(int64_t n, const void *pointers, const void *indices, int index_bytes,
                    int64_t most, int64_t *offsets, int64_t *count) {
  if (n < 0 || most < 0 || pointers == NULL || offsets == NULL || count == NULL) return RL_ERR_SIZE;
  if (index_bytes != 4 && index_bytes != 8) return RL_ERR_OPTION;
  *count = 0;
  if (n == 0 || most == 0) return RL_OK;
  char *const seen = rl_alloc(n, 2);
  if (seen == NULL) return RL_ERR_MEMORY;
  *count = index_bytes == 4 ? offsets_by_32(n, pointers, indices, most, seen, offsets)
                            : offsets_by_64(n, pointers, indices, most, seen, offsets);
  rl_free(seen);
  return RL_OK;
}

#define RL_TYPE_S
#include "generic.h"
#define SCALAR_SUMS double
#include "spmm.inc"
#define RL_TYPE_D
#include "generic.h"
#define SCALAR_SUMS double
#include "spmm.inc"
#define RL_TYPE_C
#include "generic.h"
#define SCALAR_SUMS rl_complex_double
#include "spmm.inc"
#define RL_TYPE_Z
#include "generic.h"
#define SCALAR_SUMS rl_complex_double
#include "spmm.inc"
