#include "dispatch.h"

#include <stdatomic.h>
#include <string.h>

/* A level: its suffix in the kernels' names, its public name, and whether this machine has it.
 * Best first. */
#if defined RL_HAVE_x86_64_v4
#define LEVELS_V4(X) X(x86_64_v4, "x86-64-v4", __builtin_cpu_supports("x86-64-v4"))
#else
#define LEVELS_V4(X)
#endif
#if defined RL_HAVE_x86_64_v3
#define LEVELS_V3(X) X(x86_64_v3, "x86-64-v3", __builtin_cpu_supports("x86-64-v3"))
#else
#define LEVELS_V3(X)
#endif
#if defined RL_HAVE_neon
#define LEVELS_NEON(X) X(neon, "neon", 1)
#else
#define LEVELS_NEON(X)
#endif
#if defined RL_HAVE_split
#define LEVELS_SPLIT(X) X(split, "split", 1) /* 512-bit vectors on whatever there is: tests only */
#else
#define LEVELS_SPLIT(X)
#endif
#define LEVELS(X) \
  LEVELS_V4(X) LEVELS_V3(X) LEVELS_NEON(X) X(baseline, "baseline", 1) LEVELS_SPLIT(X)

#define X(tag, name, has)                                 \
  extern const rl_expm_kernels rl_expm_kernels_##tag;     \
  extern const rl_action_kernels rl_action_kernels_##tag; \
  extern const rl_sums_kernels rl_sums_kernels_##tag;     \
  extern const rl_tensor_kernels rl_tensor_kernels_##tag; \
  extern const rl_topk_kernels rl_topk_kernels_##tag;     \
  extern const rl_sketch_kernels rl_sketch_kernels_##tag; \
  extern const rl_soft_kernels rl_soft_kernels_##tag;     \
  extern const rl_skinny_kernels rl_skinny_kernels_##tag; \
  extern const rl_spmm_kernels rl_spmm_kernels_##tag;
LEVELS(X)
#undef X

static const rl_kernels level[] = {
#define X(tag, name, has)    \
  {name,                     \
   &rl_expm_kernels_##tag,   \
   &rl_action_kernels_##tag, \
   &rl_sums_kernels_##tag,   \
   &rl_tensor_kernels_##tag, \
   &rl_topk_kernels_##tag,   \
   &rl_sketch_kernels_##tag, \
   &rl_soft_kernels_##tag,   \
   &rl_skinny_kernels_##tag, \
   &rl_spmm_kernels_##tag},
    LEVELS(X)
#undef X
};
enum { N_LEVELS = sizeof level / sizeof *level };

static int supported(int i) {
#if defined __x86_64__
  __builtin_cpu_init();
#endif
  const int has[] = {
#define X(tag, name, has) (has) != 0,
      LEVELS(X)
#undef X
  };
  return has[i];
}

static _Atomic(const rl_kernels *) in_use;

static const rl_kernels *find(const char *name) {
  const int any = name == NULL || strcmp(name, "auto") == 0;
  for (int i = 0; i < N_LEVELS; i++)
    if ((any || strcmp(name, level[i].level) == 0) && supported(i)) return &level[i];
  return NULL;
}

const rl_kernels *rl_kernels_in_use(void) {
  const rl_kernels *k = atomic_load_explicit(&in_use, memory_order_acquire);
  if (k == NULL) {
    k = find(NULL);
    atomic_store_explicit(&in_use, k, memory_order_release);
  }
  return k;
}

const char *rl_isa(void) { return rl_kernels_in_use()->level; }

const char *rl_isa_level(int i) { return i >= 0 && i < N_LEVELS ? level[i].level : NULL; }

int rl_set_isa(const char *name) {
  const rl_kernels *k = find(name);
  if (k == NULL) return RL_ERR_ISA;
  atomic_store(&in_use, k);
  return RL_OK;
}
