/* What the words of a sketching operator mean, for C and CUDA. */
#ifndef RANDLA_DEVICE_SKETCH_H
#define RANDLA_DEVICE_SKETCH_H

#include "randla/device/device.h"

#ifndef __CUDACC__
#include <stdint.h>
#endif

/* Sparse sign: the d rows are cut into nnz parts, the first d mod nnz of which have a row more than the
 * others.  First row of part t, and their number. */
RL_DEVICE int64_t rl_sketch_part(int64_t d, int64_t nnz, int64_t t, int64_t *rows) {
  const int64_t each = d / nnz, longer = d % nnz;
  *rows = each + (t < longer);
  return t * each + (t < longer ? t : longer);
}

/* A word chooses one of the rows of a part by its upper bits; bit 0 is the sign. */
RL_DEVICE int64_t rl_sketch_place(uint32_t word, int64_t rows) {
  return (int64_t)(((uint64_t)(word >> 1) * (uint64_t)rows) >> 31);
}

/* Bit `at` of the words of blocks that follow each other: a sign, 1 being minus. */
RL_DEVICE int32_t rl_sketch_bit(const uint32_t *words, int64_t at) {
  return (int32_t)(words[at / 32] >> at % 32 & 1);
}

/* SRHT: where row `kept` of the whole transform finds itself in that of a chunk of `length` columns (a
 * power of two) that begins at column r, a multiple of it: place << 1 | minus, as
 * H[k, r + i] = (-1)^popcount(k & r) H_length[k mod length, i]. */
RL_DEVICE int32_t rl_sketch_transform_code(int64_t kept, int64_t r, int64_t length) {
#ifdef __CUDACC__
  const int minus = __popcll((unsigned long long)(kept & r)) & 1;
#else
  const int minus = __builtin_popcountll((uint64_t)(kept & r)) & 1;
#endif
  return (int32_t)((kept & (length - 1)) << 1 | minus);
}

#endif
