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

/* A workspace that is cut into pieces: the same code, run with base NULL, tells how large it must be. */
typedef struct {
  char *base;
  int64_t used; /* bytes; -1: a size did not fit */
} rl_arena;

/* The next count * size bytes, at a multiple of RL_ALIGNMENT from the base; NULL while counting. */
static inline void *rl_take(rl_arena *arena, int64_t count, size_t size) {
  const int64_t bytes = rl_product(count, (int64_t)size), at = arena->used;
  if (at < 0 || bytes < 0 || bytes > INT64_MAX - at - RL_ALIGNMENT) {
    arena->used = -1;
    return NULL;
  }
  arena->used = rl_round_up(at + bytes);
  return arena->base == NULL ? NULL : arena->base + at;
}

#ifdef RL_FAULT_INJECTION
/* The allocation after `successes` more of them fails, once; a negative number: none does. */
void rl_fail_after(int successes);
#endif

#endif
