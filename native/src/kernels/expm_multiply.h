/* What the action of the exponential, exp(A) B, needs from an ISA level. */
#ifndef RL_EXPM_MULTIPLY_H
#define RL_EXPM_MULTIPLY_H

#include "randla.h"
#include "randla/device/expm_action_rule.h"

typedef struct {
  int order, steps;
  double norm; /* of A - mu I */
} rl_action_choice;

/* Packed row-major matrices A (n x n), B and Y (n x p): `count` <= lanes of each, one after the other. */
#define RL_ACTION_TABLE(REAL, name)                                                                       \
  typedef struct {                                                                                        \
    int lanes;                                                                                            \
    int n_max; /* larger matrices are left to BLAS */                                                     \
    /* Y = exp(A) B.  Bit l of the result: matrix l is not for this kernel \
     * (not finite, norm too big, exp(A) cheaper); its Y is undefined. */                              \
    unsigned (*apply)(int n, int p, int count, const REAL *a, const REAL *b, REAL *y, void *work,         \
                      const rl_action_rule *rule, rl_action_choice *choice);                              \
    /* The gradients XA, XB of a function by A and B, given its gradient G by exp(A) B. */                \
    unsigned (*reverse)(int n, int p, int count, const REAL *a, const REAL *b, const REAL *g,             \
                        REAL *xa, REAL *xb, void *work, const rl_action_rule *rule);                      \
    /* x = M b for one row-major n x n of any size; complex: swapped holds b with the parts exchanged. */ \
    void (*dots)(int64_t n, const REAL *m, const REAL *b, const REAL *swapped, REAL *x);                  \
    int64_t (*work_bytes)(int n, int p, int reverse, const rl_action_rule *rule);                         \
  } name;
RL_ACTION_TABLE(float, rl_action_kernels_s)
RL_ACTION_TABLE(double, rl_action_kernels_d)
typedef rl_action_kernels_s rl_action_kernels_c;
typedef rl_action_kernels_d rl_action_kernels_z;

typedef struct {
  rl_action_kernels_s s;
  rl_action_kernels_d d;
  rl_action_kernels_c c;
  rl_action_kernels_z z;
} rl_action_kernels;

#endif
