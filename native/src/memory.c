#include "memory.h"

#include <stdlib.h>
#ifdef _WIN32
#include <malloc.h>
#elif defined __linux__
#include <sys/mman.h>
#endif

/* Large workspaces come from the system, and go back to it, with every call: in pages of 4 KiB their first touch
 * costs as much as several passes over them.  So they are asked for in pages of 2 MiB. */
#define HUGE_PAGE ((size_t)2 << 20)

#ifdef RL_FAULT_INJECTION
#include <stdatomic.h>
static atomic_int left = -1;

void rl_fail_after(int successes) { atomic_store(&left, successes); }

static int fails_now(void) {
  if (atomic_load(&left) < 0) return 0;
  return atomic_fetch_sub(&left, 1) == 0;
}
#else
static int fails_now(void) { return 0; }
#endif

void *rl_alloc(int64_t count, size_t size) {
  size_t bytes;
  if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes)) return NULL;
  if (bytes > PTRDIFF_MAX - RL_ALIGNMENT || fails_now()) return NULL;
  bytes = (bytes / RL_ALIGNMENT + 1) * RL_ALIGNMENT; /* aligned_alloc wants a multiple, and not 0 */
#ifdef _WIN32
  return _aligned_malloc(bytes, RL_ALIGNMENT);
#else
#if defined __linux__ && defined MADV_HUGEPAGE
  if (bytes >= 2 * HUGE_PAGE) {
    void *p;
    if (posix_memalign(&p, HUGE_PAGE, bytes) != 0) return NULL;
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish: small pages serve too */
    return p;
  }
#endif
  return aligned_alloc(RL_ALIGNMENT, bytes);
#endif
}

void rl_free(void *p) {
#ifdef _WIN32
  _aligned_free(p);
#else
  free(p);
#endif
}
