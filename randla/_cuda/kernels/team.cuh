/* A team of threads for each small matrix.
 *
 * RL_ROWS x RL_COLUMNS threads own the entries of every matrix alike: thread (i, j) those in rows i,
 * i + RL_ROWS, ... (RL_TILE_ROWS of them) and columns j, j + RL_COLUMNS, ... (RL_TILE_COLUMNS).  Sums of
 * matrices are then work of each thread alone, in registers; only the two operands of a product are laid out
 * in shared memory.  A team of at most a warp waits by __syncwarp, and a block holds RL_TEAMS of them; a larger
 * one is a block.
 *
 * Bound: a product loads TILE_ROWS + TILE_COLUMNS words of shared memory for TILE_ROWS x TILE_COLUMNS
 * multiply-adds: at 4 x 4 half a word for each, which is what an SM can do for float. */
#ifndef RANDLA_TEAM_CUH
#define RANDLA_TEAM_CUH

#include "scalar.cuh"

#define RL_TEAM (RL_ROWS * RL_COLUMNS)
#define RL_ENTRIES (RL_TILE_ROWS * RL_TILE_COLUMNS)
#define RL_THREADS (RL_TEAM * RL_TEAMS)

/* Whether so many matrices of each thread's entries leave registers for the rest. */
#define RL_FITS(parts) (RL_ENTRIES * sizeof(scalar) * (parts) <= 64)

struct Team {
  int n, columns; /* matrices in hand are n x columns */
  int ld; /* distance of rows in shared memory: odd, or threads of one column would share a bank */
  int lane, row, column;
  unsigned mask;
  scalar *left, *right, *diagonal;
  real *sums;
  int *flags;
  double *numbers; /* 4 of them */

  /* memory: `bytes` for each team of the block, laid out as shared_bytes() of the launching code knows */
  __device__ Team(unsigned char *memory, int order) {
    n = columns = order;
    ld = n | 1;
    lane = threadIdx.x % RL_TEAM;
    row = lane / RL_COLUMNS;
    column = lane % RL_COLUMNS;
    mask = RL_TEAM >= RL_WARP
               ? RL_ALL_LANES
               : ((1u << (RL_TEAM % 32)) - 1) << (threadIdx.x % RL_WARP / RL_TEAM * RL_TEAM);
    numbers = reinterpret_cast<double *>(memory);
    flags = reinterpret_cast<int *>(numbers + 4);
    left = reinterpret_cast<scalar *>(flags + 4);
    right = left + n * ld;
    diagonal = right + n * ld;
    sums = reinterpret_cast<real *>(diagonal + n);
  }

  __device__ void sync() const {
    if (RL_TEAM <= RL_WARP)
      __syncwarp(mask);
    else
      __syncthreads();
  }

  /* do_it(entry, row, column) for the entries of this thread; rolled, where none of them is a register, in a
   * tenth of the code and of the time to compile it */
  template <bool ROLLED = false, class F>
  __device__ __forceinline__ void each(F do_it) const {
    if (ROLLED) {
#pragma unroll 1
      for (int e = 0; e < RL_ENTRIES; e++) {
        const int r = row + RL_ROWS * (e / RL_TILE_COLUMNS),
                  c = column + RL_COLUMNS * (e % RL_TILE_COLUMNS);
        if (r < n && c < columns) do_it(e, r, c);
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < RL_TILE_ROWS; i++)
#pragma unroll
      for (int j = 0; j < RL_TILE_COLUMNS; j++) {
        const int r = row + RL_ROWS * i, c = column + RL_COLUMNS * j;
        if (r < n && c < columns) do_it(i * RL_TILE_COLUMNS + j, r, c);
      }
  }

  /* sum += (matrix in `left`) (matrix in `right`) */
  __device__ __forceinline__ void accumulate(scalar *sum) const {
    const scalar *x[RL_TILE_ROWS], *y[RL_TILE_COLUMNS];
    /* beyond the edge threads repeat the last row and column */
#pragma unroll
    for (int i = 0; i < RL_TILE_ROWS; i++) x[i] = left + ld * min(row + RL_ROWS * i, n - 1);
#pragma unroll
    for (int j = 0; j < RL_TILE_COLUMNS; j++)
      y[j] = right + min(column + RL_COLUMNS * j, columns - 1);
    for (int k = 0; k < n; k++) {
      scalar a[RL_TILE_ROWS], b[RL_TILE_COLUMNS];
#pragma unroll
      for (int i = 0; i < RL_TILE_ROWS; i++)
        if (RL_ROWS * i < n) a[i] = x[i][k];
#pragma unroll
      for (int j = 0; j < RL_TILE_COLUMNS; j++)
        if (RL_COLUMNS * j < columns) b[j] = y[j][k * ld];
#pragma unroll
      for (int i = 0; i < RL_TILE_ROWS; i++)
#pragma unroll
        for (int j = 0; j < RL_TILE_COLUMNS; j++)
          if (RL_ROWS * i < n && RL_COLUMNS * j < columns)
            sum[i * RL_TILE_COLUMNS + j] = mac(sum[i * RL_TILE_COLUMNS + j], a[i], b[j]);
    }
  }

  /* sum += X Y, entries given by x(entry), y(entry) */
  template <bool ROLLED, class F, class G>
  __device__ __forceinline__ void multiply(F x, G y, scalar *sum) const {
    each<ROLLED>([&](int e, int r, int c) {
      left[r * ld + c] = x(e);
      right[r * ld + c] = y(e);
    });
    sync();
    accumulate(sum);
    sync();
  }

  /* The 1-norm of the matrix of x(entry, row, column), NaN if an entry is; the same in every thread. */
  template <bool ROLLED, class F>
  __device__ double norm(F x) const {
    each<ROLLED>([&](int e, int r, int c) { left[r * ld + c] = x(e, r, c); });
    sync();
    for (int c = lane; c < n; c += RL_TEAM) {
      real sum = 0;
      for (int r = 0; r < n; r++) sum += modulus(left[r * ld + c]);
      sums[c] = sum;
    }
    sync();
    real most = 0;
    for (int c = 0; c < n; c++) most = sums[c] > most || sums[c] != sums[c] ? sums[c] : most;
    return most;
  }
};

/* Products of values and, with two parts, their derivatives: (X + h X')(Y + h Y') to first order in h.
 * x(part, entry), y likewise; store(part, entry, row, column, sum) may overwrite an operand, for derivatives,
 * which need the values, come first. */
template <int PARTS, bool ROLLED, class F, class G, class S>
static __device__ __forceinline__ void product(const Team &team, F x, G y, S store) {
  if (ROLLED) {
#pragma unroll 1
    for (int part = PARTS - 1; part >= 0; part--) {
      scalar sum[RL_ENTRIES];
#pragma unroll
      for (int e = 0; e < RL_ENTRIES; e++) sum[e] = make(0);
#pragma unroll 1
      for (int of_x = 0; of_x <= part; of_x++) /* X Y', then X' Y */
        team.multiply<true>([&](int e) { return x(of_x, e); },
                            [&](int e) { return y(part - of_x, e); }, sum);
      /* by way of the operand's place, each thread its own */
      team.each([&](int e, int r, int c) { team.left[r * team.ld + c] = sum[e]; });
      team.each<true>(
          [&](int e, int r, int c) { store(part, e, r, c, team.left[r * team.ld + c]); });
    }
    return;
  }
#pragma unroll
  for (int part = PARTS - 1; part >= 0; part--) {
    scalar sum[RL_ENTRIES];
#pragma unroll
    for (int e = 0; e < RL_ENTRIES; e++) sum[e] = make(0);
    team.multiply<false>([&](int e) { return x(0, e); }, [&](int e) { return y(part, e); }, sum);
    if (part)
      team.multiply<false>([&](int e) { return x(1, e); }, [&](int e) { return y(0, e); }, sum);
    team.each([&](int e, int r, int c) { store(part, e, r, c, sum[e]); });
  }
}

#endif
