/* A term of a recurrence with a sparse matrix, in one pass over it.  Included by randla.h. */
#ifndef RANDLA_SPMM_H
#define RANDLA_SPMM_H

#ifdef __cplusplus
extern "C" {
#endif

/* A: CSR, n x n, indices of `index_bytes` (4 or 8), all inside
 * [0, n) and row pointers that ascend (the caller's promise).  X, Y, Z, W: row-major, n x p.
 *   Y = alpha A X + beta X + gamma Z,   W += delta Y.
 * alpha ... delta: pairs, real and imaginary part (which real types ignore).  Z, W may be NULL; Y may be Z
 * itself, and must overlap nothing else.  Bound: a load and a sum for each entry of A and column; unfused, the
 * sums of the recurrence cost as much again. */
RL_API int rl_sspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const float *a, const double scalars[8], const float *x,
                    const float *z, float *y, float *w);
RL_API int rl_dspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const double *a, const double scalars[8], const double *x,
                    const double *z, double *y, double *w);
RL_API int rl_cspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const rl_complex_float *a, const double scalars[8],
                    const rl_complex_float *x, const rl_complex_float *z, rl_complex_float *y,
                    rl_complex_float *w);
RL_API int rl_zspmm(int64_t n, int64_t p, const void *pointers, const void *indices,
                    int index_bytes, const rl_complex_double *a, const double scalars[8],
                    const rl_complex_double *x, const rl_complex_double *z, rl_complex_double *y,
                    rl_complex_double *w);

/* What is worth knowing of A before its first product.  Any pointers and indices may come: there are `entries`
 * indices and entries, and flags is 0 if something is outside.  Otherwise flags is a sum of these: */
enum rl_spmm_flags {
  RL_SPMM_VALID = 1,
  RL_SPMM_CANONICAL = 2, /* indices ascend in each row, without repetitions */
  RL_SPMM_FINITE = 4,
  RL_SPMM_PAIRED = 8,     /* with each entry (i, j) that is not 0 there is one (j, i) */
  RL_SPMM_HERMITIAN = 16, /* A = A^H; this and the next two: of canonical A alone */
  RL_SPMM_SKEW = 32       /* A = -A^H */
};
/* and each of length n: the diagonal (in double precision), sums of moduli off the diagonal over the rows, the
 * columns, and the rows of (A + A^H) / 2 (a bound of it, where entries are not paired). */
RL_API int rl_sspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                           int index_bytes, const float *a, double *diagonal, double *rows,
                           double *columns, double *hermitian, int *flags);
RL_API int rl_dspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                           int index_bytes, const double *a, double *diagonal, double *rows,
                           double *columns, double *hermitian, int *flags);
RL_API int rl_cspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                           int index_bytes, const rl_complex_float *a, rl_complex_double *diagonal,
                           double *rows, double *columns, double *hermitian, int *flags);
RL_API int rl_zspmm_survey(int64_t n, int64_t entries, const void *pointers, const void *indices,
                           int index_bytes, const rl_complex_double *a, rl_complex_double *diagonal,
                           double *rows, double *columns, double *hermitian, int *flags);

/* A matrix that lies on few diagonals needs no indices, and is two to three times as fast without.  First the
 * offsets j - i of the diagonals that hold entries, ascending; count = 0 if there are more than `most`. */
RL_API int rl_spmm_offsets(int64_t n, const void *pointers, const void *indices, int index_bytes,
                           int64_t most, int64_t *offsets, int64_t *count);
/* Then the entries, and zeros between them, in tiles of RL_SPMM_TILE rows: entry (i, i + offsets[q]) is number
 * (i / TILE * count + q) * TILE + i % TILE.  tiles: room for n rows, rounded up to a multiple of a tile. */
#define RL_SPMM_TILE 16
RL_API int rl_sspmm_tiles(int64_t n, const void *pointers, const void *indices, int index_bytes,
                          const float *a, int64_t count, const int64_t *offsets, float *tiles);
RL_API int rl_dspmm_tiles(int64_t n, const void *pointers, const void *indices, int index_bytes,
                          const double *a, int64_t count, const int64_t *offsets, double *tiles);
/* As rl_sspmm, for p <= 2; the zeros make NaN of what is not finite in X. */
RL_API int rl_sspmm_tiled(int64_t n, int64_t p, int64_t count, const int64_t *offsets,
                          const float *tiles, const double scalars[8], const float *x,
                          const float *z, float *y, float *w);
RL_API int rl_dspmm_tiled(int64_t n, int64_t p, int64_t count, const int64_t *offsets,
                          const double *tiles, const double scalars[8], const double *x,
                          const double *z, double *y, double *w);

/* A sparse matrix times a panel: op 'N': Y (m x l) = A X, op 'C': Y (n x l) = A^H X.  A: m x n, by rows (csc 0: m + 1
 * pointers) or by columns (n + 1); indices in any order, repeated ones add up, all inside (the caller's promise).
 * Panels: row-major, ldx, ldy >= max(1, l), not overlapping.  By at most `threads` threads (0: as many as are worth
 * it), the same bits for any number.  Bound: entries (index + number + l numbers) bytes. */
#define RL_SPMM_PANEL(p, T)                                                                 \
  RL_API int rl_##p##spmm_panel(int csc, char op, int64_t m, int64_t n, int64_t l,          \
                                const void *pointers, const void *indices, int index_bytes, \
                                const T *a, const T *x, int64_t ldx, T *y, int64_t ldy,     \
                                int threads);
RL_SPMM_PANEL(s, float)
RL_SPMM_PANEL(d, double)
RL_SPMM_PANEL(c, rl_complex_float)
RL_SPMM_PANEL(z, rl_complex_double)
#undef RL_SPMM_PANEL

#ifdef __cplusplus
}
#endif
#endif
