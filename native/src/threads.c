#include "threads.h"

#include "basics.h"

#include <stdatomic.h>
#include <stddef.h>
#ifdef _OPENMP
#include <omp.h>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define RL_HAVE_FORK 1
#endif
#endif

/* Starting a team costs 2-10 us; a core does some 1e4 flops in that time, so that below 1e5 there is
 * nothing to win. */
#define WORTH_A_THREAD 1e5

static _Atomic(rl_stop_callback) stop_callback;

void rl_set_stop(rl_stop_callback callback) { atomic_store(&stop_callback, callback); }

/* Helpers of a team never ask: they may be strangers to the callback's world. */
static _Thread_local int helping;

int rl_stop_requested(void) {
  if (helping) return 0;
  const rl_stop_callback callback = atomic_load_explicit(&stop_callback, memory_order_relaxed);
  return callback != NULL && callback() != 0;
}

#ifdef _OPENMP
static atomic_int forked;

#ifdef RL_HAVE_FORK
/* A child of fork() has one thread, but the OpenMP runtime still believes in its pool: the next parallel
 * region would wait for ever.  So a child stays serial. */
static void in_child(void) { atomic_store(&forked, 1); }

__attribute__((constructor)) static void install_guard(void) {
  pthread_atfork(NULL, NULL, in_child);
}
#endif

int rl_max_threads(void) { return atomic_load(&forked) ? 1 : omp_get_max_threads(); }

int rl_num_threads_for(double work) {
  if (work < 2 * WORTH_A_THREAD || atomic_load(&forked) || omp_in_parallel()) return 1;
  const int limit = omp_get_max_threads();
  return work / WORTH_A_THREAD < limit ? (int)(work / WORTH_A_THREAD) : limit;
}
#else
int rl_max_threads(void) { return 1; }
int rl_num_threads_for(double work) {
  (void)work;
  return 1;
}
#endif

/* ---- threads of the BLAS --------------------------------------------------------------------------- */

static atomic_flag holding = ATOMIC_FLAG_INIT; /* for a few instructions: a spin lock is enough */
static int (*blas_get_threads)(void);
static void (*blas_set_threads)(int);
static int holders, threads_before;

static void lock(void) {
  while (atomic_flag_test_and_set_explicit(&holding, memory_order_acquire)) {}
}
static void unlock(void) { atomic_flag_clear_explicit(&holding, memory_order_release); }

int rl_set_blas_threads(int (*get)(void), void (*set)(int)) {
  if ((get == NULL) != (set == NULL)) return RL_ERR_OPTION;
  lock();
  blas_get_threads = get;
  blas_set_threads = set;
  unlock();
  return RL_OK;
}

int rl_blas_threads(void) {
  lock();
  int count = 0;
  if (blas_get_threads != NULL) count = holders > 0 ? threads_before : blas_get_threads();
  unlock();
  return count;
}

int rl_blas_single_begin(void) {
  lock();
  const int known = blas_set_threads != NULL;
  if (known && holders++ == 0) {
    threads_before = blas_get_threads();
    if (threads_before > 1) blas_set_threads(1);
  }
  unlock();
  return known;
}

void rl_blas_single_end(void) {
  lock();
  if (holders > 0) holders--;
  if (holders == 0 && threads_before > 1) blas_set_threads(threads_before);
  unlock();
}

static int serial_for(int64_t count, int64_t grain, rl_task task, void *context) {
  for (int64_t i = 0; i < count; i += grain) {
    if (i > 0 && rl_stop_requested()) return RL_ERR_INTERRUPTED;
    const int status = task(context, i, least(count, i + grain), 0);
    if (status != RL_OK) return status;
  }
  return RL_OK;
}

int rl_parallel_for(int64_t count, int64_t grain, int threads, rl_task task, void *context) {
#ifdef _OPENMP
  if (threads > 1 && count > grain) {
    atomic_int status = RL_OK;
    _Atomic int64_t next = 0;
#pragma omp parallel num_threads(threads)
    {
      const int me = omp_get_thread_num();
      if (me != 0) helping = 1;
      for (;;) {
        const int64_t i = atomic_fetch_add(&next, grain);
        if (i >= count || atomic_load(&status) != RL_OK) break;
        int mine = task(context, i, least(count, i + grain), me);
        if (mine == RL_OK && rl_stop_requested()) mine = RL_ERR_INTERRUPTED;
        int none = RL_OK;
        if (mine != RL_OK) atomic_compare_exchange_strong(&status, &none, mine);
      }
      if (me != 0) helping = 0;
    }
    return atomic_load(&status);
  }
#else
  (void)threads;
#endif
  return serial_for(count, grain, task, context);
}
