/* A random walk in the flip graph of matrix multiplication over GF(2); compiled and called by search.py.
 *
 * A scheme is a set of `rank` products a x b x c whose sum is the tensor of matrix multiplication; a, b, c are
 * vectors over GF(2), the bits of an integer.  Steps (Kauers & Moosbauer 2022, arXiv 2212.01175, section 3; Arai,
 * Ichikawa & Hukushima 2024, arXiv 2312.16960, section 3), in any order of the three factors:
 *     flip       a x b x c + a x b' x c'    = a x (b + b') x c + a x b' x (c + c')
 *     reduction  what a flip leaves with a factor 0 is dropped
 *     plus       a x b x c + a' x b' x c'   = a x (b + b') x c + a x b' x (c + c') + (a + a') x b' x c'
 * All depends on the seed alone. */
#include <stdint.h>
#include <string.h>

enum { MOST = 256 };

typedef struct {
  uint64_t random;
  int64_t steps, idle;      /* so far; since the last reduction or plus */
  int64_t patience;         /* a plus after so many idle steps */
  int32_t rank, best, ones; /* ones: of the best, least so far */
  int32_t margin;           /* of ranks above the best */
  uint32_t factor[3][MOST];
  uint32_t least[3][MOST]; /* the best: of lowest rank, then with fewest ones */
} walk;

/* splitmix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195) */
static uint64_t draw(walk *w) {
  uint64_t x = w->random += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static void drop(walk *w, int i) {
  w->rank--;
  for (int f = 0; f < 3; f++) w->factor[f][i] = w->factor[f][w->rank];
}

static void keep(walk *w) {
  int32_t ones = 0;
  for (int f = 0; f < 3; f++)
    for (int i = 0; i < w->rank; i++) ones += __builtin_popcount(w->factor[f][i]);
  if (w->rank > w->best || (w->rank == w->best && ones >= w->ones)) return;
  w->best = w->rank;
  w->ones = ones;
  memcpy(w->least, w->factor, sizeof w->factor);
}

static void plus(walk *w) {
  const uint64_t x = draw(w);
  const int i = (int)((x & 0xffffff) * (uint64_t)w->rank >> 24);
  const int j = (int)((x >> 24 & 0xffffff) * (uint64_t)w->rank >> 24);
  const int a = (int)((x >> 48) % 3), b = (a + 1 + (int)(x >> 62 & 1)) % 3, c = 3 - a - b;
  uint32_t *const fa = w->factor[a], *const fb = w->factor[b], *const fc = w->factor[c];
  if (w->rank == MOST || fa[i] == fa[j] || fb[i] == fb[j] || fc[i] == fc[j]) return;
  const int l = w->rank++;
  fa[l] = fa[i] ^ fa[j];
  fb[l] = fb[j];
  fc[l] = fc[j];
  fa[j] = fa[i];
  fc[j] ^= fc[i];
  fb[i] ^= fb[l];
}

/* Until `steps` more are done, or the best rank is at most `target`.  Returns the best rank. */
int flips_walk(walk *w, int64_t steps, int target) {
  for (int64_t end = w->steps + steps; w->steps < end && w->best > target;) {
    w->steps++;
    if (w->idle++ >= w->patience) {
      if (w->rank < w->best + w->margin) plus(w);
      w->idle = 0;
    }
    const uint64_t x = draw(w);
    const int rank = w->rank;
    const int i = (int)((x & 0xffffff) * (uint64_t)rank >> 24);
    const int from = (int)((x >> 24 & 0xffffff) * (uint64_t)rank >> 24);
    const int a = (int)((x >> 48 & 0x3fff) * 3 >> 14);
    const uint32_t *const fa = w->factor[a], equal = fa[i];
    int j = from;
    while (j < rank && (fa[j] != equal || j == i)) j++;
    if (j == rank) {
      j = 0;
      while (j < from && (fa[j] != equal || j == i)) j++;
      if (j == from) continue; /* no other has this factor */
    }
    int b = a == 2 ? 0 : a + 1, c = 3 - a - b;
    if (x >> 63) b = c, c = 3 - a - b;
    const uint32_t one = w->factor[b][i] ^= w->factor[b][j];
    const uint32_t two = w->factor[c][j] ^= w->factor[c][i];
    if (one == 0 || two == 0) {
      if (one == 0 && two == 0) {
        drop(w, i > j ? i : j);
        drop(w, i > j ? j : i);
      } else {
        drop(w, one == 0 ? i : j);
      }
      w->idle = 0;
      if (w->rank < w->best) keep(w);
    }
  }
  return w->best;
}

/* Walks on, around the best rank, and keeps the scheme with fewest ones of those met every `every` steps. */
int flips_thin(walk *w, int64_t steps, int64_t every) {
  const int rank = w->best;
  for (int64_t i = 0; i < steps && w->best == rank; i += every) {
    flips_walk(w, every, 0);
    if (w->rank == w->best) keep(w);
  }
  return w->ones;
}

/* Walks on, and ends at a scheme of the best rank, which is kept whatever its ones: another one to begin from. */
int flips_wander(walk *w, int64_t steps) {
  flips_walk(w, steps, 0);
  while (w->rank > w->best) flips_walk(w, 1, 0);
  w->ones = INT32_MAX;
  keep(w);
  return w->best;
}
