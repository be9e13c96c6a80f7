// CoreReader: the archive that a core's state is read from. It knows the machine that the state is for, which some
// fields are checked against: places in the machine's memory, and domains.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "models/base/archive.h"
#include "models/base/types.h"
#include "models/xen/api/platform.h"

namespace xensim::xen {

class Domain;

// Borrows all of it. The Platform is asked nothing but holds().
class CoreReader final : public StateReader {
 public:
  CoreReader(std::span<const std::byte> bytes, Platform& to, std::function<Domain*(DomId)> find)
      : StateReader(bytes), platform(to), find_domain(std::move(find)) {}

  Platform& platform;
  std::function<Domain*(DomId)> find_domain;  // nullptr: there is none
};

// For an archive that is loading: such archives are CoreReaders wherever a core's fields are read.
CoreReader& core_reader(StateArchive& ar);

// A place in the machine's memory, which the Platform must have; with 0 bytes, any number.
void place_field(StateArchive& ar, const char* name, Maddr& at, uint64_t bytes);
void check_place(StateArchive& ar, const char* name, Maddr at, uint64_t bytes);
// A frame of it.
void frame_field(StateArchive& ar, const char* name, Mfn& frame);
void check_frame(StateArchive& ar, const char* name, Mfn frame);
// A domain, or none.
void domain_field(StateArchive& ar, const char* name, Domain*& domain);

}  // namespace xensim::xen
