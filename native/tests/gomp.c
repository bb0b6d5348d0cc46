/* GCC's calls for `#pragma omp parallel`, on pthreads that ThreadSanitizer understands.  A team is created
 * and joined by each region, which is slow and all that is wanted here. */
#include <pthread.h>
#include <stdlib.h>

static _Thread_local int in_region, number;
static int threads_max(void) {
  const char *s = getenv("OMP_NUM_THREADS");
  return s != NULL && atoi(s) > 0 ? atoi(s) : 2;
}

typedef struct {
  void (*body)(void *);
  void *data;
  int number;
} member;

static void *run(void *p) {
  const member *m = p;
  in_region = 1;
  number = m->number;
  m->body(m->data);
  return NULL;
}

__attribute__((visibility("default"))) void GOMP_parallel(void (*body)(void *), void *data,
                                                          unsigned threads, unsigned flags);
__attribute__((visibility("default"))) int omp_get_thread_num(void);
__attribute__((visibility("default"))) int omp_get_max_threads(void);
__attribute__((visibility("default"))) int omp_in_parallel(void);

void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags) {
  (void)flags;
  enum { MOST = 16 };
  pthread_t id[MOST];
  member m[MOST];
  int started = 1;
  const int outer = in_region, outer_number = number;
  if (threads == 0) threads = (unsigned)threads_max();
  for (; started < (int)threads && started < MOST; started++) {
    m[started] = (member){body, data, started};
    if (pthread_create(&id[started], NULL, run, &m[started]) != 0) break;
  }
  in_region = started > 1 || outer;
  number = 0;
  body(data);
  in_region = outer;
  number = outer_number;
  for (int i = 1; i < started; i++) pthread_join(id[i], NULL);
}

int omp_get_thread_num(void) { return number; }
int omp_get_max_threads(void) { return threads_max(); }
int omp_in_parallel(void) { return in_region; }
