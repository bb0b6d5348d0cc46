/* What every kernel needs: integers of known size, shared memory, sums over a block.
 *
 * Kernels include nothing of CUDA's own, so that NVRTC alone compiles them; the tests run them on a CPU.
 * Threads of a block must reach every barrier, so a kernel never returns before its last one. */
#ifndef RANDLA_COMMON_CUH
#define RANDLA_COMMON_CUH

#ifdef __CUDACC_RTC__ /* has no stdint.h */
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#endif

/* A pointer to the dynamic shared memory of the block, aligned to 16 bytes. */
#ifndef RL_DYNAMIC_SHARED
#define RL_DYNAMIC_SHARED(type, name)                         \
  extern __shared__ __align__(16) unsigned char rl_dynamic[]; \
  type *name = reinterpret_cast<type *>(rl_dynamic)
#endif

#define RL_WARP 32
#define RL_ALL_LANES 0xffffffffu

/* Threads of a block count along x. */
static __device__ __forceinline__ unsigned rl_lane() { return threadIdx.x % RL_WARP; }
static __device__ __forceinline__ unsigned rl_warp() { return threadIdx.x / RL_WARP; }
static __device__ __forceinline__ unsigned rl_lanes_below() { return (1u << rl_lane()) - 1; }

/* Sum of `value` over the threads before this one, and `total` over all of them.  blockDim.x is a
 * multiple of 32; `scratch`, in shared memory, has 32 elements, and is free again after the call. */
template <class T>
static __device__ T rl_block_prefix(T value, T *scratch, T *total) {
  T sum = value;
  for (unsigned by = 1; by < RL_WARP; by *= 2) {
    const T before = __shfl_up_sync(RL_ALL_LANES, sum, by);
    if (rl_lane() >= by) sum += before;
  }
  if (rl_lane() == RL_WARP - 1) scratch[rl_warp()] = sum;
  __syncthreads();
  const unsigned warps = blockDim.x / RL_WARP;
  T ahead = 0, all = 0;
  for (unsigned w = 0; w < warps; w++) {
    if (w == rl_warp()) ahead = all;
    all += scratch[w];
  }
  __syncthreads();
  *total = all;
  return ahead + sum - value;
}

#endif
