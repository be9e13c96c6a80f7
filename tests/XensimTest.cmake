# Tests: each doctest TEST_CASE is one CTest entry, named "<target>:<test case>".
include_guard(GLOBAL)

find_path(doctest_cmake_dir doctest.cmake REQUIRED NO_CACHE
  PATHS /usr/lib/cmake/doctest /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/cmake/doctest /usr/share/cmake/doctest)
include(${doctest_cmake_dir}/doctest.cmake)

# What the sanitizer stages of CI build and no more: the tests with the label tsan; the fuzzers.
add_custom_target(tsan_tests)
add_custom_target(fuzzers)

# Tests are not optimized, what they test is: their macros take the compiler two and a half times as long with -O2. Under ThreadSanitizer
# they are, for there tests are the threads.
function(xensim_compile_as_test target)
  if(NOT XENSIM_SANITIZE MATCHES thread)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  endif()
endfunction()

# xensim_add_test(NAME name SOURCES files... [LIBS targets...] [LABELS labels...] [FIXTURES fixtures...] [TIMEOUT seconds] [PATHS]
#   [APART])
#
# A doctest program; its main is tests/unit/main.cc. LABELS are CTest labels, `fast` where none is given: `fast` also runs under
# ASan and UBSan, `tsan` under ThreadSanitizer, anything else in the plain builds alone. FIXTURES are CTest fixtures that must
# have been set up. With PATHS the sources know XENSIM_SOURCE_DIR and XENSIM_BINARY_DIR; others compile the same in every folder.
# APART: its sources share no translation unit in unity builds, for several name the same helpers. The default TIMEOUT is 300 s:
# those that change each byte of a file take two minutes under ASan on a busy machine.
function(xensim_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "APART;PATHS" "NAME;TIMEOUT" "SOURCES;LIBS;LABELS;FIXTURES")
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "xensim_add_test(${ARGN}): NAME and SOURCES are needed; unknown: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT DEFINED arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT DEFINED arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()

  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE xensim_test_main xensim::base ${arg_LIBS})
  xensim_compile_as_test(${arg_NAME})
  xensim_use_precompiled(${arg_NAME} xensim_precompiled_tests)
  if(arg_APART)
    set_target_properties(${arg_NAME} PROPERTIES UNITY_BUILD OFF)
  endif()
  if(arg_PATHS)
    target_compile_definitions(${arg_NAME} PRIVATE
      XENSIM_SOURCE_DIR="${CMAKE_SOURCE_DIR}" XENSIM_BINARY_DIR="${CMAKE_BINARY_DIR}")
  endif()
  if("tsan" IN_LIST arg_LABELS)
    add_dependencies(tsan_tests ${arg_NAME})
  endif()
  doctest_discover_tests(${arg_NAME} TEST_PREFIX "${arg_NAME}:" PROPERTIES TIMEOUT ${arg_TIMEOUT})

  # doctest_discover_tests passes its properties on as a flat list: those that are lists themselves are set after it.
  set(properties "LABELS \"${arg_LABELS}\"")
  if(arg_FIXTURES)
    string(APPEND properties " FIXTURES_REQUIRED \"${arg_FIXTURES}\"")
  endif()
  set(include_file ${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_properties.cmake)
  file(WRITE ${include_file}
    "if(${arg_NAME}_TESTS)\n  set_tests_properties(\${${arg_NAME}_TESTS} PROPERTIES ${properties})\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include_file})
endfunction()

# xensim_add_fuzzer(NAME name SOURCES files... [LIBS targets...] [CORPUS folder])
#
# A libFuzzer program, built where XENSIM_FUZZ is on. As a test (label `fuzz`) it runs for 20 seconds from CORPUS, a folder of
# seeds relative to the caller, which it does not change, and from a fixed seed; what it learns stays in the build folder.
function(xensim_add_fuzzer)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;CORPUS" "SOURCES;LIBS")
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "xensim_add_fuzzer(${ARGN}): NAME and SOURCES are needed; unknown: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT XENSIM_FUZZ)
    return()
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE xensim::base ${arg_LIBS})
  target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${arg_NAME})

  set(learned ${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_corpus)
  file(MAKE_DIRECTORY ${learned})
  set(seeds "")
  if(arg_CORPUS)
    cmake_path(ABSOLUTE_PATH arg_CORPUS OUTPUT_VARIABLE seeds)
  endif()
  add_test(NAME "${arg_NAME}:20 seconds"
    COMMAND ${arg_NAME} -max_total_time=20 -seed=1 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
            -artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_ ${learned} ${seeds})
  set_tests_properties("${arg_NAME}:20 seconds" PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
