// FetchWatch: finds double fetches. A decorator of Platform that notes each word of guest memory which one hypercall
// reads twice: between the two, another vCPU may have changed it, so that what was checked is not what is used.
//
// Words of protocols are read more than once by design, each time for a decision of its own: protocol_word() says which
// and why. One hypercall at a time; a guest whose argument structs overlap makes false findings.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/unit/models/xen/forwarding_platform.h"

namespace xensim {

// Why the words of this site may be read twice; nullptr: they may not.
const char* protocol_word(xen::Site site);

class FetchWatch final : public ForwardingPlatform {
 public:
  explicit FetchWatch(xen::Platform& inner) : ForwardingPlatform(inner) {}

  struct Finding {
    std::string call;
    xen::Site first, second;  // where the word was read
    Maddr at;
  };

  // From here to end() is one hypercall, `call` by name.
  void begin(std::string call);
  void end() { watching_ = false; }
  const std::vector<Finding>& findings() const { return findings_; }
  static std::string describe(const Finding& finding);

  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override {
    note(site, at, bytes);
    return ForwardingPlatform::load(site, at, bytes);
  }
  void read(xen::Site site, Maddr from, std::span<std::byte> to) override {
    note(site, from, to.size());
    ForwardingPlatform::read(site, from, to);
  }
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override {
    note(site, from, bytes);
    ForwardingPlatform::copy(site, to, from, bytes);
  }

 private:
  void note(xen::Site site, Maddr at, uint64_t bytes);

  bool watching_ = false;
  std::string call_;
  std::unordered_map<uint64_t, xen::Site> read_;  // each byte's first read in this hypercall; never iterated
  std::vector<Finding> findings_;
};

}  // namespace xensim
