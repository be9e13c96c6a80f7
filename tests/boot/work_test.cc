// What runs under a booted kernel computes what it computes natively.
#include <doctest/doctest.h>

#include "tests/boot/kernels.h"
#include "tests/boot/work_check.h"

using namespace xensim;

TEST_CASE("what runs under a booted kernel: code that changes, processes, pipes, memory, threads, as natively") {
  if (have_kernel("6.1-cloud")) check_work("6.1-cloud", 2, "pvh");
}
