// See aml.h. Opcodes and encodings by their section in chapter 20.
#include "models/pc/acpi/aml.h"

#include "models/base/check.h"

namespace xensim::pc {
namespace {

constexpr uint8_t kZero = 0x00, kOne = 0x01, kName = 0x08, kByte = 0x0a, kWord = 0x0b, kDword = 0x0c, kString = 0x0d,
                  kQword = 0x0e, kScope = 0x10, kBuffer = 0x11, kPackage = 0x12, kExtended = 0x5b, kDevice = 0x82,
                  kDualName = 0x2e;

void append_little_endian(AmlBytes& out, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
}

// PkgLength (20.2.4) of itself and `content`, then the content.
AmlBytes with_length(const AmlBytes& content) {
  AmlBytes out;
  if (content.size() + 1 < 0x40) {
    out.push_back(static_cast<uint8_t>(content.size() + 1));
    return out + content;
  }
  unsigned more = 1;  // bytes after the first, which keeps the lowest four bits
  while (content.size() + 1 + more >= size_t{1} << (4 + 8 * more)) ++more;
  const uint64_t length = content.size() + 1 + more;
  out.push_back(static_cast<uint8_t>(more << 6 | (length & 0xf)));
  append_little_endian(out, length >> 4, more);
  return out + content;
}

}  // namespace

AmlBytes operator+(AmlBytes left, const AmlBytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

AmlBytes aml_name(std::string_view name) {
  AmlBytes out;
  if (name.starts_with('\\')) {
    out.push_back('\\');
    name.remove_prefix(1);
  }
  if (name.find('.') != std::string_view::npos) out.push_back(kDualName);
  for (const char c : name) {
    if (c != '.') out.push_back(static_cast<uint8_t>(c));
  }
  return out;
}

AmlBytes aml_integer(uint64_t value) {
  AmlBytes out;
  if (value <= 1) {
    out.push_back(value == 0 ? kZero : kOne);
  } else if (value <= 0xff) {
    out.push_back(kByte);
    append_little_endian(out, value, 1);
  } else if (value <= 0xffff) {
    out.push_back(kWord);
    append_little_endian(out, value, 2);
  } else if (value <= 0xffffffff) {
    out.push_back(kDword);
    append_little_endian(out, value, 4);
  } else {
    out.push_back(kQword);
    append_little_endian(out, value, 8);
  }
  return out;
}

AmlBytes aml_string(std::string_view text) {
  AmlBytes out{kString};
  for (const char c : text) out.push_back(static_cast<uint8_t>(c));
  out.push_back(0);
  return out;
}

// Three letters of five bits, then four hexadecimal digits, big endian (19.6.36).
AmlBytes aml_eisa_id(std::string_view id) {
  XS_CHECK(id.size() == 7);
  uint32_t value = 0;
  for (const char letter : id.substr(0, 3)) value = value << 5 | static_cast<uint32_t>(letter - 'A' + 1);
  for (const char digit : id.substr(3)) {
    value = value << 4 | static_cast<uint32_t>(digit <= '9' ? digit - '0' : digit - 'A' + 10);
  }
  return aml_integer(__builtin_bswap32(value));
}

AmlBytes aml_buffer(const AmlBytes& bytes) {
  return AmlBytes{kBuffer} + with_length(aml_integer(bytes.size()) + bytes);
}

AmlBytes aml_package(const std::vector<AmlBytes>& elements) {
  AmlBytes content{static_cast<uint8_t>(elements.size())};
  for (const AmlBytes& element : elements) content = content + element;
  return AmlBytes{kPackage} + with_length(content);
}

AmlBytes aml_named(std::string_view name, const AmlBytes& value) { return AmlBytes{kName} + aml_name(name) + value; }

AmlBytes aml_device(std::string_view name, const AmlBytes& content) {
  return AmlBytes{kExtended, kDevice} + with_length(aml_name(name) + content);
}

AmlBytes aml_scope(std::string_view name, const AmlBytes& content) {
  return AmlBytes{kScope} + with_length(aml_name(name) + content);
}

}  // namespace xensim::pc
