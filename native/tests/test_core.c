/* What belongs to no stem: status codes, memory, ISA levels, the BLAS table, threads. */
#include <limits.h>
#include <math.h>
#include <stdatomic.h>

#include "gemm.h"
#include "memory.h"
#include "test_common.h"
#include "threads.h"

#ifdef __unix__
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

static void status_codes(void) {
#define X(name, number, exception, message)                   \
  CHECK(RL_##name == (number), "%s is %d", #name, RL_##name); \
  CHECK(strcmp(rl_strerror(RL_##name), message) == 0, "%s: %s", #name, rl_strerror(RL_##name));
#include "randla/status.def"
#undef X
  CHECK(strlen(rl_strerror(-1)) > 0 && strlen(rl_strerror(INT_MAX)) > 0,
        "unknown codes have a text");
  int major, minor, patch;
  CHECK(sscanf(rl_version(), "%d.%d.%d", &major, &minor, &patch) == 3, "version %s", rl_version());
}

static void memory(void) {
  CHECK(rl_product(0, INT64_MAX) == 0 && rl_product(3, 7) == 21, "small products");
  CHECK(rl_product((int64_t)1 << 31, (int64_t)1 << 31) == (int64_t)1 << 62, "2^62 fits");
  CHECK(rl_product((int64_t)1 << 32, (int64_t)1 << 31) == -1, "2^63 does not fit");
  CHECK(rl_product(-1, 5) == -1 && rl_product(5, -1) == -1 && rl_product(-1, -1) == -1,
        "negative sizes");
  CHECK(rl_product(INT64_MAX, INT64_MAX) == -1, "overflow");
  for (int64_t n = 0; n < 300; n += 13) {
    unsigned char *p = rl_alloc(n, 3);
    CHECK(p != NULL && (uintptr_t)p % RL_ALIGNMENT == 0, "%d elements", (int)n);
    if (p != NULL) memset(p, 1, (size_t)n * 3); /* sanitizers watch */
    rl_free(p);
  }
  CHECK(rl_alloc(-1, 1) == NULL && rl_alloc(INT64_MIN, 1) == NULL, "negative counts");
  CHECK(rl_alloc(INT64_MAX, 16) == NULL && rl_alloc((int64_t)1 << 62, 4) == NULL,
        "products that do not fit");
  CHECK(rl_alloc(PTRDIFF_MAX, 1) == NULL && rl_alloc(PTRDIFF_MAX - 63, 1) == NULL,
        "sizes that cannot be rounded up");
  rl_free(NULL);
}

static void isa(void) {
  CHECK(rl_isa_level(-1) == NULL && rl_isa_level(100) == NULL, "levels out of range");
  const char *best = rl_isa();
  int n = 0, baseline = 0;
  for (const char *name; (name = rl_isa_level(n)) != NULL; n++) {
    baseline |= strcmp(name, "baseline") == 0;
    const int status = rl_set_isa(name);
    CHECK(status == RL_OK || status == RL_ERR_ISA, "%s: %s", name, rl_strerror(status));
    CHECK((strcmp(rl_isa(), name) == 0) == (status == RL_OK), "set %s, got %s", name, rl_isa());
    if (status != RL_OK) CHECK_STATUS(rl_set_isa("baseline"), RL_OK);
    rl_set_isa("baseline");
  }
  CHECK(baseline, "no baseline");
  CHECK_STATUS(rl_set_isa("z80"), RL_ERR_ISA);
  CHECK_STATUS(rl_set_isa(""), RL_ERR_ISA);
  CHECK(strcmp(rl_isa(), "baseline") == 0, "a failed choice changed the level to %s", rl_isa());
  CHECK_STATUS(rl_set_isa("auto"), RL_OK);
  CHECK(strcmp(rl_isa(), best) == 0, "auto is %s, was %s", rl_isa(), best);
  CHECK(strcmp(best, "split") != 0, "a level for tests was chosen by itself");
}

/* One matrix of size n that goes to BLAS iff n is large. */
static int some_expm(int n) {
  double *a = test_alloc(sizeof(double) * (size_t)(n * n)),
         *e = test_alloc(sizeof(double) * (size_t)(n * n));
  for (int k = 0; k < n * n; k++) a[k] = test_uniform() / n;
  const int status = rl_dexpm(1, n, a, n, n * n, 0, 0, e, n, n * n, NULL, NULL);
  free(e);
  free(a);
  return status;
}

static void blas_table(void) { /* comes first: nothing is set yet */
  if (!rl_blas_linked()) {
    CHECK(rl_blas_ilp64() == -1, "no BLAS yet, got %d", rl_blas_ilp64());
    CHECK_STATUS(some_expm(300), RL_ERR_NO_BLAS);
    CHECK_STATUS(some_expm(4), RL_OK);
  }
  int n = 0;
  while (rl_blas_routine(n) != NULL) n++;
  CHECK(n >= 4 && rl_blas_routine(-1) == NULL && rl_blas_routine(n + 1) == NULL, "%d routines", n);
  CHECK_STATUS(rl_set_blas(-1, NULL, NULL, 0), RL_ERR_SIZE);
  CHECK_STATUS(rl_set_blas(1, NULL, NULL, 0), RL_ERR_SIZE);
  const char *const wrong[] = {"dfoo", "dgem", "dgemmm"};
  const rl_function nothing[3] = {0};
  CHECK_STATUS(rl_set_blas(1, wrong, NULL, 0), RL_ERR_SIZE);
  CHECK_STATUS(rl_set_blas(3, wrong, nothing, 0), RL_OK); /* names without use are ignored ... */
  CHECK_STATUS(some_expm(300), RL_ERR_NO_BLAS); /* ... and missing ones reported when wanted */
  for (int ilp64 = 0; ilp64 < 2; ilp64++) {
    ref_blas_use(ilp64);
    CHECK(rl_blas_ilp64() == ilp64, "integers: %d", rl_blas_ilp64());
    const long before = ref_blas_calls();
    CHECK_STATUS(some_expm(300), RL_OK);
    CHECK(ref_blas_calls() > before, "n = 300 did not use the BLAS");
    double c = (double)NAN, x = 3, y = 5;
    CHECK_STATUS(rl_dgemm(1, 1, 1, 2, &x, 1, &y, 1, 0, &c, 1), RL_OK);
    CHECK(c == 30, "2 3 5 = %g", c);
    CHECK_STATUS(rl_dgemm(1, 1, 1, 2, &x, 1, &y, 1, -1, &c, 1), RL_OK);
    CHECK(c == 0, "30 - 30 = %g", c);
  }
}

/* ---- threads ----------------------------------------------------------------------------------------- */

typedef struct {
  int64_t count, fail_at;
  atomic_int *seen;
  atomic_int most, inner;
} loop;

static int visit(void *context, int64_t begin, int64_t end, int thread) {
  loop *l = context;
  if (begin < 0 || begin >= end || end > l->count) return RL_ERR_OPTION;
  for (int64_t i = begin; i < end; i++) atomic_fetch_add(&l->seen[i], 1);
  int most = atomic_load(&l->most);
  while (thread > most && !atomic_compare_exchange_weak(&l->most, &most, thread)) {}
  if (rl_num_threads_for(1e12) > 1) atomic_store(&l->inner, 1);
  return begin <= l->fail_at && l->fail_at < end ? RL_ERR_ASSUME : RL_OK;
}

static int stop_now(void) { return 1; }

static void loops(void) {
  CHECK(rl_max_threads() >= 1, "%d threads", rl_max_threads());
  CHECK(rl_num_threads_for(0) == 1 && rl_num_threads_for(1e4) == 1, "tiny work on threads");
  CHECK(rl_num_threads_for(1e15) == rl_max_threads(), "large work on %d threads",
        rl_num_threads_for(1e15));
  CHECK(rl_num_threads_for((double)INFINITY) == rl_max_threads(), "endless work");
  enum { MOST = 1000 };
  static atomic_int seen[MOST];
  static const int counts[] = {0, 1, 2, 7, 64, 999, 1000}, grains[] = {1, 3, 64, 5000};
  for (int threads = 1; threads <= 4; threads++)
    for (int c = 0; c < 7; c++)
      for (int g = 0; g < 4; g++) {
        loop l = {.count = counts[c], .fail_at = -1, .seen = seen};
        for (int i = 0; i < MOST; i++) atomic_store(&seen[i], 0);
        CHECK_STATUS(rl_parallel_for(counts[c], grains[g], threads, visit, &l), RL_OK);
        int once = 1;
        for (int i = 0; i < MOST; i++) once &= atomic_load(&seen[i]) == (i < counts[c]);
        CHECK(once, "%d items by %d on %d threads: not each once", counts[c], grains[g], threads);
        CHECK(atomic_load(&l.most) < threads, "thread %d of %d", atomic_load(&l.most), threads);
        if (threads > 1 && counts[c] > grains[g] && rl_max_threads() > 1)
          CHECK(!atomic_load(&l.inner), "threads inside a team of %d", threads);
        if (counts[c] == 0) continue;
        l.fail_at = counts[c] / 2;
        CHECK_STATUS(rl_parallel_for(counts[c], grains[g], threads, visit, &l), RL_ERR_ASSUME);
      }
  loop l = {.count = MOST, .fail_at = -1, .seen = seen};
  rl_set_stop(stop_now);
  CHECK(rl_stop_requested(), "the callback was not asked");
  CHECK_STATUS(rl_parallel_for(MOST, 1, 1, visit, &l), RL_ERR_INTERRUPTED);
  CHECK_STATUS(rl_parallel_for(1, 1, 1, visit, &l), RL_OK); /* done before anybody would ask */
  rl_set_stop(NULL);
  CHECK(!rl_stop_requested(), "the callback was not removed");
}

#ifdef __unix__
/* Calls from several threads at once: same bits as alone.  Under ThreadSanitizer the point of it all. */
enum { N = 9, BATCH = 700, CALLERS = 4 };
static double shared_a[BATCH * N * N], expected[BATCH * N * N];

static void *one_caller(void *p) {
  double *e = test_alloc(sizeof expected);
  rl_isa();
  *(int *)p = rl_dexpm(BATCH, N, shared_a, N, N * N, 0, 0, e, N, N * N, NULL, NULL);
  if (memcmp(e, expected, sizeof expected) != 0) *(int *)p = -1;
  rl_max_threads();
  free(e);
  return NULL;
}

static void callers(void) {
  for (int k = 0; k < BATCH * N * N; k++) shared_a[k] = test_uniform();
  for (int i = 0; i < BATCH;
       i += 50) { /* some that leave the kernels: products of our own, sums, norms */
    for (int q = 0; q < N; q++)
      for (int p = 0; p < q; p++) shared_a[(i * N + q) * N + p] = 0;
  }
  CHECK_STATUS(rl_dexpm(BATCH, N, shared_a, N, N * N, 0, 0, expected, N, N * N, NULL, NULL), RL_OK);
  pthread_t id[CALLERS];
  int status[CALLERS];
  for (int t = 0; t < CALLERS; t++)
    if (pthread_create(&id[t], NULL, one_caller, &status[t]) != 0) exit(2);
  for (int t = 0; t < CALLERS; t++) {
    pthread_join(id[t], NULL);
    CHECK(status[t] == RL_OK, "caller %d: %s", t,
          status[t] < 0 ? "other bits" : rl_strerror(status[t]));
  }
}

/* A child of fork() has no pool: without a guard its first parallel region waits for ever. */
static void fork_guard(void) {
#ifndef __SANITIZE_THREAD__
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    double *e = test_alloc(sizeof expected);
    const int status = rl_dexpm(BATCH, N, shared_a, N, N * N, 0, 0, e, N, N * N, NULL, NULL);
    const int same = memcmp(e, expected, sizeof expected) == 0;
    free(e);
    _exit(status != RL_OK ? 1 : !same ? 2 : rl_max_threads() != 1 ? 3 : 0);
  }
  int status = 0;
  CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child of a fork: signal %d, status %d",
        WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
#endif
}
#endif

int main(void) {
  test_begin();
  status_codes();
  memory();
  isa();
  blas_table();
  loops();
#ifdef __unix__
  int level = 0;
  while (test_level(&level) != NULL) callers();
  fork_guard();
#endif
  return test_end();
}
