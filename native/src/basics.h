/* What most files of the core need. */
#ifndef RL_BASICS_H
#define RL_BASICS_H

#include <stdint.h>

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
/* How many parts of this size there are; the last may be smaller. */
static inline int64_t parts(int64_t n, int64_t size) { return n / size + (n % size != 0); }

/* Leaves the function with the status of a call that fails. */
#define TRY(call)                         \
  do {                                    \
    const int status_ = (call);           \
    if (status_ != RL_OK) return status_; \
  } while (0)

#endif
