# Headers that most sources include, compiled once for the libraries and once for the test programs: a third of the time to compile
# most files. A source still includes what it uses: the preset tsan has none of this, and there a missing include shows.
include_guard(GLOBAL)

option(XENSIM_PRECOMPILE "Precompile the headers that most sources include" ON)

set(precompiled_headers <algorithm> <array> <bit> <cstdint> <cstring> <functional> <map> <memory> <optional> <span> <string>
  <string_view> <utility> <vector> <fmt/format.h> <tl/expected.hpp>)

# xensim_precompile(target headers...): compiles the headers for those that name the target to xensim_use_precompiled.
function(xensim_precompile target)
  if(XENSIM_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${precompiled_headers} ${ARGN})
  endif()
endfunction()

# xensim_use_precompiled(target from): the two must be of one kind, libraries or programs, whose code is position-independent alike.
function(xensim_use_precompiled target from)
  if(XENSIM_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()
