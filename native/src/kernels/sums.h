/* y_o = sum_j coefficient[o * inputs + j] x_j for arrays of `length` reals, 1 <= inputs <= RL_SUMS_INPUTS,
 * 0 <= outputs.  An output may be an input: every element is read before it is written.
 *
 * stream: bit o asks that y_o goes past the caches, for what is too large to stay there: a store through them
 * would first read what it overwrites.  It is a wish (y_o must be aligned like a vector, and not an input).
 * poison: NULL, or where 0 is added if all that was read is finite, else NaN. */
#ifndef RL_SUMS_H
#define RL_SUMS_H

#include <stdint.h>

#define RL_SUMS_INPUTS 5

typedef struct {
  void (*s)(int64_t length, int inputs, const float *const x[], int outputs,
            const float *coefficient, float *const y[], unsigned stream, float *poison);
  void (*d)(int64_t length, int inputs, const double *const x[], int outputs,
            const double *coefficient, double *const y[], unsigned stream, double *poison);
  /* Largest sum of moduli over the columns (one) and rows (inf) of a packed n x n.  Both NaN if an entry is not
   * finite or a sum overflows.  rows: n reals of work. */
  void (*norms_s)(int64_t n, const float *a, float *rows, float *one, float *inf);
  void (*norms_d)(int64_t n, const double *a, double *rows, double *one, double *inf);
} rl_sums_kernels;

#endif
