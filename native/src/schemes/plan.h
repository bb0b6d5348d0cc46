/* A bilinear scheme <m, k, n : rank> and the program that runs it.
 *
 * The scheme: with A cut into m x k blocks, B into k x n and C into m x n,
 *     P_r  = (sum_il U[r, il] A_il / d_u) (sum_lj V[r, lj] B_lj / d_v)        r < rank
 *     C_ij = sum_r W[r, ij] P_r / d_w                                        (blocks row-major)
 *
 * The plan: a straight line of steps.  Every side has blocks of its own, known by number: first those of
 * the matrix (A: 0 .. m k - 1, B: 0 .. k n - 1, C: 0 .. m n - 1, row-major), then its temporaries, which
 * a plan reuses as it likes.  A step is a sum on one side,
 *     target = sum_t coefficient_t block_t        (target may be among its own terms)
 * or a product,
 *     target = s L R,  target += s L R  or  target -= s L R,
 * with target on side C, L on side A, R on side B, s the scale of the plan.  A and B themselves are never a
 * target.  No block is read before it was written: C holds nothing when the plan begins.  Sums of one side that
 * follow each other run in one pass over memory, piece by piece: put together what can be. */
#ifndef RL_PLAN_H
#define RL_PLAN_H

#include <stdint.h>

#define RL_PLAN_BLOCKS 128 /* at most, of a side, its temporaries among them */

typedef struct {
  double coefficient;
  int block;
} rl_plan_term;

enum rl_plan_op {
  RL_PLAN_SUM_A,
  RL_PLAN_SUM_B,
  RL_PLAN_SUM_C,
  RL_PLAN_PRODUCT, /* target  = s L R */
  RL_PLAN_ADD,     /* target += s L R */
  RL_PLAN_SUBTRACT /* target -= s L R */
};

typedef struct {
  int op, target;
  int x, y; /* a sum: terms x .. x + y - 1 of the plan; a product: L = x, R = y */
} rl_plan_step;

typedef struct {
  const char *name, *field, *origin;
  int m, k, n, rank;
  const int8_t *u, *v, *w; /* rank rows of m k, k n, m n entries */
  int d_u, d_v, d_w;
  int temporaries[3]; /* of the sides A, B, C */
  double scale;
  int steps;
  const rl_plan_step *step;
  const rl_plan_term *term;
} rl_plan;

#endif
