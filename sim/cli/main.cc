// The program xensim.
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "sim/cli/cli.h"

int main(int argc, char** argv) {
  return xensim::sim::run_cli(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), std::cout, std::cerr,
                              isatty(STDERR_FILENO) != 0);
}
