// For which builds of Unicorn the fast paths are: those listed in known_builds.def, by their GNU build-id.
#pragma once

#include <string>
#include <string_view>

namespace xensim::x86 {

// The GNU build-id of the libunicorn that is loaded, in hexadecimal digits (its PT_NOTE, by dl_iterate_phdr); empty: it
// has none.
std::string engine_build_id();
// What known_builds.def says of that build; empty: it is not in the list.
std::string_view known_build(std::string_view build_id);
// Why this process must use its engine plainly; empty: it need not. `build_id` is engine_build_id() but in tests.
std::string why_no_fast_paths(const std::string& build_id = engine_build_id());

}  // namespace xensim::x86
