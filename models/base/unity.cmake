# Unity builds (preset asan): ten sources are one translation unit, which spares the sanitizers' build and clang-tidy two thirds of
# their time. Names in anonymous namespaces must differ then, or the file stays apart.
include_guard(GLOBAL)

# xensim_apart(files...): sources of the calling folder that are translation units of their own in unity builds too.
function(xensim_apart)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
