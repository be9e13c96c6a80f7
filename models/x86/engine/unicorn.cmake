# Unicorn Engine as target unicorn::unicorn, from the packages that the bootstrap unpacked below XENSIM_UNICORN_ROOT.
#
# The shared library, with an rpath. Paths are passed by hand: pkg-config may know an older libunicorn-dev, on which no kernel runs.
include_guard(GLOBAL)

set(unicorn_include ${XENSIM_UNICORN_ROOT}/usr/include)
set(unicorn_libdir ${XENSIM_UNICORN_ROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
if(NOT EXISTS ${unicorn_include}/unicorn/unicorn.h OR NOT EXISTS ${unicorn_libdir}/libunicorn.so.2)
  message(FATAL_ERROR "Unicorn 2.1.4 is not in ${XENSIM_UNICORN_ROOT}: run ./xensim once, or pass -DXENSIM_UNICORN_ROOT=DIR")
endif()

set(XENSIM_UNICORN_VERSION "")
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${unicorn_include}/unicorn/unicorn.h line REGEX "^#define UC_API_${part} [0-9]+" LIMIT_COUNT 1)
  string(REGEX MATCH "[0-9]+$" number "${line}")
  string(JOIN . XENSIM_UNICORN_VERSION ${XENSIM_UNICORN_VERSION} ${number})
endforeach()
if(XENSIM_UNICORN_VERSION VERSION_LESS 2.1.4 OR XENSIM_UNICORN_VERSION VERSION_GREATER_EQUAL 2.2)
  message(FATAL_ERROR "Unicorn ${XENSIM_UNICORN_VERSION} in ${XENSIM_UNICORN_ROOT} will not do: 2.1.4 (or a later 2.1) is needed")
endif()
if(NOT XENSIM_UNICORN_VERSION VERSION_EQUAL 2.1.4)
  message(STATUS "Unicorn ${XENSIM_UNICORN_VERSION} is newer than the tested 2.1.4; it runs if it calibrates at start")
endif()

add_library(unicorn::unicorn SHARED IMPORTED GLOBAL)
set_target_properties(unicorn::unicorn PROPERTIES
  IMPORTED_LOCATION ${unicorn_libdir}/libunicorn.so.2
  IMPORTED_SONAME libunicorn.so.2
  INTERFACE_INCLUDE_DIRECTORIES ${unicorn_include})
