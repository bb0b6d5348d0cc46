/* Checked allocation.  Every size product goes through here. */
#ifndef RL_MEMORY_H
#define RL_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define RL_ALIGNMENT 64 /* a cache line, and the widest vector */

/* a * b, or -1 if it is negative or does not fit. */
static inline int64_t rl_product(int64_t a, int64_t b) {
  int64_t p;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &p) ? -1 : p;
}

/* The next multiple of RL_ALIGNMENT. */
static inline int64_t rl_round_up(int64_t bytes) {
  return (bytes + RL_ALIGNMENT - 1) / RL_ALIGNMENT * RL_ALIGNMENT;
}

/* count * size bytes at a multiple of RL_ALIGNMENT, uninitialised; NULL if count is negative, if
 * the product does not fit, or if there is no memory.  To be freed with rl_free. */
void *rl_alloc(int64_t count, size_t size);
void rl_free(void *p);

#ifdef RL_FAULT_INJECTION
/* The allocation after `successes` more of them fails, once; a negative number: none does. */
void rl_fail_after(int successes);
#endif

#endif
