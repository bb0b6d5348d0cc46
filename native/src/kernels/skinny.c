/* Skinny products, compiled once per ISA level. */
#include <stdint.h>

#include "../basics.h"
#include "../memory.h"
#include "simd.h"
#include "skinny.h"

/* Vectors of the panel in a register tile, at most, and its sums.  32 registers: 24 sums, four vectors of the panel.
 * 16: 12 sums and three vectors, the element of A comes from memory by a broadcast. */
#if RL_REGISTERS == 32
enum { GROUP = 4, SUMS = 24, BLOCK = 24 };
#else
enum { GROUP = 3, SUMS = 12, BLOCK = 12 };
#endif
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif
enum { LINE = 64 }; /* bytes of a cache line */

/* Sizes in bytes, so that both types have the same: for 32 registers those that were best on Sapphire Rapids (2 MB of
 * L2), for 16 on Zen 3 (512 KB).  There, of GEMM's rate at l = 30 and 60: A Y 0.93 and 1.00 (float 0.86, 0.93), A^T Z
 * 0.78 and 0.87 (0.73, 0.77).  A Y is arithmetic at l = 60; A^T Z loads and stores C, from L2, once for each block of
 * rows, a tenth of its time, and the rest is the fetch of A, which neither wider nor higher blocks made faster. */
#ifndef RL_SKINNY_DEPTH
#define RL_SKINNY_DEPTH 8192 /* run of a row of A in A Y: the panel of this depth stays in L2 */
#endif
#ifndef RL_SKINNY_WIDTH
#define RL_SKINNY_WIDTH (RL_REGISTERS == 32 ? 8192 : 3072) /* run of a row of A in A^T Z, at most */
#endif
#ifndef RL_SKINNY_RESULT
#define RL_SKINNY_RESULT (RL_REGISTERS == 32 ? 512 << 10 : 192 << 10) /* C of such runs, at most */
#endif
#ifndef RL_SKINNY_ROWS
#define RL_SKINNY_ROWS (RL_SINGLE ? 48 : 32) /* rows of A of a block in A^T Z */
#endif

static int64_t up(int64_t a, int64_t b) { return parts(a, b) * b; }

/* Vectors of group i when `vectors` are cut into groups of at most GROUP, sizes within one. */
static int64_t groups_of(int64_t vectors) { return parts(vectors, GROUP); }
static int group_size(int64_t vectors, int64_t i) {
  const int64_t groups = groups_of(vectors);
  return (int)(vectors / groups + (i < vectors % groups));
}

/* Where the next block of A is fetched from, a line at a time: SIDE rows side by side, line after line, as hardware
 * follows some 32 rows and no more.  An address, not a pointer: it may lie outside. */
enum { SIDE = 8 };
typedef struct {
  uintptr_t at;
  int64_t row, line, lines, step; /* rows and lines left; lines in a row; bytes from row to row */
} walk;

RL_INLINE void fetch_next(walk *w) {
  __builtin_prefetch((const void *)w->at, 0, 2);
  w->at += (uintptr_t)w->step;
  if (--w->row > 0) return;
  w->row = SIDE;
  w->at += LINE - (uintptr_t)(SIDE * w->step);
  if (--w->line > 0) return;
  w->line = w->lines;
  w->at += (uintptr_t)(SIDE * w->step) - (uintptr_t)(LINE * w->lines);
}

#define RL_TYPE_S
#include "../generic.h"
#include "elements.inc"
#include "skinny.inc"
#define RL_TYPE_D
#include "../generic.h"
#include "elements.inc"
#include "skinny.inc"

extern const rl_skinny_kernels RL_CAT(rl_skinny_kernels, RL_ISA);
const rl_skinny_kernels RL_CAT(rl_skinny_kernels, RL_ISA) = {
    .s = {BLOCK, room_s, rows_s, columns_s},
    .d = {BLOCK, room_d, rows_d, columns_d},
};
