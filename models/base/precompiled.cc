// Nothing: a library to precompile headers for, see precompiled.cmake.
