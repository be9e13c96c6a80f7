// No field of the core's structs is forgotten by their tables (models/xen/state/*_fields.cc): each is saved, or skipped
// with a reason. Reads the headers as text, so that a field cannot hide.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/data_members.h"

using namespace xensim::test;

namespace {

namespace fs = std::filesystem;

struct Struct {
  const char* name;
  const char* header;
};

// Those of fields.h.
constexpr Struct kStructs[] = {
    {"RamRange", "api/core_api.h"},
    {"DomainConfig", "api/core_api.h"},
    {"Domain", "domain.h"},
    {"HypercallRegs", "abi/regs.h"},
    {"Runstate", "vcpu.h"},
    {"Vcpu", "vcpu.h"},
    {"Pirq", "pirq.h"},
    {"PirqTable", "pirq.h"},
    {"Channel", "evtchn_table.h"},
    {"EvtchnTable", "evtchn_table.h"},
    {"FifoQueue", "evtchn_fifo.h"},
    {"FifoState", "evtchn_fifo.h"},
    {"ActiveEntry", "grant_table.h"},
    {"GrantTable", "grant_table.h"},
    {"MaptrackEntry", "maptrack.h"},
    {"Maptrack", "maptrack.h"},
    {"PageReferences", "page_references.h"},
    {"P2mEntry", "p2m_entry.h"},
    {"MemoryRange", "p2m.h"},
    {"P2m", "p2m.h"},
};

TEST_CASE("every field of the core's structs is in its table") {
  const fs::path folder = XENSIM_SOURCE_DIR "/models/xen";
  std::string tables;
  for (const auto& entry : fs::directory_iterator(folder / "state")) {
    if (entry.path().string().ends_with("_fields.cc")) tables += read_source(entry.path());
  }
  for (const Struct& each : kStructs) {
    const auto names = data_members(without_comments(read_source(folder / each.header)), each.name);
    REQUIRE_MESSAGE(!names.empty(), each.name, " is not in ", each.header, ", or is empty");
    const size_t start = tables.find("fields_of(StateArchive& ar, " + std::string(each.name) + "& ");
    REQUIRE_MESSAGE(start != std::string::npos, each.name, " has no table");
    const std::string table = tables.substr(start, tables.find("\ntemplate <>", start) - start);
    for (const std::string& name : names) {
      CHECK_MESSAGE(table.find('"' + name + '"') != std::string::npos, "models/xen/", each.header, ": ", each.name,
                    "::", name, " is neither saved nor skipped in models/xen/state");
    }
  }
}

TEST_CASE("declarations are told apart") {
  const auto names = data_members(
      "class X {\n public:\n  explicit X(int a) : a_(a) {}\n  int f() const { return 1; }\n  Lock lock;\n"
      "  int a_ XS_GUARDED_BY(lock) = 0;\n  std::array<int, 3> list{};\n private:\n  struct Y { int z; };\n"
      "  static constexpr int kOne = 1;\n  int last;\n};",
      "X");
  CHECK(names == std::vector<std::string>{"lock", "a_", "list", "last"});
}

}  // namespace
