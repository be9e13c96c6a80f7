// libFuzzer: any text as a scenario gives a scenario or one line that says what is wrong.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sim/scenario/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // What follows a NUL, where there is one, is an override.
  const size_t nul = text.find('\0');
  std::vector<std::pair<std::string, std::string>> overrides;
  if (nul != std::string::npos) {
    const std::string set = text.substr(nul + 1);
    const size_t equals = set.find('=');
    if (equals != std::string::npos) overrides.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  const auto scenario = xensim::sim::parse_scenario("fuzz.toml", text.substr(0, nul), {"/nonexistent"}, overrides);
  if (!scenario && (scenario.error().message.empty() || scenario.error().message.find('\n') != std::string::npos))
    std::abort();
  return 0;
}
