/* Products by bilinear schemes over BLAS.
 *
 * A plan (schemes/plan.h) is run as it stands: runs of sums in one pass over memory each, products by the next
 * level or by BLAS.  Threads share every pass and every product: each computes a part of the rows or columns of the
 * product by a BLAS that has one thread meanwhile.  That way all steps are balanced whatever their number (seven
 * products side by side would leave one over), nothing but operands is shared, and no second pool of threads spins
 * on the processors of the first.
 *
 * Sizes that do not divide: the rest of k is one more product added to the core, the rests of m and n are products
 * of their own, all three once for all levels.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "basics.h"
#include "dispatch.h"
#include "gemm.h"
#include "memory.h"
#include "provider.h"
#include "randla.h"
#include "schemes/plan.h"
#include "threads.h"

/* ---- schemes ----------------------------------------------------------------------------------------- */

#include "schemes/plans.inc" /* rl_plans: generated */
#include "schemes/winograd.inc"

enum { N_SCHEMES = sizeof rl_plans / sizeof *rl_plans, MOST_LEVELS = 20 };

/* The plan of a scheme; small: the one that needs least memory. */
static rl_plan plan_of(int scheme, int small) {
  rl_plan plan = rl_plans[scheme];
  if (small && strcmp(plan.name, "winograd") == 0) {
    for (int side = 0; side < 3; side++) plan.temporaries[side] = 1;
    plan.steps = STEPS(winograd_small);
    plan.step = winograd_small;
    plan.term = winograd_small_terms;
  }
  return plan;
}

static int winograd_number(void) {
  for (int i = 0; i < N_SCHEMES; i++)
    if (strcmp(rl_plans[i].name, "winograd") == 0) return i;
  return RL_MATMUL_CLASSICAL;
}

static int is_product(const rl_plan_step *step) { return step->op >= RL_PLAN_PRODUCT; }

/* Whether two passes, before the first product, read all of A and all of B. */
static int reads_all_first(const rl_plan *plan) {
  const int blocks[2] = {plan->m * plan->k, plan->k * plan->n};
  int seen[2] = {0, 0};
  if (blocks[0] > RL_SUMS_INPUTS || blocks[1] > RL_SUMS_INPUTS) return 0;
  for (int s = 0; s < plan->steps && !is_product(&plan->step[s]); s++) {
    const rl_plan_step *step = &plan->step[s];
    if (step->op > RL_PLAN_SUM_B) return 0;
    for (int t = 0; t < step->y; t++)
      if (plan->term[step->x + t].block < blocks[step->op])
        seen[step->op] |= 1 << plan->term[step->x + t].block;
  }
  return seen[0] == (1 << blocks[0]) - 1 && seen[1] == (1 << blocks[1]) - 1;
}

int rl_matmul_get_scheme(int i, rl_matmul_scheme *scheme) {
  if (i < 0 || i >= N_SCHEMES) return RL_ERR_OPTION;
  if (scheme == NULL) return RL_ERR_SIZE;
  const rl_plan p = plan_of(i, 0);
  int additions = 0;
  for (int s = 0; s < p.steps; s++)
    additions += is_product(&p.step[s]) ? p.step[s].op != RL_PLAN_PRODUCT : p.step[s].y - 1;
  *scheme = (rl_matmul_scheme){p.name,    p.field, p.origin, p.m, p.k,   p.n,   p.rank,
                               additions, p.u,     p.v,      p.w, p.d_u, p.d_v, p.d_w};
  return RL_OK;
}

/* How often a scheme fits into the sizes, at most `levels` times; and what m, n, k are rounded down to then. */
static int fitting(const rl_plan *plan, int levels, int64_t size[3]) {
  const int base[3] = {plan->m, plan->n, plan->k};
  int64_t power[3] = {1, 1, 1};
  int l = 0;
  for (; l < levels && l < MOST_LEVELS; l++) {
    for (int i = 0; i < 3; i++)
      if (power[i] > size[i] / base[i]) goto done;
    for (int i = 0; i < 3; i++) power[i] *= base[i];
  }
done:
  for (int i = 0; i < 3; i++) size[i] -= size[i] % power[i];
  return l;
}

/* ---- memory of temporaries --------------------------------------------------------------------------- */

/* The leading dimension of a temporary: whole cache lines, but no multiple of 1 KiB, so that columns do not fall
 * into the same sets of the caches. */
static int64_t padded(int64_t rows, int64_t bytes) {
  const int64_t line = RL_ALIGNMENT / bytes;
  const int64_t ld = (rows + line - 1) / line * line;
  return ld * bytes % 1024 == 0 ? ld + line : ld;
}

/* Elements of a temporary, whichever way it is stored; -1 if they are too many. */
static int64_t area(int64_t rows, int64_t cols, int64_t bytes) {
  if (rows > INT64_MAX / 4 || cols > INT64_MAX / 4) return -1;
  const int64_t one = rl_product(padded(rows, bytes), cols),
                two = rl_product(padded(cols, bytes), rows);
  const int64_t most = one > two ? one : two;
  return one < 0 || two < 0 || most > INT64_MAX / 64 ? -1 : rl_round_up(most * bytes) / bytes;
}

typedef struct {
  int64_t offset[3][RL_PLAN_BLOCKS]; /* elements */
  int64_t elements;
} arena;

/* Where the temporaries of a plan lie, whose blocks have areas size[side].  Those that never live at the same time may
 * share memory, of whatever side they are.  Time is counted in passes and products: sums of one pass
 * run piece by piece, so that its temporaries live together. */
static int place(const rl_plan *plan, const int64_t size[3], arena *where) {
  const int blocks[3] = {plan->m * plan->k, plan->k * plan->n, plan->m * plan->n};
  int first[3][RL_PLAN_BLOCKS], last[3][RL_PLAN_BLOCKS], time = 0;
  memset(first, -1, sizeof first);
  memset(last, -1, sizeof last);
#define LIVES(side, block)                            \
  do {                                                \
    const int at_ = (block) - blocks[side];           \
    if (at_ < 0) break;                               \
    if (last[side][at_] < 0) first[side][at_] = time; \
    last[side][at_] = time;                           \
  } while (0)
  for (int s = 0; s < plan->steps; s++) {
    const rl_plan_step *step = &plan->step[s];
    time += s > 0 && (is_product(step) || step->op != step[-1].op);
    if (is_product(step)) {
      LIVES(0, step->x);
      LIVES(1, step->y);
      LIVES(2, step->target);
    } else {
      LIVES(step->op, step->target);
      for (int t = 0; t < step->y; t++) LIVES(step->op, plan->term[step->x + t].block);
    }
  }
#undef LIVES
  where->elements = 0;
  for (int side = 0; side < 3; side++)
    for (int i = 0; i < plan->temporaries[side]; i++) {
      int64_t at = 0;
      for (int moved = 1; moved;) { /* past all that live at the same time and lie in the way */
        moved = 0;
        for (int s = 0; s <= side; s++)
          for (int j = 0; j < (s < side ? plan->temporaries[s] : i); j++) {
            const int64_t begin = where->offset[s][j], end = begin + size[s];
            if (first[s][j] > last[side][i] || last[s][j] < first[side][i]) continue;
            if (at >= end || at + size[side] <= begin) continue;
            at = end;
            moved = 1;
          }
      }
      where->offset[side][i] = at;
      if (at > INT64_MAX / 2 - size[side]) return RL_ERR_SIZE;
      if (at + size[side] > where->elements) where->elements = at + size[side];
    }
  return RL_OK;
}

/* Elements of workspace of `levels` levels on sizes m, n, k that they divide; accumulate: the product is added to
 * something. */
static int64_t workspace(const rl_plan *plan, int levels, const int64_t mnk[3], int accumulate,
                         int64_t bytes) {
  if (levels == 0) return 0;
  const int64_t m = mnk[0], n = mnk[1], k = mnk[2];
  const int64_t part[3] = {m / plan->m, n / plan->n, k / plan->k};
  const int64_t size[3] = {area(part[0], part[2], bytes), area(part[2], part[1], bytes),
                           area(part[0], part[1], bytes)};
  const int64_t whole = accumulate ? area(m, n, bytes) : 0;
  if (size[0] < 0 || size[1] < 0 || size[2] < 0 || whole < 0) return -1;
  arena where;
  int adds = 0;
  if (place(plan, size, &where) != RL_OK) return -1;
  for (int s = 0; s < plan->steps; s++) adds |= plan->step[s].op > RL_PLAN_PRODUCT;
  const int64_t below = workspace(plan, levels - 1, part, adds, bytes);
  if (below < 0 || whole > INT64_MAX / 4 || where.elements > INT64_MAX / 4 || below > INT64_MAX / 4)
    return -1;
  return whole + where.elements + below;
}

/* ---- when it pays ------------------------------------------------------------------------------------ */

static const struct {
  const char *isa;
  char type;
  int threads;
  int64_t c[2];
} known[] = {
#define X(isa, type, threads, one, two) {isa, type, threads, {one, two}},
#include "randla/matmul_crossover.def"
#undef X
};

static const char types[] = "sdcz";
static int64_t chosen[4][2][2]; /* 0: as known */

static int64_t *chosen_of(char type, int threads) {
  const char *const at = type == 0 ? NULL : strchr(types, type);
  return at == NULL ? NULL : chosen[at - types][threads > 1];
}

int rl_matmul_get_crossover(char type, int threads, int64_t c[2]) {
  const int64_t *mine = chosen_of(type, threads);
  if (mine == NULL) return RL_ERR_OPTION;
  if (c == NULL) return RL_ERR_SIZE;
  if (mine[0] == 0) {
    const char *const isa = rl_isa();
    mine = NULL;
    for (int exact = 1; mine == NULL; exact--) /* the last lines are for any level */
      for (size_t i = 0; i < sizeof known / sizeof *known && mine == NULL; i++)
        if (known[i].type == type && (known[i].threads > 1) == (threads > 1) &&
            strcmp(known[i].isa, exact ? isa : "any") == 0)
          mine = known[i].c;
  }
  c[0] = mine[0];
  c[1] = mine[1];
  return RL_OK;
}

int rl_matmul_set_crossover(char type, int threads, const int64_t c[2]) {
  int64_t *const mine = chosen_of(type, threads);
  if (mine == NULL) return RL_ERR_OPTION;
  if (c != NULL && (c[0] < 1 || c[1] < c[0])) return RL_ERR_SIZE;
  mine[0] = c == NULL ? 0 : c[0];
  mine[1] = c == NULL ? 0 : c[1];
  return RL_OK;
}

/* ---- everything that depends on the type --------------------------------------------------------------- */

#define RL_TYPE_S
#include "generic.h"
#include "matmul.inc"
#define RL_TYPE_D
#include "generic.h"
#include "matmul.inc"
#define RL_TYPE_C
#include "generic.h"
#include "matmul.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "matmul.inc"
