# What the toolchain files share: `python -m ziglang cc -target ...` as the compiler.  zig alone brings headers
# and C libraries of every target, so one compiler stands in for three machines.
if(NOT RANDLA_PYTHON_FOR_ZIG)
  find_program(RANDLA_PYTHON_FOR_ZIG NAMES python3 python REQUIRED)
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES RANDLA_PYTHON_FOR_ZIG)
# -fno-sanitize: zig turns UBSan on unless told
set(CMAKE_C_COMPILER "${RANDLA_PYTHON_FOR_ZIG}" -m ziglang cc -target ${RANDLA_TARGET}
                     -fno-sanitize=undefined)
foreach(tool ar ranlib)
  # CMake takes no arguments for these: scripts of one line
  string(TOUPPER ${tool} TOOL)
  set(script ${CMAKE_BINARY_DIR}/zig-${tool})
  if(NOT EXISTS ${script})
    file(WRITE ${script} "#!/bin/sh\nexec '${RANDLA_PYTHON_FOR_ZIG}' -m ziglang ${tool} \"$@\"\n")
    file(CHMOD ${script} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
  set(CMAKE_${TOOL} ${script})
endforeach()
set(CMAKE_C_COMPILER_AR ${CMAKE_AR})
set(CMAKE_C_COMPILER_RANLIB ${CMAKE_RANLIB})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
