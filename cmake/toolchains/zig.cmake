# What the toolchain files share: `python -m ziglang cc -target ...` as the compiler.  zig alone brings headers
# and C libraries of every target, so one compiler stands in for three machines.
if(NOT RANDLA_PYTHON_FOR_ZIG)
  find_program(RANDLA_PYTHON_FOR_ZIG NAMES python3 python REQUIRED)
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES RANDLA_PYTHON_FOR_ZIG)
# CMake wants one word for each tool: scripts.  The compiler's also spells x86 levels as zig does.
file(WRITE ${CMAKE_BINARY_DIR}/zig-cc "#!/bin/bash
args=()
for arg; do
  case $arg in
    -march=x86-64-v[234]) arg=-mcpu=x86_64_v\${arg#-march=x86-64-v} ;;
  esac
  args+=(\"$arg\")
done
# zig turns UBSan on unless told
exec '${RANDLA_PYTHON_FOR_ZIG}' -m ziglang cc -target ${RANDLA_TARGET} -fno-sanitize=undefined \"\${args[@]}\"
")
foreach(tool ar ranlib)
  file(WRITE ${CMAKE_BINARY_DIR}/zig-${tool}
       "#!/bin/bash\nexec '${RANDLA_PYTHON_FOR_ZIG}' -m ziglang ${tool} \"$@\"\n")
endforeach()
foreach(tool cc ar ranlib)
  file(CHMOD ${CMAKE_BINARY_DIR}/zig-${tool}
       PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endforeach()
set(CMAKE_C_COMPILER ${CMAKE_BINARY_DIR}/zig-cc)
set(CMAKE_AR ${CMAKE_BINARY_DIR}/zig-ar)
set(CMAKE_RANLIB ${CMAKE_BINARY_DIR}/zig-ranlib)
set(CMAKE_C_COMPILER_AR ${CMAKE_AR})
set(CMAKE_C_COMPILER_RANLIB ${CMAKE_RANLIB})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
