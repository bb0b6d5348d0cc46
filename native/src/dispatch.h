/* The kernels of the instruction-set level in use. */
#ifndef RL_DISPATCH_H
#define RL_DISPATCH_H

#include "kernels/expm_kernels.h"
#include "kernels/expm_multiply.h"
#include "kernels/sketch.h"
#include "kernels/sketch_tensor.h"
#include "kernels/skinny.h"
#include "kernels/spmm.h"
#include "kernels/sums.h"
#include "kernels/topk_kernels.h"
#include "kernels/topk_soft.h"

typedef struct {
  const char *level;
  const rl_expm_kernels *expm;
  const rl_action_kernels *action;
  const rl_sums_kernels *sums;
  const rl_tensor_kernels *tensor;
  const rl_topk_kernels *topk;
  const rl_sketch_kernels *sketch;
  const rl_soft_kernels *soft;
  const rl_skinny_kernels *skinny;
  const rl_spmm_kernels *spmm;
} rl_kernels;

/* The level chosen by rl_set_isa(), else the best that this processor has.  Never NULL. */
const rl_kernels *rl_kernels_in_use(void);

#endif
