// Nothing: a program to precompile headers for, see models/base/precompiled.cmake.
