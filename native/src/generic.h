/* Type-generic bodies.  A file X.inc is included by X.c once for each of
 *     #define RL_TYPE_S / _D / _C / _Z
 *     #include "generic.h"
 *     #include "X.inc"
 * and sees: REAL, SCALAR (as in the public header), RL_SINGLE, COMPONENTS (reals in a scalar: 1 or 2), UNIT (the
 * unit roundoff), FN(name) = rl_<p>name, P(name) = <p>name (a BLAS routine), LOCAL(name) = name_<p>. */
#undef REAL
#undef SCALAR
#undef COMPONENTS
#undef UNIT
#undef REAL_MAX
#undef RL_SINGLE
#undef RL_PREFIX

#if defined RL_TYPE_S || defined RL_TYPE_C
#define REAL float
#define RL_SINGLE 1
#define UNIT 0x1p-24
#define REAL_MAX 0x1.fffffep127F
#else
#define REAL double
#define RL_SINGLE 0
#define UNIT 0x1p-53
#define REAL_MAX 0x1.fffffffffffffp1023
#endif

#if defined RL_TYPE_S
#define RL_PREFIX s
#define SCALAR float
#define COMPONENTS 1
#elif defined RL_TYPE_D
#define RL_PREFIX d
#define SCALAR double
#define COMPONENTS 1
#elif defined RL_TYPE_C
#define RL_PREFIX c
#define SCALAR rl_complex_float
#define COMPONENTS 2
#elif defined RL_TYPE_Z
#define RL_PREFIX z
#define SCALAR rl_complex_double
#define COMPONENTS 2
#else
#error "define RL_TYPE_S, _D, _C or _Z before including generic.h"
#endif

#ifndef RL_GENERIC_H
#define RL_GENERIC_H
#define RL_PASTE3_(a, b, c) a##b##c
#define RL_PASTE3(a, b, c) RL_PASTE3_(a, b, c)
#define FN(name) RL_PASTE3(rl_, RL_PREFIX, name)
#define P(name) RL_PASTE3(RL_PREFIX, name, )
#define LOCAL(name) RL_PASTE3(name, _, RL_PREFIX)
#endif

#undef RL_TYPE_S
#undef RL_TYPE_D
#undef RL_TYPE_C
#undef RL_TYPE_Z
