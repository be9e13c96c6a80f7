// Writes the few constructs of the ACPI Machine Language that our DSDT has (ACPI 6.4, chapter 20).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace xensim::pc {

using AmlBytes = std::vector<uint8_t>;

// Each gives the bytes of one term. A name is four characters, or \ABCD, or \ABC_DEFG with a dot between its segments.
AmlBytes aml_name(std::string_view name);
AmlBytes aml_integer(uint64_t value);
AmlBytes aml_string(std::string_view text);
// A compressed EISA id, like "PNP0A03", as an integer.
AmlBytes aml_eisa_id(std::string_view id);
AmlBytes aml_buffer(const AmlBytes& bytes);
AmlBytes aml_package(const std::vector<AmlBytes>& elements);
// Name (name, value)
AmlBytes aml_named(std::string_view name, const AmlBytes& value);
AmlBytes aml_device(std::string_view name, const AmlBytes& content);
AmlBytes aml_scope(std::string_view name, const AmlBytes& content);

AmlBytes operator+(AmlBytes left, const AmlBytes& right);

}  // namespace xensim::pc
