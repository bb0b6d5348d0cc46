/* Threads and interruption: the only header that knows how loops become parallel. */
#ifndef RL_THREADS_H
#define RL_THREADS_H

#include "randla.h"

/* Threads for `work` flops or bytes: 1 below what a start of the team costs, 1 inside a parallel
 * region, and 1 in the child of a fork (whose copy of the pool has no threads). */
int rl_num_threads_for(double work);

/* Nonzero if the callback of rl_set_stop() wants the call to stop. */
int rl_stop_requested(void);

/* Hold the BLAS at one thread, from begin to end, which count: calls may overlap and nest.  It is the whole
 * process's BLAS: others that call it meanwhile have one thread too.  Returns 1, or 0 if there is no way to hold
 * it: then only one thread may call it at a time. */
int rl_blas_single_begin(void);
void rl_blas_single_end(void);

/* Threads of the BLAS, where nobody holds it; 0 if there is no way to hold it. */
int rl_blas_threads(void);

/* Handle items begin .. end - 1 as member `thread` of the team; a status code. */
typedef int (*rl_task)(void *context, int64_t begin, int64_t end, int thread);

/* Call task for items 0 .. count - 1, `grain` at a time, by `threads` threads.  The first failure, or an
 * interruption, ends the loop and is returned; what runs is finished first. */
int rl_parallel_for(int64_t count, int64_t grain, int threads, rl_task task, void *context);

#endif
