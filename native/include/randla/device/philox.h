/* Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011, doi:10.1145/2063384.2063405. */
#ifndef RANDLA_DEVICE_PHILOX_H
#define RANDLA_DEVICE_PHILOX_H

#include "randla/device/device.h"

#ifndef __CUDACC__
#include <stdint.h>
#endif

#define RL_PHILOX_ROUNDS 10

/* Four words in place of the four of the counter. */
RL_DEVICE void rl_philox(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < RL_PHILOX_ROUNDS; round++) {
    const uint64_t a = (uint64_t)0xD2511F53U * c0, b = (uint64_t)0xCD9E8D57U * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ key0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ key1;
    c3 = (uint32_t)a;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/* Block b of a sub-stream of (key, offset): the layout of every random number of the library. */
RL_DEVICE void rl_philox_block(uint64_t key, uint64_t offset, uint32_t kind, uint32_t sub,
                               uint64_t b, uint32_t word[4]) {
  const uint64_t p = offset + b;
  word[0] = (uint32_t)p;
  word[1] = (uint32_t)(p >> 32);
  word[2] = sub;
  word[3] = kind;
  rl_philox(word, (uint32_t)key, (uint32_t)(key >> 32));
}

#endif
