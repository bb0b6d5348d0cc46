/* What lets one header serve C and CUDA. */
#ifndef RANDLA_DEVICE_H
#define RANDLA_DEVICE_H
#ifdef __CUDACC__
#define RL_DEVICE static __device__ __forceinline__
#define RL_CONSTANT static __constant__ const
#else
#define RL_DEVICE static inline
#define RL_CONSTANT static const
#endif
#endif
