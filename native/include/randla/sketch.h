/* Sketching operators: random d x m matrices S with E[S^T S] = I, known by a few words and never stored.
 *
 * Entry (i, j) is a function of (kind, stream, i, j) and of the sizes alone, so that any block can be
 * made alone, on any machine, in any order.  Kinds: RL_KIND_GAUSSIAN (in single precision
 * RL_KIND_GAUSSIAN_SINGLE), _RADEMACHER, _KHATRI_RAO
 * (signs of factor `sub`), _SPARSE_SIGN, _SRHT.  docs/guide/sketch.md has their formulas. */
#ifndef RANDLA_SKETCH_H
#define RANDLA_SKETCH_H

#ifdef __cplusplus
extern "C" {
#endif

/* A block of an operator: rows row .. row + rows - 1, columns column .. column + columns - 1. */
typedef struct {
  int64_t kind;
  int64_t d, m; /* sizes of the whole operator; m counts for the SRHT alone */
  int64_t nnz;  /* nonzeros in a column of RL_KIND_SPARSE_SIGN, 1 .. d */
  int64_t sub;  /* sub-stream: 0, or what keeps several operators of one stream apart */
  rl_stream stream;
  int64_t row, rows, column, columns;
} rl_sketch;

/* The factor between the entries of the operator and those that the functions below call U, whose
 * entries are -1, 0 and 1, or standard normal: S = scale U. */
RL_API double rl_sketch_scale(const rl_sketch *s);

/* `count` sorted distinct integers below `bound`, all subsets being equally likely: what an SRHT keeps, and
 * what is sampled.  Floyd's algorithm; Bentley, Floyd 1987, doi:10.1145/30401.315746. */
RL_API int rl_stream_subset(rl_stream stream, uint32_t kind, uint32_t sub, int64_t count,
                            int64_t bound, int64_t *chosen);

/* B = S, `rows` x `columns`. */
RL_API int rl_ssketch_fill(const rl_sketch *s, float *B, int64_t ldb);
RL_API int rl_dsketch_fill(const rl_sketch *s, double *B, int64_t ldb);

/* Rows (row << 1 | negative) of the nonzeros of U, `nnz` for each column of the block; rows outside of the
 * block count too.  RL_KIND_SPARSE_SIGN alone. */
RL_API int rl_sketch_codes(const rl_sketch *s, int32_t *codes);

/* left:  B = alpha U A + beta B         A: columns x n, B: rows x n;
 *        transposed: alpha U^T A        A: rows x n, B: columns x n.
 * right: B = alpha A U + beta B         A: n x rows, B: n x columns;
 *        transposed: alpha A U^T        A: n x columns, B: n x rows.
 * A batch of `count` pairs has strides after the leading dimensions.  With alpha = 1 = beta a sum goes on where B
 * stands, term by term in the order of the columns of U: cut where one likes, it has the same bits (at multiples
 * of rl_sketch_block() for the dense kinds). */
#define RL_SKETCH_APPLY(p, T)                                                                      \
  RL_API int rl_##p##sketch_left(const rl_sketch *s, int transposed, int64_t count, int64_t n,     \
                                 T alpha, const T *A, int64_t lda, int64_t stridea, T beta, T *B,  \
                                 int64_t ldb, int64_t strideb);                                    \
  RL_API int rl_##p##sketch_right(const rl_sketch *s, int transposed, int64_t count, int64_t n,    \
                                  T alpha, const T *A, int64_t lda, int64_t stridea, T beta, T *B, \
                                  int64_t ldb, int64_t strideb);
RL_SKETCH_APPLY(s, float)
RL_SKETCH_APPLY(d, double)
#undef RL_SKETCH_APPLY

/* Columns of U that are taken at once: what fixes the order of the sums. */
RL_API int64_t rl_sketch_block(const rl_sketch *s);

/* The same for sparse A and RL_KIND_SPARSE_SIGN: B = alpha U A + beta B, B[i rowstride + j colstride].
 * _csr: A is columns x n, by rows; _csc: by columns.  Pointers and indices have index_bytes (4, 8) each; indices are
 * trusted to lie inside. */
#define RL_SKETCH_SPARSE(p, T)                                                                     \
  RL_API int rl_##p##sketch_csr(const rl_sketch *s, int64_t n, T alpha, const void *pointers,      \
                                const void *indices, const T *data, int index_bytes, T beta, T *B, \
                                int64_t rowstride, int64_t colstride);                             \
  RL_API int rl_##p##sketch_csc(const rl_sketch *s, int64_t n, T alpha, const void *pointers,      \
                                const void *indices, const T *data, int index_bytes, T beta, T *B, \
                                int64_t rowstride, int64_t colstride);
RL_SKETCH_SPARSE(s, float)
RL_SKETCH_SPARSE(d, double)
#undef RL_SKETCH_SPARSE

/* Rows that come once, RL_KIND_SPARSE_SIGN with all of its rows; what the decomposition of a stream keeps of them.
 * down:   W += U A and sums += the columns' sums in double precision, for A (columns x n) and W (rows x n) by rows.
 *         Sums go on row by row: cut where one likes, they have the same bits.
 * across: Y = alpha A U^T (m x rows), and sums of squares of the rows of A (m x columns), all by rows.  A complex A
 *         and Y are pairs of real numbers, with pairs = 2; all else counts real numbers. */
#define RL_SKETCH_ONCE(p, T)                                                                  \
  RL_API int rl_##p##sketch_once_down(const rl_sketch *s, int64_t n, const T *A, int64_t lda, \
                                      T *W, int64_t ldw, double *sums);                       \
  RL_API int rl_##p##sketch_once_across(const rl_sketch *s, int pairs, int64_t m, T alpha,    \
                                        const T *A, int64_t lda, T *Y, int64_t ldy, T *squares);
RL_SKETCH_ONCE(s, float)
RL_SKETCH_ONCE(d, double)
#undef RL_SKETCH_ONCE

#ifdef __cplusplus
}
#endif

#endif
