// See trace_scenario.h.
#include "sim/cli/trace_scenario.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <filesystem>

#include "sim/cli/paths.h"
#include "sim/scenario/read_file.h"
#include "sim/scenario/scenario_toml.h"

namespace xensim::sim {

Result<Scenario> scenario_of_trace(const std::string& trace_path, const traces::TraceInfo& info) {
  // Images by the paths that were used then: the scenario's own may be relative to a folder that the trace does not
  // name.
  Overrides overrides;
  for (const traces::ImageInfo& image : info.images) {
    XS_TRY(const auto bytes, read_file(image.path));
    const std::string hash = fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
    if (hash != image.hash) {
      return input_error(fmt::format("{}: {} has changed since {} was made (hash {} then, {} now)", trace_path,
                                     image.path, trace_path, image.hash, hash));
    }
    if (image.dom == 0) continue;
    overrides.emplace_back(fmt::format("guest.{}.image", image.dom - 1),
                           std::filesystem::absolute(image.path).string());
  }
  XS_TRY(auto scenario, parse_scenario(trace_path, info.scenario_text, image_paths(), overrides));
  scenario.name = info.scenario_name;
  scenario.text = info.scenario_text;  // what schedules are checked against
  return scenario;
}

}  // namespace xensim::sim
