#include "models/x86/engine/physical_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "models/base/check.h"
#include "models/x86/engine/must.h"

namespace xensim::x86 {
namespace {

uint64_t all_ones(unsigned bytes) { return bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * bytes) - 1; }

uint64_t on_mmio_read(uc_engine*, uint64_t offset, unsigned bytes, void* user) {
  const auto& region = *static_cast<const PhysicalMemory::Region*>(user);
  if (region.sink) return region.sink->mmio_load(region.gpa + offset, bytes);
  return region.zeroes ? 0 : all_ones(bytes);
}

void on_mmio_write(uc_engine*, uint64_t offset, unsigned bytes, uint64_t value, void* user) {
  const auto& region = *static_cast<const PhysicalMemory::Region*>(user);
  if (region.sink) region.sink->mmio_store(region.gpa + offset, bytes, value);
}

bool on_mmio_access(uc_engine*, uc_mem_type, uint64_t, int, int64_t, void* user) {
  static_cast<MmioSink*>(user)->mmio_begin();
  return true;
}

bool on_unmapped(uc_engine*, uc_mem_type, uint64_t gpa, int, int64_t, void* user) {
  auto& memory = *static_cast<PhysicalMemory*>(user);
  try {
    if (memory.map_hole(gpa)) return true;
  } catch (const CheckFailure&) {
  }
  memory.sink().access_failed();
  return false;  // the engine then stops with an error
}

// A guest's store to a ROM vanishes.
bool on_rom_store(uc_engine*, uc_mem_type, uint64_t, int, int64_t, void*) { return true; }

// Never called: RAM with code is writable. Its range alone tells the engine to keep stores there precise.
bool on_code_store(uc_engine*, uc_mem_type, uint64_t, int, int64_t, void*) { return false; }

constexpr unsigned kChunkShift = 16;

}  // namespace

namespace {
constexpr size_t kPageBitsBytes = kPhysicalEnd / kPageSize / 8;
}

PageBits::PageBits() {
  void* words =
      mmap(nullptr, kPageBitsBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  XS_CHECK_MSG(words != MAP_FAILED, "no address space for the bits of pages");
  words_ = static_cast<uint64_t*>(words);
}

PageBits::~PageBits() { munmap(words_, kPageBitsBytes); }

PhysicalMemory::PhysicalMemory(Engine& engine, MmioSink& sink, bool holes_read_zero, HostFrames* frames)
    : engine_(engine), sink_(sink), holes_read_zero_(holes_read_zero), frames_(frames ? *frames : own_frames_) {
  frames_.join(*this);
  watch_holes();
}

PhysicalMemory::~PhysicalMemory() { frames_.leave(*this); }

Status PhysicalMemory::check_free(uint64_t gpa, uint64_t bytes) const {
  if (bytes == 0 || (gpa | bytes) % kPageSize != 0)
    return input_error(fmt::format("range {:#x}+{:#x} is not made of whole pages", gpa, bytes));
  if (gpa >= kPhysicalEnd || bytes > kPhysicalEnd - gpa)
    return input_error(fmt::format("range {:#x}+{:#x} lies beyond the 40 physical address bits", gpa, bytes));
  auto it = regions_.upper_bound(gpa);
  if (it != regions_.begin()) --it;
  for (; it != regions_.end() && it->first < gpa + bytes; ++it) {
    if (it->second.end > gpa && it->second.kind != Kind::kOpenBus)
      return input_error(fmt::format("range {:#x}+{:#x} overlaps {:#x}..{:#x}", gpa, bytes, it->first, it->second.end));
  }
  return {};
}

template <class Visit>
void PhysicalMemory::each_code_page(uint64_t gpa, uint64_t end, Visit&& visit) const {
  for (uint64_t at = gpa; at < end;) {
    const uint64_t page = at >> kPageShift;
    if (page % 64 == 0 && code_pages_.words()[page / 64] == 0) {
      at += 64 * kPageSize;
      continue;
    }
    if (code_pages_.get(page)) visit(at);
    at += kPageSize;
  }
}

void PhysicalMemory::drop_holes(uint64_t begin, uint64_t end) {
  for (auto it = regions_.begin(); it != regions_.end();) {
    const auto next = std::next(it);
    if (it->second.kind == Kind::kOpenBus && it->first < end && it->second.end > begin) erase(it);
    it = next;
  }
}

void PhysicalMemory::erase(Regions::iterator it) {
  if (it->second.hook) must(uc_hook_del(engine_.get(), it->second.hook));
  engine_.unmap(it->first, it->second.end - it->first);
  if (it->second.kind == Kind::kOpenBus) --open_bus_;
  regions_.erase(it);
  last_ = nullptr;
}

void PhysicalMemory::remap(uint64_t gpa, Region& region) {
  region.gpa = gpa;
  const uint64_t bytes = region.end - gpa;
  uc_err err = UC_ERR_OK;
  if (region.kind == Kind::kRam || region.kind == Kind::kRom) {
    err = uc_mem_map_ptr(engine_.get(), gpa, bytes, UC_PROT_ALL, region.host);
    if (region.kind == Kind::kRom) {
      // Mapped writable and then protected: only so does the engine throw stores away.
      must(uc_mem_protect(engine_.get(), gpa, bytes, UC_PROT_READ | UC_PROT_EXEC));
      must(uc_hook_add(engine_.get(), &region.hook, UC_HOOK_MEM_WRITE_PROT, reinterpret_cast<void*>(&on_rom_store),
                       nullptr, gpa, region.end - 1));
    }
  } else {
    err = uc_mmio_map(engine_.get(), gpa, bytes, &on_mmio_read, &region, &on_mmio_write, &region);
    if (region.kind == Kind::kMmio) {
      // The engine makes its state exact for a hook only. One on reads and writes, wherever it lies, would send every
      // access to RAM down the slow path too; one on what protection forbids does not, so all access is forbidden, and
      // the hook lets it pass.
      region.sink = &sink_;
      must(uc_mem_protect(engine_.get(), gpa, bytes, UC_PROT_NONE));
      must(uc_hook_add(engine_.get(), &region.hook, UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT,
                       reinterpret_cast<void*>(&on_mmio_access), &sink_, gpa, region.end - 1));
    }
  }
  XS_CHECK_MSG(err == UC_ERR_OK, fmt::format("the engine cannot map {:#x}+{:#x}: {}", gpa, bytes, uc_strerror(err)));
}

Status PhysicalMemory::map_ram(uint64_t gpa, std::span<std::byte> host, bool writable) {
  XS_TRY_STATUS(check_free(gpa, host.size()));
  drop_holes(gpa, gpa + host.size());
  frames_.mapping(host);
  Region& region = regions_[gpa];
  region = {gpa + host.size(), writable ? Kind::kRam : Kind::kRom, host.data(), gpa, 0, nullptr};
  remap(gpa, region);
  watch_holes();
  // Pages that held code before: stores there are looked at still, and these frames now count as code's.
  each_code_page(gpa, gpa + host.size(), [&](uint64_t page) {
    frames_.add_code(ram(page));
    if (frames_.shared(ram(page))) shared_code_[page];
  });
  return {};
}

Status PhysicalMemory::map_mmio(uint64_t gpa, uint64_t bytes) {
  XS_TRY_STATUS(check_free(gpa, bytes));
  drop_holes(gpa, gpa + bytes);
  Region& region = regions_[gpa];
  region = {gpa + bytes, Kind::kMmio, nullptr, gpa, 0, nullptr};
  remap(gpa, region);
  watch_holes();
  return {};
}

// Lets the engine tell of accesses to holes, and to holes alone.
void PhysicalMemory::watch_holes() {
  for (const uc_hook hook : hole_hooks_) must(uc_hook_del(engine_.get(), hook));
  hole_hooks_.clear();
  uint64_t begin = 0;
  const auto watch = [&](uint64_t end) {
    if (begin >= end) return;
    uc_hook hook = 0;
    XS_CHECK(uc_hook_add(engine_.get(), &hook, UC_HOOK_MEM_UNMAPPED, reinterpret_cast<void*>(&on_unmapped), this, begin,
                         end - 1) == UC_ERR_OK);
    hole_hooks_.push_back(hook);
  };
  for (const auto& [start, region] : regions_) {
    if (region.kind == Kind::kOpenBus) continue;
    watch(start);
    begin = region.end;
  }
  watch(kPhysicalEnd);
  engine_.flush_tlb();
}

bool PhysicalMemory::map_hole(uint64_t gpa) {
  constexpr size_t kMostHoles = 512;  // a guest that walks through the address space must not fill the host's memory
  if (gpa >= kPhysicalEnd || find(gpa)) return false;
  if (open_bus_ >= kMostHoles) drop_holes(0, kPhysicalEnd);
  const auto after = regions_.upper_bound(gpa);
  uint64_t begin = gpa >> kChunkShift << kChunkShift, end = begin + (uint64_t{1} << kChunkShift);
  if (after != regions_.end()) end = std::min(end, after->first);
  if (after != regions_.begin()) begin = std::max(begin, std::prev(after)->second.end);
  Region& region = regions_[begin];
  region = {end, Kind::kOpenBus, nullptr, begin, 0, nullptr, holes_read_zero_};
  remap(begin, region);
  ++open_bus_;
  return true;
}

// Makes `at` a border between regions.
void PhysicalMemory::split(uint64_t at) {
  auto it = regions_.upper_bound(at);
  if (it == regions_.begin()) return;
  --it;
  if (it->first == at || it->second.end <= at) return;
  const uint64_t begin = it->first;
  Region low = it->second, high = it->second;
  erase(it);
  low.end = at;
  low.hook = high.hook = 0;
  if (high.host) high.host += at - begin;
  remap(begin, regions_[begin] = low);
  remap(at, regions_[at] = high);
}

void PhysicalMemory::unmap(uint64_t gpa, uint64_t bytes) {
  const uint64_t end = gpa + bytes;
  XS_CHECK((gpa | bytes) % kPageSize == 0 && end >= gpa);
  drop_holes(gpa, end);
  split(gpa);
  split(end);
  for (auto it = regions_.lower_bound(gpa); it != regions_.end() && it->first < end;) {
    const auto next = std::next(it);
    erase(it);
    it = next;
  }
  watch_holes();
}

const PhysicalMemory::Region* PhysicalMemory::find(uint64_t gpa) const {
  if (last_ && gpa >= last_->gpa && gpa < last_->end) return last_;
  auto it = regions_.upper_bound(gpa);
  if (it == regions_.begin()) return nullptr;
  --it;
  if (gpa >= it->second.end || it->second.kind == Kind::kOpenBus) return nullptr;
  return last_ = &it->second;
}

const std::byte* PhysicalMemory::ram(uint64_t gpa) const {
  const Region* region = find(gpa);
  return region && region->host ? region->host + (gpa - region->gpa) : nullptr;
}

uint64_t PhysicalMemory::read(uint64_t gpa, unsigned bytes) const {
  const std::byte* host = ram(gpa);
  if (!host) return holes_read_zero_ ? 0 : all_ones(bytes);
  uint64_t value = 0;
  std::memcpy(&value, host, bytes);
  return value;
}

void PhysicalMemory::write(uint64_t gpa, const void* bytes, size_t size) {
  const Region* region = find(gpa);
  if (!region || region->kind != Kind::kRam) return;
  std::memcpy(region->host + (gpa - region->gpa), bytes, size);
  if (has_code(gpa) || frames_.any_shared()) frames_.changed(region->host + (gpa - region->gpa), size);
}

bool PhysicalMemory::has_code(uint64_t gpa) const { return gpa < kPhysicalEnd && code_pages_.get(gpa >> kPageShift); }

void PhysicalMemory::add_code(uint64_t gpa, uint64_t bytes) {
  bool new_page = false;
  for (uint64_t page = gpa >> kPageShift; page <= (gpa + bytes - 1) >> kPageShift; ++page) {
    if (page >= kPhysicalEnd >> kPageShift || code_pages_.get(page)) continue;
    code_pages_.set(page);
    if (const std::byte* const host = ram(page << kPageShift)) {
      frames_.add_code(host);
      if (frames_.shared(host)) shared_code_[page << kPageShift];
    }
    watch_code(page >> (kChunkShift - kPageShift));
    new_page = true;
  }
  // Through a mapping that was written to while the page held no code, stores go the fast way: the engine looks for
  // such entries of its TLB under the code's own virtual address alone, and block_gate.S makes more of them.
  if (new_page) engine_.flush_tlb();
}

// Extends the watched ranges by one chunk, joined with its neighbours: the engine looks through all ranges at each such
// store.
void PhysicalMemory::watch_code(uint64_t chunk) {
  uint64_t first = chunk, end = chunk + 1;
  auto after = watched_.upper_bound(chunk);
  if (after != watched_.begin()) {
    const auto before = std::prev(after);
    if (before->second.first > chunk) return;
    if (before->second.first == chunk) {
      first = before->first;
      must(uc_hook_del(engine_.get(), before->second.second));
      watched_.erase(before);
    }
  }
  after = watched_.find(end);
  if (after != watched_.end()) {
    end = after->second.first;
    must(uc_hook_del(engine_.get(), after->second.second));
    watched_.erase(after);
  }
  uc_hook hook = 0;
  XS_CHECK(uc_hook_add(engine_.get(), &hook, UC_HOOK_MEM_WRITE_PROT, reinterpret_cast<void*>(&on_code_store), nullptr,
                       first << kChunkShift, (end << kChunkShift) - 1) == UC_ERR_OK);
  watched_[first] = {end, hook};
}

void PhysicalMemory::invalidate_code(uint64_t gpa, uint64_t bytes) {
  while (bytes != 0) {
    const uint64_t part = std::min(bytes, kPageSize - gpa % kPageSize);
    if (const std::byte* const host = ram(gpa)) frames_.changed(host, part);
    gpa += part;
    bytes -= part;
  }
}

template <class Visit>
void PhysicalMemory::each_gpa(const std::byte* at, Visit&& visit) const {
  for (const auto& [gpa, region] : regions_) {
    if (region.host && at >= region.host && at < region.host + (region.end - gpa))
      visit(gpa + static_cast<uint64_t>(at - region.host));
  }
}

void PhysicalMemory::host_changed(const std::byte* at, uint64_t bytes) {
  each_gpa(at, [&](uint64_t gpa) {
    if (has_code(gpa)) engine_.drop_code(gpa, bytes);
  });
}

void PhysicalMemory::page_is_shared(const std::byte* page) {
  each_gpa(page, [&](uint64_t gpa) {
    if (has_code(gpa)) shared_code_[gpa & ~(kPageSize - 1)];
  });
}

std::vector<std::span<const std::byte>> PhysicalMemory::mapped_host() const {
  std::vector<std::span<const std::byte>> all;
  for (const auto& [gpa, region] : regions_) {
    if (region.host) all.emplace_back(region.host, region.end - gpa);
  }
  return all;
}

void PhysicalMemory::look_at_shared_code() {
  for (auto it = shared_code_.begin(); it != shared_code_.end();) {
    auto& [gpa, seen] = *it;
    const std::byte* const host = ram(gpa);
    if (!host) {
      it = shared_code_.erase(it);
      continue;
    }
    if (seen.size() != kPageSize || std::memcmp(seen.data(), host, kPageSize) != 0) {
      seen.assign(host, host + kPageSize);
      engine_.drop_code(gpa, kPageSize);
    }
    ++it;
  }
}

}  // namespace xensim::x86
