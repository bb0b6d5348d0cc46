/* TensorSketch against circular convolutions from their definition, at every ISA level; what is written, and what
 * is refused. */
#include <math.h>

#include "randla/device/philox.h"
#include "test_common.h"

static void codes(void) {
  const rl_stream s = {0x123456789abcdefU, 7};
  int32_t all[40];
  static const int64_t sizes[] = {1, 2, 3, 1000, (int64_t)1 << 30};
  for (int t = 0; t < 5; t++) {
    CHECK_STATUS(rl_tensor_codes(s, sizes[t], 3, 0, 40, all), RL_OK);
    for (int64_t j = 0; j < 40; j++) {
      uint32_t w[4];
      CHECK_STATUS(rl_stream_words(s, RL_KIND_TENSOR_SKETCH, 3, (uint64_t)j >> 2, 1, w), RL_OK);
      const int64_t bucket = (int64_t)(((uint64_t)(w[j & 3] >> 1) * (uint64_t)sizes[t]) >> 31);
      CHECK(all[j] >> 1 == bucket && (all[j] & 1) == (int)(w[j & 3] & 1), "code %d: %d", (int)j,
            all[j]);
    }
    for (int64_t first = 0; first < 9; first++) {
      guarded g = guarded_new(11, sizeof(int32_t));
      CHECK_STATUS(rl_tensor_codes(s, sizes[t], 3, first, 11, guarded_data(&g)), RL_OK);
      CHECK(memcmp(guarded_data(&g), all + first, 11 * sizeof(int32_t)) == 0, "part");
      CHECK(guarded_margins(&g), "margins");
      guarded_free(&g);
    }
  }
  CHECK_STATUS(rl_tensor_codes(s, 0, 0, 0, 1, all), RL_ERR_SIZE);
  CHECK_STATUS(rl_tensor_codes(s, ((int64_t)1 << 30) + 1, 0, 0, 1, all), RL_ERR_SIZE);
  CHECK_STATUS(rl_tensor_codes(s, 5, -1, 0, 1, all), RL_ERR_SIZE);
  CHECK_STATUS(rl_tensor_codes(s, 5, 0, 0, 1, NULL), RL_ERR_SIZE);
}

#define RL_TYPE_S
#include "generic.h"
#include "test_sketch_tensor.inc"
#define RL_TYPE_D
#include "generic.h"
#include "test_sketch_tensor.inc"

int main(void) {
  test_begin();
  codes();
  int level = 0;
  while (test_level(&level) != NULL) {
    test_seed(20);
    tensor_s();
    tensor_d();
  }
  return test_end();
}
