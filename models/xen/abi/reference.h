// The reference of all hypercalls, in Markdown: docs/hypercalls.md, made from the table.
#pragma once

#include <string>

namespace xensim::xen::abi {

std::string hypercall_reference();

}  // namespace xensim::xen::abi
