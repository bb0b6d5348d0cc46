# Extension modules randla._cpu.<stem>, one for each .pyx, all on one copy of librandla.

find_package(Python REQUIRED COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})
set(RANDLA_MODULES core expm matmul qr qr_lstsq sketch sketch_tensor svd topk topk_soft)

foreach(module IN LISTS RANDLA_MODULES)
  set(source ${PROJECT_SOURCE_DIR}/randla/_cpu/${module}.pyx)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${module}.c)
  add_custom_command(
    OUTPUT ${generated}
    COMMAND Python::Interpreter -m cython -3 --module-name randla._cpu.${module} ${source}
            -o ${generated}
    DEPENDS ${source}
    VERBATIM)
  set(target python_${module})
  if(SKBUILD_SABI_VERSION)
    python_add_library(${target} MODULE ${generated} USE_SABI ${SKBUILD_SABI_VERSION} WITH_SOABI)
    target_compile_definitions(${target} PRIVATE CYTHON_LIMITED_API=1)
  else() # free-threaded builds have no stable ABI
    python_add_library(${target} MODULE ${generated} WITH_SOABI)
  endif()
  target_link_libraries(${target} PRIVATE randla)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${module})
  if(APPLE)
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "@loader_path/../lib")
  else()
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
  endif()
  install(TARGETS ${target} DESTINATION randla/_cpu)
endforeach()

install(TARGETS randla LIBRARY DESTINATION randla/lib RUNTIME DESTINATION randla/lib
        ARCHIVE DESTINATION randla/lib)
install(DIRECTORY native/include/ DESTINATION randla/include)
install(DIRECTORY native/src/schemes/ DESTINATION randla/schemes FILES_MATCHING PATTERN "*.def")
configure_file(cmake/randla.pc.in randla.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/randla.pc DESTINATION randla/lib/pkgconfig)
