/* Exact top-k selection.  Included by randla.h. */
#ifndef RANDLA_TOPK_H
#define RANDLA_TOPK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Types of functions that only compare. */
typedef enum {
  RL_F16,
  RL_BF16,
  RL_F32,
  RL_F64,
  RL_BOOL, /* bytes 0 and 1 */
  RL_I8,
  RL_I16,
  RL_I32,
  RL_I64,
  RL_U8,
  RL_U16,
  RL_U32,
  RL_U64
} rl_dtype;

/* Options of rl_topk, to be added.  Without any: the k largest, in the order of their indices, which are
 * int64_t; a NaN counts as greater than infinity. */
enum rl_topk_flags {
  RL_TOPK_SMALLEST = 1,  /* the k smallest */
  RL_TOPK_SORTED = 2,    /* best first, equal values by index */
  RL_TOPK_INDEX32 = 4,   /* indices are int32_t; n <= 2^31 */
  RL_TOPK_NAN_LEAST = 8, /* a NaN counts as less than -infinity */
  /* a row with a NaN gives RL_ERR_NAN; gives NaN for every value, and the indices that it would have had */
  RL_TOPK_NAN_RAISE = 16,
  RL_TOPK_NAN_PROPAGATE = 32
};

/* The k largest of each of `rows` rows of n elements, 0 <= k <= n.
 *
 * Order: -inf < ... < -0 = +0 < ... < +inf.  Of equal elements (-0 and +0, or any two NaN) the one of lowest
 * index comes first, for the largest as for the smallest: the result does not depend on the ISA level or on
 * the number of threads.  Values are copies: -0 stays -0, and a NaN keeps its payload.
 *
 * Element j of row i is x[i ldx + j incx]; strides may be negative or zero.  val, of the type of x, and idx
 * have k contiguous elements for each row, ldv and ldi >= k from row to row; either may be NULL.
 * lengths: row i has lengths[i] elements, k <= lengths[i] <= n; NULL: all have n.
 * failed: with RL_ERR_NAN (and RL_ERR_SIZE because of a length), the row; may be NULL.
 * Memory beyond the output: about 12 (k + n / 50) elements at most, independent of n for small k, for each row in
 * flight. */
RL_API int rl_topk(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x, int64_t incx,
                   int64_t ldx, const int64_t *lengths, void *val, int64_t ldv, void *idx,
                   int64_t ldi, unsigned flags, int64_t *failed);

/* Number k of each row alone, counted from 1 (1 <= k <= n): one element of val and of idx for each row,
 * at distances ldv, ldi >= 1.  RL_TOPK_SORTED means nothing here. */
RL_API int rl_topk_kth(rl_dtype type, int64_t rows, int64_t n, int64_t k, const void *x,
                       int64_t incx, int64_t ldx, const int64_t *lengths, void *val, int64_t ldv,
                       void *idx, int64_t ldi, unsigned flags, int64_t *failed);

/* From k ascending indices of each row, as rl_topk gives them without RL_TOPK_SORTED (int64_t, ldi apart):
 * a mask of n bytes for each row, 1 at those indices and 0 elsewhere; or the n - k other indices, ascending.
 * RL_ERR_SIZE where the indices do not ascend or lie outside [0, n). */
RL_API int rl_topk_mask(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi,
                        unsigned char *mask, int64_t ldm);
RL_API int rl_topk_rest(int64_t rows, int64_t n, int64_t k, const int64_t *idx, int64_t ldi,
                        int64_t *rest, int64_t ldr);

#ifdef __cplusplus
}
#endif
#endif
