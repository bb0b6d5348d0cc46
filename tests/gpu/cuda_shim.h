/* CUDA C++ on the CPU, for tests: `g++ -include cuda_shim.h kernels.cu` runs the sources that NVRTC compiles.
 *
 * Every CUDA thread of a block is a fiber.  A fiber runs until it reaches a barrier or a warp primitive, or
 * returns; then another one runs.  With a seed the order is random, some warps lag behind the others, and an
 * atomic may let others run first, so that a missing barrier gives another result sooner or later: shared
 * memory is filled with noise before each block, and a thread that reads too early reads it.
 * Blocks run one after the other, with a seed in random order: no block may wait for another.
 *
 * Mistakes that hang a GPU or are undefined there become messages: a barrier that some threads do not
 * reach, a warp primitive whose mask names lanes that never come, too many threads, too much shared memory.
 * Under -fsanitize=address, arrays in global, static and dynamic shared memory have guarded ends. */
#pragma once
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#include <link.h>
#endif

#define RL_CUDA_SHIM 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __restrict__ __restrict
#define __constant__ static
/* All of a module's thread-local variables are one block of memory, which can be found, measured and filled,
 * also those inside templates.  ASan guards static variables, but no thread-local ones. */
#ifdef __SANITIZE_ADDRESS__
#define __shared__ static
#else
#define __shared__ thread_local
#endif
/* Dynamic shared memory, by the macro that every kernel uses; see common.cuh. */
#define RL_DYNAMIC_SHARED(type, name) type *name = (type *)cuda_shim::dynamic_shared()

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

#define CUDA_SHIM_VECTORS(type, name, align)                                    \
  struct alignas(2 * align) name##2 { type x, y; };                             \
  struct alignas(4 * align > 16 ? 16 : 4 * align) name##4 { type x, y, z, w; }; \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; }       \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
CUDA_SHIM_VECTORS(float, float, 4)
CUDA_SHIM_VECTORS(double, double, 8)
CUDA_SHIM_VECTORS(int, int, 4)
CUDA_SHIM_VECTORS(unsigned, uint, 4)
CUDA_SHIM_VECTORS(long long, longlong, 8)
CUDA_SHIM_VECTORS(unsigned long long, ulonglong, 8)
CUDA_SHIM_VECTORS(unsigned char, uchar, 1)
#undef CUDA_SHIM_VECTORS

static constexpr int warpSize = 32;
static dim3 blockIdx, blockDim, gridDim;

namespace cuda_shim {

/* ---- fibers ------------------------------------------------------------------------------------------ */

enum class Op { sync, shuffle, ballot, match, add, smallest, largest, bit_and, bit_or, bit_xor };

typedef void
    *Place[5]; /* for GCC's own setjmp: that of the C library costs a system call under ASan */

/* A thread.  Fibers outlive launches: to make a context takes a system call, to go on there none. */
struct Fiber {
  ucontext_t first;
  Place place;
  bool started;
  dim3 index;
  unsigned linear;
  char *stack;
  void *fake_stack; /* ASan's */
  /* what it waits for, and what it brought */
  Op op;
  const char *file;
  int line;
  unsigned mask, source;
  uint64_t value, result;
};

#ifdef __SANITIZE_ADDRESS__
static const size_t STACK = 256 * 1024;
#else
static const size_t STACK = 64 * 1024;
#endif
static const unsigned MOST_THREADS = 1024;

/* What the lanes of a warp do, a bit for each. */
struct Warp {
  uint32_t ready, at_barrier, at_exchange;
};

static Fiber fibers[MOST_THREADS]; /* never moved: they point into themselves */
static unsigned made;
static Warp warps[MOST_THREADS / warpSize];
/* volatile: it changes where the compiler sees only a call */
static Fiber *volatile current;
static unsigned threads;
static Place scheduler;
static void (*body)(void *);
static void *body_argument;
static uint64_t random_state; /* 0: everything in order */
static char message[512];     /* of the first error */

static uint64_t draw() { /* xorshift64 (Marsaglia 2003) */
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}
static bool chance(unsigned one_in) { return random_state != 0 && draw() % one_in == 0; }

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...) {
  if (message[0]) return;
  va_list arguments;
  va_start(arguments, format);
  const int n = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (n > 0 && (size_t)n < sizeof message)
    snprintf(message + n, sizeof message - n, " (block %u, %u, %u)", blockIdx.x, blockIdx.y,
             blockIdx.z);
}

/* ASan must hear of every change of stack. */
#ifdef __SANITIZE_ADDRESS__
static const void *main_stack;
static size_t main_size;
static void *main_fake;
static void leave_to(void **save, const void *stack, size_t size) {
  __sanitizer_start_switch_fiber(save, stack, size);
}
static void arrive(void *saved, const void **stack, size_t *size) {
  __sanitizer_finish_switch_fiber(saved, stack, size);
}
#else
static const void *main_stack;
static size_t main_size;
static void *main_fake;
static void leave_to(void **, const void *, size_t) {}
static void arrive(void *, const void **, size_t *) {}
#endif

static unsigned lane() { return current->linear % warpSize; }
static uint32_t own_bit() { return 1u << lane(); }
static Warp &own_warp() { return warps[current->linear / warpSize]; }

/* Not instrumented: these change stacks, of which ASan hears by `leave_to` and `arrive`. */
#define CUDA_SHIM_SWITCH __attribute__((noinline, no_sanitize_address)) static void
CUDA_SHIM_SWITCH jump(void **place) { __builtin_longjmp(place, 1); }

/* Give way to the scheduler. */
CUDA_SHIM_SWITCH give_way() {
  Fiber *me = current;
  leave_to(&me->fake_stack, main_stack, main_size);
  if (!__builtin_setjmp(me->place)) jump(scheduler);
  arrive(me->fake_stack, &main_stack, &main_size);
}
static void wait(uint32_t Warp::*place) {
  own_warp().ready &= ~own_bit();
  own_warp().*place |= own_bit();
  give_way();
}

CUDA_SHIM_SWITCH begin() {
  arrive(nullptr, &main_stack, &main_size);
  for (;;) { /* a turn is one thread of one block */
    body(body_argument);
    own_warp().ready &= ~own_bit();
    give_way();
  }
}

CUDA_SHIM_SWITCH run(Fiber &fiber) {
  current = &fiber;
  leave_to(&main_fake, fiber.stack, STACK);
  if (!__builtin_setjmp(scheduler)) {
    if (fiber.started) jump(fiber.place);
    fiber.started = true;
    setcontext(&fiber.first);
  }
  arrive(main_fake, nullptr, nullptr);
}

/* ---- barriers and warps ------------------------------------------------------------------------------ */

/* What each lane of `group` gets from the values that all of them brought. */
static void exchange(Fiber *warp, unsigned group) {
  uint64_t all = 0;
  bool begun = false;
  for (unsigned i = 0; i < warpSize; i++) {
    if (!(group >> i & 1)) continue;
    const uint64_t v = warp[i].value;
    switch (warp[i].op) {
      case Op::ballot: all |= (uint64_t)(v != 0) << i; break;
      case Op::add: all += v; break;
      case Op::smallest: all = begun && (int64_t)all < (int64_t)v ? all : v; break;
      case Op::largest: all = begun && (int64_t)all > (int64_t)v ? all : v; break;
      case Op::bit_and: all = begun ? all & v : v; break;
      case Op::bit_or: all |= v; break;
      case Op::bit_xor: all ^= v; break;
      default: break;
    }
    begun = true;
  }
  for (unsigned i = 0; i < warpSize; i++) {
    Fiber &f = warp[i];
    if (!(group >> i & 1)) continue;
    f.result = all;
    if (f.op == Op::shuffle) {
      if (!(group >> f.source & 1)) {
        fail("%s:%d: a shuffle reads lane %u, which does not take part", f.file, f.line, f.source);
        return;
      }
      f.result = warp[f.source].value;
    } else if (f.op == Op::match) {
      f.result = 0;
      for (unsigned j = 0; j < warpSize; j++)
        if ((group >> j & 1) && warp[j].value == f.value) f.result |= (uint64_t)1 << j;
    }
  }
}

/* Let lanes go on whose group is complete; whether there were any. */
static bool release_warp(unsigned number) {
  Warp &warp = warps[number];
  Fiber *lanes = &fibers[number * warpSize];
  bool any = false;
  for (uint32_t left = warp.at_exchange; left != 0;) {
    const unsigned i = (unsigned)__builtin_ctz(left);
    const Fiber &f = lanes[i];
    uint32_t group =
        0; /* those that are there; with another mask, a lane takes part in something else first */
    for (uint32_t m = f.mask & warp.at_exchange; m != 0; m &= m - 1) {
      const unsigned j = (unsigned)__builtin_ctz(m);
      if (lanes[j].mask == f.mask) group |= 1u << j;
    }
    left &= ~(group | 1u << i);
    if (group != f.mask) continue;
    for (uint32_t m = group; m != 0; m &= m - 1) {
      const Fiber &other = lanes[__builtin_ctz(m)];
      if (other.op == f.op) continue;
      fail("%s:%d and %s:%d: lanes %u and %u of a warp meet in different primitives", f.file,
           f.line, other.file, other.line, i, other.linear % warpSize);
      return false;
    }
    exchange(lanes, group);
    warp.at_exchange &= ~group;
    warp.ready |= group;
    any = true;
  }
  return any;
}

/* Let the block go on if all of it waits at one barrier. */
static bool release_block(unsigned waiting) {
  if (waiting != threads) return false;
  unsigned count = 0;
  for (unsigned t = 0; t < threads; t++) {
    const Fiber &f = fibers[t];
    count += f.value != 0;
    if (f.line == fibers[0].line && strcmp(f.file, fibers[0].file) == 0) continue;
    fail("%s:%d and %s:%d: threads of a block wait at different barriers", fibers[0].file,
         fibers[0].line, f.file, f.line);
    return false;
  }
  for (unsigned t = 0; t < threads; t++) fibers[t].result = count;
  for (Warp &w : warps) {
    w.ready = w.at_barrier;
    w.at_barrier = 0;
  }
  return true;
}

/* Nobody can go on: say why. */
static void explain() {
  for (unsigned t = 0; t < threads; t++) {
    const Fiber &f = fibers[t];
    if (!(warps[t / warpSize].at_exchange >> t % warpSize & 1)) continue;
    fail("%s:%d: deadlock: lane %u of a warp waits for lanes %#x, not all of which come", f.file,
         f.line, t % warpSize, f.mask);
    return;
  }
  for (unsigned t = 0; t < threads; t++) {
    const Fiber &f = fibers[t];
    if (!(warps[t / warpSize].at_barrier >> t % warpSize & 1)) continue;
    fail("%s:%d: a barrier is reached by only a part of the block", f.file, f.line);
    return;
  }
}

/* The thread that fiber number t will be. */
__attribute__((noinline)) static void prepare(Fiber &f, unsigned t) {
  f.linear = t;
  f.index = dim3(t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y));
  if (f.started) return;
  getcontext(&f.first);
  f.first.uc_stack.ss_sp = f.stack;
  f.first.uc_stack.ss_size = STACK;
  f.first.uc_link = nullptr;
  makecontext(&f.first, begin, 0);
}

/* Run the ready lanes of a warp until each waits. */
static void run_warp(unsigned number) {
  const uint32_t ready = warps[number].ready;
  const unsigned shuffle = random_state ? draw() % warpSize : 0;
  for (unsigned i = 0; i < warpSize && !message[0]; i++)
    if (ready >> (i ^ shuffle) & 1) run(fibers[number * warpSize + (i ^ shuffle)]);
}

static void run_block() {
  const unsigned count = (threads + warpSize - 1) / warpSize;
  memset(warps, 0, sizeof warps);
  for (unsigned t = 0; t < threads; t++) {
    prepare(fibers[t], t);
    warps[t / warpSize].ready |= 1u << t % warpSize;
  }
  unsigned order[MOST_THREADS / warpSize], rounds = 0;
  for (unsigned w = 0; w < count; w++) order[w] = w;
  uint32_t late = 0; /* warps that sit out, for a number of rounds, or until nobody else can move */
  while (!message[0]) {
    if (random_state) {
      for (unsigned w = count; w > 1; w--) std::swap(order[w - 1], order[draw() % w]);
      if (rounds-- == 0) {
        late = chance(3) ? 0 : (uint32_t)draw();
        rounds = chance(2) ? 1000 : draw() % 24;
      }
    }
    bool moved = false;
    for (unsigned i = 0; i < count; i++)
      if (!(late >> order[i] & 1) && warps[order[i]].ready) {
        run_warp(order[i]);
        moved = true;
      }
    if (!moved)
      for (unsigned i = 0; i < count; i++)
        if (warps[order[i]].ready) {
          run_warp(order[i]);
          moved = true;
          rounds = 0;
        }
    unsigned waiting = 0, busy = 0;
    for (unsigned w = 0; w < count && !message[0]; w++) {
      if (warps[w].at_exchange) moved |= release_warp(w);
      waiting += (unsigned)__builtin_popcount(warps[w].at_barrier);
      busy |= warps[w].ready | warps[w].at_exchange;
    }
    if (message[0]) break;
    if (!busy && waiting == 0) return; /* all have returned */
    moved |= release_block(waiting);
    if (!moved) explain();
  }
  for (Fiber &f : fibers) f.started = false; /* they hang somewhere in the kernel: begin anew */
}

/* ---- launches ---------------------------------------------------------------------------------------- */

static char *dynamic_memory;
static size_t dynamic_size;

static void *dynamic_shared() { return dynamic_memory; }

/* Static shared memory of all kernels of the module: CUDA counts one kernel's alone, so this may see too
 * much, and the report of NVRTC has the truth. */
struct Block {
  char *start;
  size_t size;
};
#ifndef __SANITIZE_ADDRESS__
static thread_local char in_the_block = 1; /* so that there is one, and this thread has it */
static int find_block(dl_phdr_info *info, size_t, void *found) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto &part = info->dlpi_phdr[i];
    if (part.p_type != PT_TLS || info->dlpi_tls_data == nullptr) continue;
    char *start = (char *)info->dlpi_tls_data;
    if (&in_the_block < start || &in_the_block >= start + part.p_memsz) continue;
    *(Block *)found = {start, part.p_memsz};
    return 1;
  }
  return 0;
}
static Block static_shared() {
  *(volatile char *)&in_the_block = 1;
  Block block = {nullptr, 0};
  dl_iterate_phdr(find_block, &block);
  return block;
}
#else
static Block static_shared() { return {nullptr, 0}; }
#endif

static void fill_with_noise(char *start, size_t size) {
  uint64_t noise = 0xa5a5a5a5a5a5a5a5u;
  for (size_t i = 0; i < size; i += sizeof noise) {
    if (random_state) noise = draw();
    memcpy(start + i, &noise, size - i < sizeof noise ? size - i : sizeof noise);
  }
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
  kernel(*(std::remove_cv_t<A> *)arguments[I]...);
}
template <class... A>
struct Call {
  void (*kernel)(A...);
  void **arguments;
  static void go(void *self) {
    auto *c = (Call *)self;
    call(c->kernel, c->arguments, std::index_sequence_for<A...>());
  }
};

static const size_t SHARED_BYTES = 48 * 1024;

/* `sizes` are those of the arguments; `allowed`: dynamic shared memory that the kernel was opted in for. */
template <class... A>
static int launch(void (*kernel)(A...), const unsigned *grid, const unsigned *block, size_t dynamic,
                  size_t allowed, int count, void **arguments, const size_t *sizes, uint64_t seed,
                  char *error, size_t error_size) {
  message[0] = 0;
  gridDim = dim3(grid[0], grid[1], grid[2]);
  blockDim = dim3(block[0], block[1], block[2]);
  blockIdx = dim3(0, 0, 0);
  const size_t taken[] = {sizeof(A)..., 0};
  const uint64_t wanted = (uint64_t)block[0] * block[1] * block[2];
  const Block fixed = static_shared();
  if (count != (int)sizeof...(A))
    fail("the kernel takes %d arguments, got %d", (int)sizeof...(A), count);
  for (int i = 0; !message[0] && i < count; i++)
    if (sizes[i] != taken[i])
      fail("argument %d of the kernel has %zu bytes, got %zu", i, taken[i], sizes[i]);
  if (wanted == 0 || wanted > MOST_THREADS || block[2] > 64)
    fail("invalid block of %u x %u x %u threads", block[0], block[1], block[2]);
  if (grid[0] == 0 || grid[0] > INT32_MAX || grid[1] - 1 >= 65535 || grid[2] - 1 >= 65535)
    fail("invalid grid of %u x %u x %u blocks", grid[0], grid[1], grid[2]);
  if (fixed.size > SHARED_BYTES || (dynamic + fixed.size > SHARED_BYTES && dynamic > allowed))
    fail("too much shared memory: %zu bytes static, %zu dynamic, of which %zu are allowed",
         fixed.size, dynamic, allowed);
  if (message[0]) {
    snprintf(error, error_size, "%s", message);
    return 1;
  }
  threads = (unsigned)wanted;
  Call<A...> whole{kernel, arguments};
  body = &Call<A...>::go;
  body_argument = &whole;
  random_state = seed;
  for (; made < threads; made++)
    fibers[made].stack = (char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  dynamic_size = dynamic;
  dynamic_memory = (char *)aligned_alloc(128, (dynamic / 128 + 1) * 128);
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(dynamic_memory + dynamic, (dynamic / 128 + 1) * 128 - dynamic);
#endif
  const uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2];
  std::vector<uint32_t> order(blocks);
  for (uint64_t i = 0; i < blocks; i++) order[i] = (uint32_t)i;
  for (uint64_t i = blocks; random_state && i > 1; i--) std::swap(order[i - 1], order[draw() % i]);
  for (uint64_t i = 0; i < blocks && !message[0]; i++) {
    blockIdx = dim3(order[i] % grid[0], order[i] / grid[0] % grid[1], order[i] / grid[0] / grid[1]);
    fill_with_noise(fixed.start, fixed.size);
    fill_with_noise(dynamic_memory, dynamic);
    run_block();
  }
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(dynamic_memory, (dynamic / 128 + 1) * 128);
#endif
  free(dynamic_memory);
  snprintf(error, error_size, "%s", message);
  return message[0] != 0;
}

/* ---- what device code calls -------------------------------------------------------------------------- */

static uint64_t barrier(bool predicate, const char *file, int line) {
  Fiber *me = current;
  me->value = predicate;
  me->file = file;
  me->line = line;
  wait(&Warp::at_barrier);
  return me->result;
}

static uint64_t meet(Op op, unsigned mask, uint64_t value, unsigned source, const char *file,
                     int line) {
  Fiber *me = current;
  if (!(mask >> lane() & 1))
    fail("%s:%d: lane %u is not in the mask %#x of its own warp primitive", file, line, lane(),
         mask);
  me->op = op;
  me->mask = mask;
  me->value = value;
  me->source = source;
  me->file = file;
  me->line = line;
  wait(&Warp::at_exchange);
  return me->result;
}

/* Others may come first to an atomic. */
static void atomic_point() {
  if (chance(8)) give_way();
}

template <class T>
struct same {
  typedef T type;
};
template <class T>
static uint64_t to_bits(T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "warp primitives exchange 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T, class S>
static T bits_as(S value) {
  static_assert(sizeof(T) <= sizeof(S), "");
  T result;
  memcpy(&result, &value, sizeof result);
  return result;
}

} /* namespace cuda_shim */

#define threadIdx (cuda_shim::current->index)

#define CUDA_SHIM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(CUDA_SHIM_HERE) { cuda_shim::barrier(true, file, line); }
static inline int __syncthreads_count(int predicate, CUDA_SHIM_HERE) {
  return (int)cuda_shim::barrier(predicate != 0, file, line);
}
static inline int __syncthreads_or(int predicate, CUDA_SHIM_HERE) {
  return cuda_shim::barrier(predicate != 0, file, line) != 0;
}
static inline int __syncthreads_and(int predicate, CUDA_SHIM_HERE) {
  return cuda_shim::barrier(predicate != 0, file, line) == cuda_shim::threads;
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, CUDA_SHIM_HERE) {
  cuda_shim::meet(cuda_shim::Op::sync, mask, 0, 0, file, line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_SHIM_HERE) {
  return (unsigned)cuda_shim::meet(cuda_shim::Op::ballot, mask, predicate != 0, 0, file, line);
}
static inline int __any_sync(unsigned mask, int predicate, CUDA_SHIM_HERE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, CUDA_SHIM_HERE) {
  return __ballot_sync(mask, predicate, file, line) == mask;
}
/* Which lanes happen to run together is the hardware's choice: to be alone is the hardest of them. */
static inline unsigned __activemask() { return 1u << cuda_shim::lane(); }

template <class T>
static T cuda_shim_shuffle(unsigned mask, T value, unsigned source, const char *file, int line) {
  return cuda_shim::bits_as<T>(
      cuda_shim::meet(cuda_shim::Op::shuffle, mask, cuda_shim::to_bits(value), source, file, line));
}
template <class T>
static T __shfl_sync(unsigned mask, T value, int from, int width = 32, CUDA_SHIM_HERE) {
  const unsigned l = cuda_shim::lane(), w = (unsigned)width;
  return cuda_shim_shuffle(mask, value, (l & ~(w - 1)) | ((unsigned)from & (w - 1)), file, line);
}
template <class T>
static T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, CUDA_SHIM_HERE) {
  const unsigned l = cuda_shim::lane(), w = (unsigned)width, s = l ^ (unsigned)bits;
  /* a later group: own value; an earlier one may be read */
  return cuda_shim_shuffle(mask, value, s / w > l / w ? l : s, file, line);
}
template <class T>
static T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, CUDA_SHIM_HERE) {
  const unsigned l = cuda_shim::lane(), w = (unsigned)width;
  return cuda_shim_shuffle(mask, value, l % w + by < w ? l + by : l, file, line);
}
template <class T>
static T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, CUDA_SHIM_HERE) {
  const unsigned l = cuda_shim::lane(), w = (unsigned)width;
  return cuda_shim_shuffle(mask, value, l % w >= by ? l - by : l, file, line);
}
template <class T>
static unsigned __match_any_sync(unsigned mask, T value, CUDA_SHIM_HERE) {
  return (unsigned)cuda_shim::meet(cuda_shim::Op::match, mask, cuda_shim::to_bits(value), 0, file,
                                   line);
}
#define CUDA_SHIM_REDUCE(name, type, op)                                                     \
  static inline type __reduce_##name##_sync(unsigned mask, type value, CUDA_SHIM_HERE) {     \
    return (type)cuda_shim::meet(cuda_shim::Op::op, mask, (uint64_t)(int64_t)value, 0, file, \
                                 line);                                                      \
  }
CUDA_SHIM_REDUCE(add, unsigned, add)
CUDA_SHIM_REDUCE(add, int, add)
CUDA_SHIM_REDUCE(min, unsigned, smallest)
CUDA_SHIM_REDUCE(min, int, smallest)
CUDA_SHIM_REDUCE(max, unsigned, largest)
CUDA_SHIM_REDUCE(max, int, largest)
CUDA_SHIM_REDUCE(and, unsigned, bit_and)
CUDA_SHIM_REDUCE(or, unsigned, bit_or)
CUDA_SHIM_REDUCE(xor, unsigned, bit_xor)
#undef CUDA_SHIM_REDUCE

static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {}
static inline void __trap() { /* does not return: nobody resumes the fiber */
  cuda_shim::fail("trap");
  cuda_shim::give_way();
}

#define CUDA_SHIM_ATOMIC(name, result)                               \
  template <class T>                                                 \
  static T name(T *place, typename cuda_shim::same<T>::type value) { \
    cuda_shim::atomic_point();                                       \
    const T old = *place;                                            \
    *place = result;                                                 \
    return old;                                                      \
  }
CUDA_SHIM_ATOMIC(atomicAdd, old + value)
CUDA_SHIM_ATOMIC(atomicSub, old - value)
CUDA_SHIM_ATOMIC(atomicExch, value)
CUDA_SHIM_ATOMIC(atomicMin, old < value ? old : value)
CUDA_SHIM_ATOMIC(atomicMax, old > value ? old : value)
CUDA_SHIM_ATOMIC(atomicAnd, old &value)
CUDA_SHIM_ATOMIC(atomicOr, old | value)
CUDA_SHIM_ATOMIC(atomicXor, old ^ value)
CUDA_SHIM_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
#undef CUDA_SHIM_ATOMIC
template <class T>
static T atomicCAS(T *place, typename cuda_shim::same<T>::type expected,
                   typename cuda_shim::same<T>::type value) {
  cuda_shim::atomic_point();
  const T old = *place;
  if (old == expected) *place = value;
  return old;
}

template <class T>
static T min(T a, T b) {
  return a < b ? a : b;
}
template <class T>
static T max(T a, T b) {
  return a > b ? a : b;
}
template <class T>
static T __ldg(const T *place) {
  return *place;
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (x >> i & 1) << (31 - i);
  return r;
}
static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline unsigned __float_as_uint(float x) { return cuda_shim::bits_as<unsigned>(x); }
static inline int __float_as_int(float x) { return cuda_shim::bits_as<int>(x); }
static inline float __uint_as_float(unsigned x) { return cuda_shim::bits_as<float>(x); }
static inline float __int_as_float(int x) { return cuda_shim::bits_as<float>(x); }
static inline long long __double_as_longlong(double x) { return cuda_shim::bits_as<long long>(x); }
static inline double __longlong_as_double(long long x) { return cuda_shim::bits_as<double>(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
/* sine and cosine of pi x; quarter turns are taken off exactly */
template <class T>
static void cuda_shim_sincospi(T x, T *sine, T *cosine) {
  const T quarters = nearbyint(2 * x), rest = (x - quarters / 2) * (T)3.14159265358979323846;
  const T s = (T)sin((double)rest), c = (T)cos((double)rest);
  switch ((long long)quarters & 3) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s;
  }
}
static inline void sincospi(double x, double *s, double *c) { cuda_shim_sincospi(x, s, c); }
static inline void sincospif(float x, float *s, float *c) { cuda_shim_sincospi(x, s, c); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
/* the C library has functions of these names, of its own */
#define __expf expf
#define __logf logf
static inline float __fdividef(float a, float b) { return a / b; }

/* A kernel's name from outside of the module. */
#define CUDA_SHIM_EXPORT(kernel)                                                                   \
  extern "C" __attribute__((visibility("default"))) int kernel##_on_cpu(                           \
      const unsigned *grid, const unsigned *block, size_t dynamic, size_t allowed, int count,      \
      void **arguments, const size_t *sizes, uint64_t seed, char *error, size_t error_size) {      \
    return cuda_shim::launch(kernel, grid, block, dynamic, allowed, count, arguments, sizes, seed, \
                             error, error_size);                                                   \
  }
