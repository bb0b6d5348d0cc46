/* What the matrix exponential needs from an ISA level. */
#ifndef RL_EXPM_KERNELS_H
#define RL_EXPM_KERNELS_H

#include "randla.h"
#include "randla/device/expm_rule.h"

/* What was chosen for one matrix; b1, b2: norms of A and A^2 before scaling. */
typedef struct {
  int order, scaling; /* order: RL_T1 ... */
  double b1, b2;
} rl_expm_choice;

/* Norms above this are left to the general path, which scales before it squares. */
#define RL_EXPM_BIG(single) ((single) ? 0x1p60 : 0x1p500)

/* Packed row-major matrices, `lanes` or fewer, one after the other.  With a direction da, also the
 * derivative de of exp at a, or at a^H (adjoint); else both are NULL.  e is NULL where only the derivative is
 * wanted. */
#define RL_EXPM_IO(REAL, name) \
  typedef struct {             \
    const REAL *a, *da;        \
    REAL *e, *de;              \
    int adjoint;               \
  } name;
RL_EXPM_IO(float, rl_expm_io_s)
RL_EXPM_IO(double, rl_expm_io_d)
typedef rl_expm_io_s rl_expm_io_c;
typedef rl_expm_io_d rl_expm_io_z;

#define RL_EXPM_KERNEL_TABLE(REAL, IO, name)                                                           \
  typedef struct {                                                                                     \
    int lanes;     /* matrices in a group */                                                           \
    int lanes_max; /* up to this n groups are faster; they and single matrices give the same bits */   \
    int rows_max; /* up to this n the kernels are faster than BLAS */                                  \
    /* exp of `count` <= lanes matrices.  Bit l of the result: matrix l is not for this kernel (not  \
     * finite, norm too big, triangular); its output is undefined. */ \
    unsigned (*group)(int n, int count, const IO *io, void *work, const rl_expm_rule *rule,            \
                      rl_expm_choice *choice);                                                         \
    /* exp of one matrix; nonzero as above. */                                                         \
    unsigned (*one)(int n, const IO *io, void *work, const rl_expm_rule *rule,                         \
                    rl_expm_choice *choice);                                                           \
    int64_t (*work_bytes)(int n, int derived); /* of the two */                                        \
    /* Z = X Y + beta Z, packed, column-major, n <= rows_max. */                                       \
    void (*product)(int n, const REAL *x, const REAL *y, REAL beta, REAL *z);                          \
  } name;
RL_EXPM_KERNEL_TABLE(float, rl_expm_io_s, rl_expm_kernels_s)
RL_EXPM_KERNEL_TABLE(double, rl_expm_io_d, rl_expm_kernels_d)
typedef rl_expm_kernels_s rl_expm_kernels_c;
typedef rl_expm_kernels_d rl_expm_kernels_z;

typedef struct {
  rl_expm_kernels_s s;
  rl_expm_kernels_d d;
  rl_expm_kernels_c c;
  rl_expm_kernels_z z;
} rl_expm_kernels;

#endif
