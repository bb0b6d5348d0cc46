/* Real and complex scalars: -DREAL=float or double, -DRL_COMPLEX=0 or 1. */
#ifndef RANDLA_SCALAR_CUH
#define RANDLA_SCALAR_CUH

#include "common.cuh"

#define RL_INLINE static __device__ __forceinline__

typedef REAL real;
#define RL_SINGLE (sizeof(real) == 4)
#define RL_UNIT (RL_SINGLE ? 0x1p-24 : 0x1p-53)

RL_INLINE float absolute(float x) { return fabsf(x); }
RL_INLINE double absolute(double x) { return fabs(x); }
RL_INLINE float fused(float x, float y, float z) { return fmaf(x, y, z); }
RL_INLINE double fused(double x, double y, double z) { return fma(x, y, z); }
RL_INLINE float exponential_of(float x) { return expf(x); }
RL_INLINE double exponential_of(double x) { return exp(x); }

#if RL_COMPLEX

struct __align__(2 * sizeof(REAL)) scalar {
  real re, im;
};
RL_INLINE scalar make(real re) { return {re, 0}; }
RL_INLINE scalar operator+(scalar x, scalar y) { return {x.re + y.re, x.im + y.im}; }
RL_INLINE scalar operator*(real c, scalar x) { return {c * x.re, c * x.im}; }
RL_INLINE scalar conjugate(scalar x) { return {x.re, -x.im}; }
RL_INLINE real real_part(scalar x) { return x.re; }
/* c x + y */
RL_INLINE scalar axpy(real c, scalar x, scalar y) {
  return {fused(c, x.re, y.re), fused(c, x.im, y.im)};
}
/* sum + x y */
RL_INLINE scalar mac(scalar sum, scalar x, scalar y) {
  return {fused(-x.im, y.im, fused(x.re, y.re, sum.re)),
          fused(x.im, y.re, fused(x.re, y.im, sum.im))};
}
RL_INLINE real modulus(scalar x) {
  return RL_SINGLE ? (real)hypotf(x.re, x.im) : (real)hypot(x.re, x.im);
}
RL_INLINE bool is_zero(scalar x) { return x.re == 0 && x.im == 0; }
RL_INLINE scalar exponential_of(scalar x) {
  const real size = exponential_of(x.re);
  return {size * (real)(RL_SINGLE ? cosf(x.im) : cos(x.im)),
          x.im == 0 ? 0 : size * (real)(RL_SINGLE ? sinf(x.im) : sin(x.im))};
}

#else

typedef REAL scalar;
RL_INLINE scalar make(real x) { return x; }
RL_INLINE scalar conjugate(scalar x) { return x; }
RL_INLINE real real_part(scalar x) { return x; }
RL_INLINE scalar axpy(real c, scalar x, scalar y) { return fused(c, x, y); }
RL_INLINE scalar mac(scalar sum, scalar x, scalar y) { return fused(x, y, sum); }
RL_INLINE real modulus(scalar x) { return absolute(x); }
RL_INLINE bool is_zero(scalar x) { return x == 0; }

#endif

#endif
