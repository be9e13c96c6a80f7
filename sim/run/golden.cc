// See golden.h.
#include "sim/run/golden.h"

#include "sim/run/run.h"

namespace xensim::sim {

Result<GoldenRow> golden_row(const Scenario& scenario, BackendKind backend) {
  XS_TRY(const auto images, images_of(scenario));
  GoldenRow row;
  for (const traces::ImageInfo& image : images) row.key += (row.key.empty() ? "" : "+") + image.hash;
  const std::string engine = engine_of(backend);
  row.key += ' ';
  row.key += engine.empty() ? backend_name(backend) : engine;
  const auto found = scenario.expect.golden.find(row.key);
  if (found != scenario.expect.golden.end()) row.trace_hash = found->second;
  return row;
}

}  // namespace xensim::sim
