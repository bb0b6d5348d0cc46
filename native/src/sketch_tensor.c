/* TensorSketch: what is checked and prepared for the kernels, which take groups of samples. */
#include <math.h>
#include <stddef.h>

#include "dispatch.h"
#include "memory.h"
#include "randla.h"
#include "randla/device/philox.h"
#include "threads.h"

enum { LARGEST = 1 << 30 }; /* a bucket and a sign share 32 bits */

int rl_tensor_codes(rl_stream stream, int64_t d, int64_t g, int64_t first, int64_t count,
                    int32_t *codes) {
  if (d < 1 || d > LARGEST || g < 0 || g > UINT32_MAX || first < 0 || count < 0) return RL_ERR_SIZE;
  if (count > INT64_MAX - first || (count > 0 && codes == NULL)) return RL_ERR_SIZE;
  uint32_t word[4];
  for (int64_t i = 0; i < count; i++) {
    const uint64_t j = (uint64_t)(first + i);
    if (i == 0 || j % 4 == 0)
      rl_philox_block(stream.key, stream.offset, RL_KIND_TENSOR_SKETCH, (uint32_t)g, j / 4, word);
    const uint32_t w = word[j % 4];
    codes[i] = (int32_t)(((uint64_t)(w >> 1) * (uint64_t)d >> 31) << 1 | (w & 1));
  }
  return RL_OK;
}

/* The length of the transforms: d where that is a power of two; else that of the product, so that nothing wraps
 * before it is folded.  One factor needs no transform.  -1: too long. */
static int64_t transform_length(int64_t d, int64_t factors) {
  if (factors == 1 || (d & (d - 1)) == 0) return d;
  const int64_t product = rl_product(factors, d - 1);
  if (product < 0 || product >= INT64_MAX / 4) return -1;
  int64_t n = 1;
  while (n < product + 1) n *= 2;
  return n;
}

#define RL_TYPE_S
#include "generic.h"
#include "sketch_tensor.inc"
#define RL_TYPE_D
#include "generic.h"
#include "sketch_tensor.inc"
