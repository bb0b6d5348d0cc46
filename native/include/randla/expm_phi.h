/* The phi-functions of matrices.  Included by randla.h. */
#ifndef RANDLA_EXPM_PHI_H
#define RANDLA_EXPM_PHI_H

#ifdef __cplusplus
extern "C" {
#endif

/* F = phi_k(A) = sum_i A^i / (i + k)! for `batch` matrices n x n, 0 <= k <= 100 (else RL_ERR_OPTION); phi_0 is
 * rl_<p>expm.  tol: as for rl_<p>expm; error_bound in info: ||dA|| / max(1, ||A||), and the error of what is
 * integrated relative to its integral, where phi_k(A) solves y' = A y + t^(k-1) / (k-1)! from 0 to 1 (written out
 * in device/expm_phi_rule.h); order: the degree of the polynomial for phi_k.  A and F must not overlap.
 * Work: 2 n^3 flops for each of info->products.  Memory: k + 7 arrays of n^2 elements for each thread. */
RL_API int rl_sphi(int64_t batch, int64_t n, int k, const float *a, int64_t lda, int64_t stride_a,
                   double tol, float *f, int64_t ldf, int64_t stride_f, rl_expm_info *info);
RL_API int rl_dphi(int64_t batch, int64_t n, int k, const double *a, int64_t lda, int64_t stride_a,
                   double tol, double *f, int64_t ldf, int64_t stride_f, rl_expm_info *info);
RL_API int rl_cphi(int64_t batch, int64_t n, int k, const rl_complex_float *a, int64_t lda,
                   int64_t stride_a, double tol, rl_complex_float *f, int64_t ldf, int64_t stride_f,
                   rl_expm_info *info);
RL_API int rl_zphi(int64_t batch, int64_t n, int k, const rl_complex_double *a, int64_t lda,
                   int64_t stride_a, double tol, rl_complex_double *f, int64_t ldf,
                   int64_t stride_f, rl_expm_info *info);

/* X = the gradient by A of a real function whose gradient by phi_k(A) is G: the derivative of phi_k at A^H in
 * the direction G.  Work: three times that of rl_<p>phi, and its order and scaling or stricter ones.  Memory:
 * twice. */
RL_API int rl_sphi_vjp(int64_t batch, int64_t n, int k, const float *a, int64_t lda,
                       int64_t stride_a, const float *g, int64_t ldg, int64_t stride_g, double tol,
                       float *x, int64_t ldx, int64_t stride_x);
RL_API int rl_dphi_vjp(int64_t batch, int64_t n, int k, const double *a, int64_t lda,
                       int64_t stride_a, const double *g, int64_t ldg, int64_t stride_g, double tol,
                       double *x, int64_t ldx, int64_t stride_x);
RL_API int rl_cphi_vjp(int64_t batch, int64_t n, int k, const rl_complex_float *a, int64_t lda,
                       int64_t stride_a, const rl_complex_float *g, int64_t ldg, int64_t stride_g,
                       double tol, rl_complex_float *x, int64_t ldx, int64_t stride_x);
RL_API int rl_zphi_vjp(int64_t batch, int64_t n, int k, const rl_complex_double *a, int64_t lda,
                       int64_t stride_a, const rl_complex_double *g, int64_t ldg, int64_t stride_g,
                       double tol, rl_complex_double *x, int64_t ldx, int64_t stride_x);

/* The choice of order and scaling alone, for 1 <= k <= 100, from norms of A and A^2, as rl_<p>expm_select. */
RL_API int rl_sphi_select(int64_t count, int k, const double *norm_a, const double *norm_a2,
                          double tol, rl_expm_info *info);
RL_API int rl_dphi_select(int64_t count, int k, const double *norm_a, const double *norm_a2,
                          double tol, rl_expm_info *info);

#ifdef __cplusplus
}
#endif
#endif
