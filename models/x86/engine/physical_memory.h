// The guest-physical address space of one engine: which ranges show RAM, which are devices, and the open bus between
// them.
//
// The engine wants every address it touches to be mapped; on a PC, a read of an address where nothing answers gives all
// ones and a write vanishes. So the first access to a hole maps a piece of it as an open-bus device. (Pieces, because
// the engine unmaps page by page; and the hooks that tell of such accesses cover the holes alone, because a memory hook
// whose range covers RAM sends every store to it down the engine's slow path.)
#pragma once

#include <map>
#include <span>
#include <vector>

#include "models/base/cpu.h"
#include "models/x86/engine/engine.h"
#include "models/x86/engine/host_frames.h"

namespace xensim::x86 {

inline constexpr uint64_t kPhysicalEnd = uint64_t{1} << 40;  // addresses have 40 bits, as CPUID 0x80000008 says

// Where accesses to device ranges go.
class MmioSink {
 public:
  virtual ~MmioSink() = default;
  virtual uint64_t mmio_load(uint64_t gpa, unsigned bytes) = 0;
  virtual void mmio_store(uint64_t gpa, unsigned bytes, uint64_t value) = 0;
  // The engine is about to access the device range; its state is exact.
  virtual void mmio_begin() = 0;
  // The engine cannot go on from an access, and will stop with an error.
  virtual void access_failed() {}
};

// A bit for each page that there can be, all clear; memory only for those parts that were written.
class PageBits {
 public:
  PageBits();
  ~PageBits();
  PageBits(const PageBits&) = delete;
  PageBits& operator=(const PageBits&) = delete;

  bool get(uint64_t page) const { return words_[page >> 6] >> (page & 63) & 1; }
  void set(uint64_t page) { words_[page >> 6] |= uint64_t{1} << (page & 63); }
  const uint64_t* words() const { return words_; }

 private:
  uint64_t* words_;
};

class PhysicalMemory {
 public:
  enum class Kind { kRam, kRom, kMmio, kOpenBus };
  struct Region {
    uint64_t end = 0;
    Kind kind = Kind::kOpenBus;
    std::byte* host = nullptr;
    uint64_t gpa = 0;  // the region's first address
    uc_hook hook = 0;  // kMmio: makes the engine's state exact at an access; kRom: lets stores vanish
    MmioSink* sink = nullptr;
    bool zeroes = false;  // kOpenBus: reads give zeroes, else ones
  };

  // `holes_read_zero`: where nothing is mapped a read gives zeroes, as under QEMU; else ones.
  // `frames`: of the machine that the engine belongs to; nullptr: it has its own.
  PhysicalMemory(Engine& engine, MmioSink& sink, bool holes_read_zero = false, HostFrames* frames = nullptr);
  ~PhysicalMemory();
  PhysicalMemory(const PhysicalMemory&) = delete;
  PhysicalMemory& operator=(const PhysicalMemory&) = delete;

  // Page granular; a range that overlaps RAM or a device is an error (kInput).
  Status map_ram(uint64_t gpa, std::span<std::byte> host, bool writable);
  Status map_mmio(uint64_t gpa, uint64_t bytes);
  void unmap(uint64_t gpa, uint64_t bytes);

  MmioSink& sink() const { return sink_; }
  // A bit for each page from which code was translated.
  const uint64_t* code_pages() const { return code_pages_.words(); }
  // Lets the engine go on where it touched an address that nothing is mapped at.
  bool map_hole(uint64_t gpa);

  // The region at `gpa`; nullptr: nothing there (or open bus).
  const Region* find(uint64_t gpa) const;
  // Host address of the RAM or ROM byte at `gpa`, good until the end of its page; nullptr: none.
  const std::byte* ram(uint64_t gpa) const;
  // Reads that may meet anything, within one page; holes give what they give the guest, devices too (page tables and
  // descriptors are not in them).
  uint64_t read(uint64_t gpa, unsigned bytes) const;
  // Writes to RAM so that translated code is dropped; elsewhere nothing happens.
  void write(uint64_t gpa, const void* bytes, size_t size);

  // Translated code lies in these bytes from now on: stores there, through any mapping, must be seen.
  void add_code(uint64_t gpa, uint64_t bytes);
  bool has_code(uint64_t gpa) const;
  void invalidate_code(uint64_t gpa, uint64_t bytes);
  // Before and after the engine runs: drops code of shared pages that are not as they were at the last look.
  void look_at_shared_code();

  // For HostFrames: bytes within a page were written; a page with code is mapped elsewhere too; the host memory of all
  // RAM and ROM.
  void host_changed(const std::byte* at, uint64_t bytes);
  void page_is_shared(const std::byte* page);
  std::vector<std::span<const std::byte>> mapped_host() const;

 private:
  using Regions = std::map<uint64_t, Region>;

  // Each address at which [at, ...) is mapped.
  template <class Visit>
  void each_gpa(const std::byte* at, Visit&& visit) const;
  // Each page of [gpa, end) that has held code.
  template <class Visit>
  void each_code_page(uint64_t gpa, uint64_t end, Visit&& visit) const;
  Status check_free(uint64_t gpa, uint64_t bytes) const;
  void watch_holes();
  void drop_holes(uint64_t begin, uint64_t end);
  void erase(Regions::iterator it);
  void split(uint64_t at);
  void remap(uint64_t gpa, Region& region);
  void watch_code(uint64_t chunk);

  Engine& engine_;
  MmioSink& sink_;
  const bool holes_read_zero_;
  HostFrames own_frames_;
  HostFrames& frames_;
  std::map<uint64_t, std::vector<std::byte>> shared_code_;  // by page address: its bytes at the last look
  Regions regions_;
  size_t open_bus_ = 0;
  std::vector<uc_hook> hole_hooks_;
  mutable const Region* last_ = nullptr;
  // Translated code by 4 KiB page, and the watched ranges of 64 KiB chunks: first chunk → (one past the last, its
  // hook).
  PageBits code_pages_;
  std::map<uint64_t, std::pair<uint64_t, uc_hook>> watched_;
};

}  // namespace xensim::x86
