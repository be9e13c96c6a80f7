// The hypercall reference in docs/ is what the table gives.
#include "models/xen/abi/reference.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "models/xen/abi/table.h"

namespace xensim::xen::abi {
namespace {

TEST_CASE("docs hypercalls.md is what the table gives") {
  std::ostringstream text;
  text << std::ifstream(XENSIM_SOURCE_DIR "/docs/hypercalls.md", std::ios::binary).rdbuf();
  const bool same = text.str() == hypercall_reference();
  CHECK_MESSAGE(same, "write it anew: xensim list hypercalls --reference >docs/hypercalls.md");
}

TEST_CASE("the reference has every call, sub-op and struct") {
  const std::string text = hypercall_reference();
  for (const HypercallInfo& call : all_hypercalls()) {
    CHECK(text.find(" " + std::string(call.name)) != std::string::npos);
  }
  for (const SubopInfo& subop : all_subops()) {
    CHECK(text.find("`" + std::string(subop.name) + "`") != std::string::npos);
  }
  for (unsigned id = 1; id < static_cast<unsigned>(StructId::kCount); ++id) {
    CHECK(text.find("\n### " + std::string(struct_info(static_cast<StructId>(id)).name) + "\n") != std::string::npos);
  }
}

TEST_CASE("a struct is shown with its offsets in both widths") {
  const std::string text = hypercall_reference();
  CHECK(text.find("24 bytes in the 64-bit layout, 16 in the 32-bit one.") != std::string::npos);
  CHECK(text.find("| timeout | 16, 8 | 8, 8 | in | nanoseconds |") != std::string::npos);
}

}  // namespace
}  // namespace xensim::xen::abi
