# The C library: librandla, shared, and its sources for whoever compiles them another way (native tests).

set(RANDLA_NATIVE_DIR ${PROJECT_SOURCE_DIR}/native)
set(RANDLA_SOURCES
    dispatch.c expm.c expm_multiply.c gemm.c lapack.c matmul.c memory.c orth.c orth_panel.c permute.c probe.c
    provider.c qr.c qr_lstsq.c sketch.c sketch_tensor.c skinny.c spmm.c spmm_panel.c status.c stream.c svd.c
    threads.c topk.c topk_soft.c trsolve.c)
list(TRANSFORM RANDLA_SOURCES PREPEND ${RANDLA_NATIVE_DIR}/src/)
# every file here is compiled once per ISA level
set(RANDLA_KERNEL_SOURCES expm.c expm_multiply.c sketch.c sketch_tensor.c skinny.c spmm.c sums.c
    topk.c topk_soft.c)
list(TRANSFORM RANDLA_KERNEL_SOURCES PREPEND ${RANDLA_NATIVE_DIR}/src/kernels/)

# Contraction is ours to decide (kernels/simd.h).  math-errno and trapping-math only forbid vector code.
set(optimise -O2)
if(RANDLA_SANITIZE)
  set(optimise -O1)
endif()
set(RANDLA_COMPILE_OPTIONS $<$<NOT:$<CONFIG:Debug>>:${optimise}> -Wall -Wextra -Wno-psabi -ffp-contract=off -fno-math-errno
                           -fno-trapping-math
                           # a pragma that asks Clang to unroll more than it can is no defect
                           $<$<C_COMPILER_ID:Clang,AppleClang>:-Wno-pass-failed>)

# name | bytes in a vector | flags
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(RANDLA_ISA_LEVELS "baseline|16|" "x86_64_v3|32|-march=x86-64-v3"
                        "x86_64_v4|64|-march=x86-64-v4 -mprefer-vector-width=512")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(RANDLA_ISA_LEVELS "baseline|16|-DRL_NO_NEON" "neon|16|")
else()
  set(RANDLA_ISA_LEVELS "baseline|16|")
endif()

if(RANDLA_SANITIZE)
  # On instrumented vectors GCC 12 takes many minutes, or fails, unless it may leave them as they are; and all
  # levels are one source: the least vectors are enough.
  list(GET RANDLA_ISA_LEVELS 0 least)
  set(RANDLA_ISA_LEVELS "${least} -O0")
endif()

if(RANDLA_OPENMP)
  find_package(OpenMP COMPONENTS C)
endif()
find_package(Threads)

# Gives the target what every build of the core needs; `extra_levels` as in RANDLA_ISA_LEVELS.
function(randla_add_core target extra_levels)
  target_sources(${target} PRIVATE ${RANDLA_SOURCES})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${RANDLA_NATIVE_DIR}/include>)
  target_compile_options(${target} PRIVATE ${RANDLA_COMPILE_OPTIONS})
  target_compile_definitions(${target} PRIVATE RANDLA_BUILD RANDLA_VERSION="${PROJECT_VERSION}")
  foreach(level IN LISTS RANDLA_ISA_LEVELS extra_levels)
    string(REPLACE "|" ";" parts "${level}")
    list(GET parts 0 tag)
    list(GET parts 1 bytes)
    list(LENGTH parts n)
    set(flags "")
    if(n GREATER 2)
      list(GET parts 2 flags)
    endif()
    separate_arguments(flags UNIX_COMMAND "${flags}")
    set(objects ${target}_${tag})
    add_library(${objects} OBJECT ${RANDLA_KERNEL_SOURCES})
    target_include_directories(${objects} PRIVATE ${RANDLA_NATIVE_DIR}/include)
    target_compile_options(${objects} PRIVATE ${RANDLA_COMPILE_OPTIONS} ${flags})
    target_compile_definitions(${objects} PRIVATE RANDLA_BUILD RL_ISA=${tag} RL_VECTOR_BYTES=${bytes})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
    target_compile_definitions(${target} PRIVATE RL_HAVE_${tag})
  endforeach()
  if(UNIX)
    target_link_libraries(${target} PRIVATE m)
  endif()
  target_link_libraries(${target} PRIVATE Threads::Threads)
  if(OpenMP_C_FOUND)
    target_link_libraries(${target} PRIVATE OpenMP::OpenMP_C)
  endif()
endfunction()

add_library(randla SHARED)
randla_add_core(randla "")
# No SOVERSION: it would need symbolic links, which wheels cannot hold.
if(RANDLA_BLAS STREQUAL "system")
  set(BLA_VENDOR OpenBLAS)
  find_package(BLAS REQUIRED)
  target_link_libraries(randla PRIVATE BLAS::BLAS)
  target_compile_definitions(randla PRIVATE RL_BLAS_LINKED)
elseif(NOT RANDLA_BLAS STREQUAL "runtime")
  message(FATAL_ERROR "RANDLA_BLAS must be runtime or system, got ${RANDLA_BLAS}")
endif()
message(STATUS "randla: BLAS ${RANDLA_BLAS}; levels ${RANDLA_ISA_LEVELS}; OpenMP ${OpenMP_C_FOUND}")
