/* Vectors for the kernels: GCC vector extensions, and the few operations that they lack.
 *
 * A kernel file is compiled once per ISA level with RL_ISA (a suffix) and RL_VECTOR_BYTES, and without
 * contraction: a fused multiply-add is where vfma() stands, nowhere else, so that a formula gives the
 * same bits wherever it is inlined.  RL_VECTOR_BYTES may exceed what the ISA has: the compiler then
 * splits vectors, which is how the 512-bit geometry is tested on machines without it. */
#ifndef RL_SIMD_H
#define RL_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined __SSE2__
#include <immintrin.h>
#elif defined __ARM_NEON && !defined RL_NO_NEON
#include <arm_neon.h>
#endif

#define RL_CAT_(a, b) a##_##b
#define RL_CAT(a, b) RL_CAT_(a, b)
#define RL_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define RL_UNROLL _Pragma("unroll")
#else
#define RL_UNROLL _Pragma("GCC unroll 16")
#endif

#if RL_VECTOR_BYTES == 64 || defined __aarch64__
#define RL_REGISTERS 32
#else
#define RL_REGISTERS 16
#endif
#define RL_LANES_LIMIT 32 /* the largest n of a matrix in lanes */

/* What is read through p after this line is read after this line: coefficients that the compiler moves
 * ahead of a product's loop take registers from its sums, which then live in memory. */
#define RL_READ_AFTER(p) __asm__ volatile("" : : "r"(p) : "memory")

typedef float rl_vs __attribute__((vector_size(RL_VECTOR_BYTES)));
typedef double rl_vd __attribute__((vector_size(RL_VECTOR_BYTES)));
typedef int32_t rl_vis __attribute__((vector_size(RL_VECTOR_BYTES)));
typedef int64_t rl_vid __attribute__((vector_size(RL_VECTOR_BYTES)));

/* ---- a b + c in one rounding, where the ISA has it ------------------------------------------- */

#if RL_VECTOR_BYTES == 64 && defined __AVX512F__
RL_INLINE rl_vs vfma_s(rl_vs a, rl_vs b, rl_vs c) {
  return (rl_vs)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
RL_INLINE rl_vd vfma_d(rl_vd a, rl_vd b, rl_vd c) {
  return (rl_vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
#elif RL_VECTOR_BYTES == 32 && defined __FMA__
RL_INLINE rl_vs vfma_s(rl_vs a, rl_vs b, rl_vs c) {
  return (rl_vs)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
RL_INLINE rl_vd vfma_d(rl_vd a, rl_vd b, rl_vd c) {
  return (rl_vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
#elif RL_VECTOR_BYTES == 16 && defined __ARM_NEON && !defined RL_NO_NEON
RL_INLINE rl_vs vfma_s(rl_vs a, rl_vs b, rl_vs c) {
  return (rl_vs)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
RL_INLINE rl_vd vfma_d(rl_vd a, rl_vd b, rl_vd c) {
  return (rl_vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#elif defined __FMA__
RL_INLINE rl_vs vfma_s(rl_vs a, rl_vs b, rl_vs c) {
  for (unsigned i = 0; i < sizeof a / sizeof a[0]; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
RL_INLINE rl_vd vfma_d(rl_vd a, rl_vd b, rl_vd c) {
  for (unsigned i = 0; i < sizeof a / sizeof a[0]; i++) c[i] = __builtin_fma(a[i], b[i], c[i]);
  return c;
}
#else
RL_INLINE rl_vs vfma_s(rl_vs a, rl_vs b, rl_vs c) { return a * b + c; }
RL_INLINE rl_vd vfma_d(rl_vd a, rl_vd b, rl_vd c) { return a * b + c; }
#endif

/* ---- stores past the caches, where the ISA has them; p is aligned -------------------------------- */

/* RL_STREAM_END(): what was streamed is there for other threads before what is stored next. */
#if RL_VECTOR_BYTES == 64 && defined __AVX512F__
RL_INLINE void vstream_s(float *p, rl_vs v) { _mm512_stream_ps(p, (__m512)v); }
RL_INLINE void vstream_d(double *p, rl_vd v) { _mm512_stream_pd(p, (__m512d)v); }
#elif RL_VECTOR_BYTES == 32 && defined __AVX2__
RL_INLINE void vstream_s(float *p, rl_vs v) { _mm256_stream_ps(p, (__m256)v); }
RL_INLINE void vstream_d(double *p, rl_vd v) { _mm256_stream_pd(p, (__m256d)v); }
#elif RL_VECTOR_BYTES == 16 && defined __SSE2__
RL_INLINE void vstream_s(float *p, rl_vs v) { _mm_stream_ps(p, (__m128)v); }
RL_INLINE void vstream_d(double *p, rl_vd v) { _mm_stream_pd(p, (__m128d)v); }
#else
RL_INLINE void vstream_s(float *p, rl_vs v) { memcpy(p, &v, sizeof v); }
RL_INLINE void vstream_d(double *p, rl_vd v) { memcpy(p, &v, sizeof v); }
#endif
#ifdef __SSE2__
#define RL_STREAM_END() _mm_sfence()
#else
#define RL_STREAM_END() ((void)0)
#endif

/* ---- masks: integer vectors, -1 where true ------------------------------------------------------- */

/* Bit l: lane l of the mask. */
RL_INLINE unsigned vbits_s(rl_vis m) {
#if RL_VECTOR_BYTES == 64 && defined __AVX512DQ__
  return _mm512_movepi32_mask((__m512i)m);
#elif RL_VECTOR_BYTES == 32 && defined __AVX2__
  return (unsigned)_mm256_movemask_ps((__m256)m);
#elif RL_VECTOR_BYTES == 16 && defined __SSE2__
  return (unsigned)__builtin_ia32_movmskps((rl_vs)m);
#elif RL_VECTOR_BYTES == 16 && defined __ARM_NEON && !defined RL_NO_NEON
  return vaddvq_u32(vandq_u32((uint32x4_t)m, (uint32x4_t){1, 2, 4, 8}));
#else
  unsigned bits = 0;
  for (unsigned i = 0; i < sizeof m / sizeof m[0]; i++) bits |= (m[i] & 1U) << i;
  return bits;
#endif
}
RL_INLINE unsigned vbits_d(rl_vid m) {
#if RL_VECTOR_BYTES == 64 && defined __AVX512DQ__
  return _mm512_movepi64_mask((__m512i)m);
#elif RL_VECTOR_BYTES == 32 && defined __AVX2__
  return (unsigned)_mm256_movemask_pd((__m256d)m);
#elif RL_VECTOR_BYTES == 16 && defined __SSE2__
  return (unsigned)__builtin_ia32_movmskpd((rl_vd)m);
#else
  unsigned bits = 0;
  for (unsigned i = 0; i < sizeof m / sizeof m[0]; i++) bits |= (unsigned)(m[i] & 1) << i;
  return bits;
#endif
}

/* How many bits are set.  The baseline of x86-64 has no instruction for it. */
RL_INLINE int vpopcount(unsigned bits) {
#if RL_VECTOR_BYTES == 16
  return (int)(0x4332322132212110U >> (4 * bits) & 7);
#else
  return __builtin_popcount(bits);
#endif
}

/* ---- compaction: the lanes whose bit is set, in order ------------------------------------------------
 * p[0 .. vpopcount(bits) - 1] become those lanes; what follows, up to a whole vector, is overwritten.
 * With AVX-512 compression stays in the register: into memory it is microcoded on some processors. */
#if RL_VECTOR_BYTES == 32 && defined __AVX2__
/* byte j of entry `bits`: the number of the j-th bit that is set */
#define RL_SET(bits, b) \
  ((uint64_t)((bits) >> (b) & 1) * (b) << 8 * __builtin_popcount((bits) & ((1 << (b)) - 1)))
#define RL_ENTRY(bits)                                                                      \
  RL_SET(bits, 1) | RL_SET(bits, 2) | RL_SET(bits, 3) | RL_SET(bits, 4) | RL_SET(bits, 5) | \
      RL_SET(bits, 6) | RL_SET(bits, 7)
#define RL_ENTRIES_4(b) RL_ENTRY(b), RL_ENTRY(b + 1), RL_ENTRY(b + 2), RL_ENTRY(b + 3)
#define RL_ENTRIES_16(b) \
  RL_ENTRIES_4(b), RL_ENTRIES_4(b + 4), RL_ENTRIES_4(b + 8), RL_ENTRIES_4(b + 12)
#define RL_ENTRIES_64(b) \
  RL_ENTRIES_16(b), RL_ENTRIES_16(b + 16), RL_ENTRIES_16(b + 32), RL_ENTRIES_16(b + 48)
static const uint64_t rl_compaction[256] __attribute__((aligned(64), unused)) = {
    RL_ENTRIES_64(0), RL_ENTRIES_64(64), RL_ENTRIES_64(128), RL_ENTRIES_64(192)};
/* the same for doubles, as pairs of 32-bit lanes */
static const int32_t rl_compaction_d[16][8] __attribute__((aligned(64), unused)) = {
    {0, 1, 0, 1, 0, 1, 0, 1}, {0, 1, 0, 1, 0, 1, 0, 1}, {2, 3, 0, 1, 0, 1, 0, 1},
    {0, 1, 2, 3, 0, 1, 0, 1}, {4, 5, 0, 1, 0, 1, 0, 1}, {0, 1, 4, 5, 0, 1, 0, 1},
    {2, 3, 4, 5, 0, 1, 0, 1}, {0, 1, 2, 3, 4, 5, 0, 1}, {6, 7, 0, 1, 0, 1, 0, 1},
    {0, 1, 6, 7, 0, 1, 0, 1}, {2, 3, 6, 7, 0, 1, 0, 1}, {0, 1, 2, 3, 6, 7, 0, 1},
    {4, 5, 6, 7, 0, 1, 0, 1}, {0, 1, 4, 5, 6, 7, 0, 1}, {2, 3, 4, 5, 6, 7, 0, 1},
    {0, 1, 2, 3, 4, 5, 6, 7}};
RL_INLINE void vcompress_s(int32_t *p, unsigned bits, rl_vis v) {
  const __m256i at = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)&rl_compaction[bits]));
  _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32((__m256i)v, at));
}
RL_INLINE void vcompress_d(int64_t *p, unsigned bits, rl_vid v) {
  const __m256i at = _mm256_load_si256((const __m256i *)rl_compaction_d[bits]);
  _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32((__m256i)v, at));
}
#elif RL_VECTOR_BYTES == 64 && defined __AVX512F__
RL_INLINE void vcompress_s(int32_t *p, unsigned bits, rl_vis v) {
  _mm512_storeu_si512(p, _mm512_maskz_compress_epi32((__mmask16)bits, (__m512i)v));
}
RL_INLINE void vcompress_d(int64_t *p, unsigned bits, rl_vid v) {
  _mm512_storeu_si512(p, _mm512_maskz_compress_epi64((__mmask8)bits, (__m512i)v));
}
#else
#if RL_VECTOR_BYTES == 16 && defined __ARM_NEON && !defined RL_NO_NEON
/* lane j of entry `bits`: the four bytes of the lane whose bit is the j-th that is set */
#define RL_IS(bits, j, b) \
  (((bits) >> (b) & 1) && __builtin_popcount((bits) & ((1 << (b)) - 1)) == (j) ? (b) : 0)
#define RL_NTH(bits, j) \
  (0x03020100U + 0x04040404U * (RL_IS(bits, j, 1) + RL_IS(bits, j, 2) + RL_IS(bits, j, 3)))
#define RL_ENTRY(bits) {RL_NTH(bits, 0), RL_NTH(bits, 1), RL_NTH(bits, 2), RL_NTH(bits, 3)}
static const uint32_t rl_compaction[16][4] __attribute__((aligned(16), unused)) = {
    RL_ENTRY(0),  RL_ENTRY(1),  RL_ENTRY(2),  RL_ENTRY(3), RL_ENTRY(4),  RL_ENTRY(5),
    RL_ENTRY(6),  RL_ENTRY(7),  RL_ENTRY(8),  RL_ENTRY(9), RL_ENTRY(10), RL_ENTRY(11),
    RL_ENTRY(12), RL_ENTRY(13), RL_ENTRY(14), RL_ENTRY(15)};
RL_INLINE void vcompress_s(int32_t *p, unsigned bits, rl_vis v) {
  const uint8x16_t at = vreinterpretq_u8_u32(vld1q_u32(rl_compaction[bits]));
  vst1q_u8((uint8_t *)p, vqtbl1q_u8((uint8x16_t)v, at));
}
#else
RL_INLINE void vcompress_s(int32_t *p, unsigned bits, rl_vis v) {
  for (unsigned i = 0, at = 0; i < sizeof v / sizeof v[0]; i++) {
    p[at] = v[i];
    at += bits >> i & 1;
  }
}
#endif
RL_INLINE void vcompress_d(int64_t *p, unsigned bits, rl_vid v) {
  for (unsigned i = 0, at = 0; i < sizeof v / sizeof v[0]; i++) {
    p[at] = v[i];
    at += bits >> i & 1;
  }
}
#endif

/* ---- shuffles: the steps of a transposition -------------------------------------------------------
 * All work on pairs (a, b) of rows.  UNPACK interleaves inside each part of 128 bits: one element
 * (UNPACK1) or two (UNPACK2, floats) of each row at a time.  BLOCKh exchanges blocks of h elements:
 * low keeps the even blocks of both rows, high the odd ones.  Each is one instruction on x86. */
#if RL_VECTOR_BYTES == 16
#define RL_UNPACK1_S_LOW 0, 4, 1, 5
#define RL_UNPACK1_S_HIGH 2, 6, 3, 7
#define RL_UNPACK2_S_LOW 0, 1, 4, 5
#define RL_UNPACK2_S_HIGH 2, 3, 6, 7
#define RL_UNPACK1_D_LOW 0, 2
#define RL_UNPACK1_D_HIGH 1, 3
#elif RL_VECTOR_BYTES == 32
#define RL_UNPACK1_S_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define RL_UNPACK1_S_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define RL_UNPACK2_S_LOW 0, 1, 8, 9, 4, 5, 12, 13
#define RL_UNPACK2_S_HIGH 2, 3, 10, 11, 6, 7, 14, 15
#define RL_BLOCK4_S_LOW 0, 1, 2, 3, 8, 9, 10, 11
#define RL_BLOCK4_S_HIGH 4, 5, 6, 7, 12, 13, 14, 15
#define RL_UNPACK1_D_LOW 0, 4, 2, 6
#define RL_UNPACK1_D_HIGH 1, 5, 3, 7
#define RL_BLOCK2_D_LOW 0, 1, 4, 5
#define RL_BLOCK2_D_HIGH 2, 3, 6, 7
#else
#define RL_UNPACK1_S_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define RL_UNPACK1_S_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define RL_UNPACK2_S_LOW 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define RL_UNPACK2_S_HIGH 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define RL_BLOCK4_S_LOW 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define RL_BLOCK4_S_HIGH 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define RL_BLOCK8_S_LOW 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define RL_BLOCK8_S_HIGH 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define RL_UNPACK1_D_LOW 0, 8, 2, 10, 4, 12, 6, 14
#define RL_UNPACK1_D_HIGH 1, 9, 3, 11, 5, 13, 7, 15
#define RL_BLOCK2_D_LOW 0, 1, 8, 9, 4, 5, 12, 13
#define RL_BLOCK2_D_HIGH 2, 3, 10, 11, 6, 7, 14, 15
#define RL_BLOCK4_D_LOW 0, 1, 2, 3, 8, 9, 10, 11
#define RL_BLOCK4_D_HIGH 4, 5, 6, 7, 12, 13, 14, 15
#endif

/* (a, b) becomes (low, high). */
#define RL_STEP(a, b, ...) RL_STEP_(a, b, __VA_ARGS__)
#define RL_STEP_(a, b, pattern)                            \
  {                                                        \
    const __typeof__(a) a_ = (a), b_ = (b);                \
    (a) = __builtin_shufflevector(a_, b_, pattern##_LOW);  \
    (b) = __builtin_shufflevector(a_, b_, pattern##_HIGH); \
  }

/* Rows become columns: r[0 .. lanes-1]. */
RL_INLINE void vtranspose_s(rl_vs r[RL_VECTOR_BYTES / 4]) {
  enum { V = RL_VECTOR_BYTES / 4 };
  RL_UNROLL for (int i = 0; i < V; i += 4) { /* 4 x 4 inside each 128 bits */
    RL_STEP(r[i], r[i + 1], RL_UNPACK1_S)
    RL_STEP(r[i + 2], r[i + 3], RL_UNPACK1_S)
    RL_STEP(r[i], r[i + 2], RL_UNPACK2_S)
    RL_STEP(r[i + 1], r[i + 3], RL_UNPACK2_S)
    const rl_vs t = r[i + 1];
    r[i + 1] = r[i + 2];
    r[i + 2] = t;
  }
#if RL_VECTOR_BYTES >= 32
  RL_UNROLL for (int i = 0; i < V; i += 8) RL_UNROLL for (int j = i; j < i + 4; j++)
      RL_STEP(r[j], r[j + 4], RL_BLOCK4_S)
#endif
#if RL_VECTOR_BYTES >= 64
  RL_UNROLL for (int j = 0; j < 8; j++) RL_STEP(r[j], r[j + 8], RL_BLOCK8_S)
#endif
}
RL_INLINE void vtranspose_d(rl_vd r[RL_VECTOR_BYTES / 8]) {
  enum { V = RL_VECTOR_BYTES / 8 };
  RL_UNROLL for (int i = 0; i < V; i += 2) RL_STEP(r[i], r[i + 1], RL_UNPACK1_D)
#if RL_VECTOR_BYTES >= 32
  RL_UNROLL for (int i = 0; i < V; i += 4) RL_UNROLL for (int j = i; j < i + 2; j++)
      RL_STEP(r[j], r[j + 2], RL_BLOCK2_D)
#endif
#if RL_VECTOR_BYTES >= 64
  RL_UNROLL for (int j = 0; j < 4; j++) RL_STEP(r[j], r[j + 4], RL_BLOCK4_D)
#endif
}

#endif
