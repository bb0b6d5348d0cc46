/* A naive BLAS and LAPACK in Fortran's convention, with 32- and with 64-bit integers: for tests under sanitizers and
 * valgrind, and where there is no other.  It checks its arguments and counts complaints. */
#ifndef RL_REFBLAS_H
#define RL_REFBLAS_H

int ref_blas_complaints(void);
/* Hand it to the core. */
void ref_blas_use(int ilp64);
/* Number of calls so far. */
long ref_blas_calls(void);

#endif
