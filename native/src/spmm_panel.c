/* A sparse matrix, or its adjoint, times a panel of any width.  By rows two ways: what is stored by rows is gathered
 * for A X and scattered for A^H X, what is stored by columns the other way round. */
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "memory.h"
#include "randla.h"
#include "threads.h"

enum { ROWS = 512 }; /* of a part: rows differ in length */

typedef struct {
  rl_spmm_call call;
  const rl_spmm_kernels_of *kernels;
  int wide;                     /* indices of 64 bits */
  int64_t part, outputs, bytes; /* scatter: reals of a part, rows of Y, bytes of a real */
  char *turned;
} panel_task;

static int gather(void *context, int64_t begin, int64_t end, int thread) {
  const panel_task *const t = context;
  (void)thread;
  t->kernels->gather[t->wide](&t->call, begin, end);
  return RL_OK;
}

static int scatter(void *context, int64_t begin, int64_t end, int thread) {
  const panel_task *const t = context;
  for (int64_t i = begin; i < end; i++) { /* parts of the columns */
    rl_spmm_call c = t->call;
    const int64_t first = i * t->part;
    c.l = least(t->part, c.l - first);
    c.x = (const char *)c.x + first * t->bytes;
    c.y = (char *)c.y + first * t->bytes;
    for (int64_t r = 0; r < t->outputs; r++)
      memset((char *)c.y + r * c.ldy * t->bytes, 0, (size_t)(c.l * t->bytes));
    t->kernels->scatter[t->wide](&c, t->turned + t->part * t->bytes * thread);
  }
  return RL_OK;
}

static int run(int csc, char op, int64_t m, int64_t n, int64_t l, int index_bytes, int components,
               int threads, panel_task *t) {
  const rl_spmm_call *const c = &t->call;
  if (op != 'N' && op != 'C') return RL_ERR_OPTION;
  if (index_bytes != 4 && index_bytes != 8) return RL_ERR_OPTION;
  const int64_t inner = op == 'N' ? n : m;
  t->outputs = op == 'N' ? m : n;
  if (m < 0 || n < 0 || l < 0 || c->ldx < (l > 1 ? l : 1) || c->ldy < (l > 1 ? l : 1) ||
      l > INT64_MAX / 64)
    return RL_ERR_SIZE;
  if (t->outputs == 0 || l == 0) return RL_OK;
  if (c->pointers == NULL || c->y == NULL || (inner > 0 && c->x == NULL)) return RL_ERR_SIZE;
  t->wide = index_bytes == 8;
  t->call.sign = op == 'N' ? 1 : -1;
  t->call.count = csc ? n : m;
  t->call.l *= components;
  t->call.ldx *= components;
  t->call.ldy *= components;
  const int64_t rows = t->call.count, entries = t->wide ? ((const int64_t *)c->pointers)[rows]
                                                        : ((const int32_t *)c->pointers)[rows];
  const double work = 2.0 * components * components * (double)(entries + rows) * (double)l;
  int team = rl_num_threads_for(work);
  if (threads > 0 && threads < team) team = threads;
  if ((op == 'N') != (csc != 0)) return rl_parallel_for(rows, ROWS, team, gather, t);
  /* whole vectors for each thread: no two write to one place, and the order is that of the entries */
  const int64_t lanes = t->kernels->lanes, vectors = (c->l + lanes - 1) / lanes;
  t->part = (vectors + team - 1) / team * lanes;
  t->turned = rl_alloc(rl_product(t->part * team, t->bytes), 1);
  if (t->turned == NULL) return RL_ERR_MEMORY;
  const int status = rl_parallel_for((c->l + t->part - 1) / t->part, 1, team, scatter, t);
  rl_free(t->turned);
  return status;
}

#define PANEL(p, T, REAL, components)                                                              \
  int rl_##p##spmm_panel(int csc, char op, int64_t m, int64_t n, int64_t l, const void *pointers,  \
                         const void *indices, int index_bytes, const T *a, const T *x,             \
                         int64_t ldx, T *y, int64_t ldy, int threads) {                            \
    panel_task t = {.kernels = &rl_kernels_in_use()->spmm->p, .bytes = sizeof(REAL)};              \
    t.call = (rl_spmm_call){                                                                       \
        .l = l, .ldx = ldx, .ldy = ldy, .pointers = pointers, .indices = indices, .a = a, .x = x}; \
    t.call.y = y;                                                                                  \
    return run(csc, op, m, n, l, index_bytes, components, threads, &t);                            \
  }
PANEL(s, float, float, 1)
PANEL(d, double, double, 1)
PANEL(c, rl_complex_float, float, 2)
PANEL(z, rl_complex_double, double, 2)
