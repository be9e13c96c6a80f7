// See snapshot_file.h.
#include "sim/machine/snapshot/snapshot_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "models/base/check.h"
#include "models/base/file_error.h"

namespace xensim::sim {

namespace {

constexpr char kMagic[8] = {'X', 'S', 'N', 'A', 'P', '\r', '\n', '\x1a'};
constexpr int kLevel = 1;
// Bounds that a reader holds before it allocates.
constexpr uint64_t kMaxInfo = 64 << 20, kMaxState = uint64_t{1} << 30;

enum class Section : uint32_t { kInfo = 1, kMachine = 2, kCore = 3, kMemory = 4, kEnd = 5 };

struct Head {
  char magic[8] = {};
  uint32_t version = 0;
  uint32_t zero = 0;
  uint64_t time = 0;
  uint64_t sum = 0;  // XXH3-64 of what is before it
};
static_assert(sizeof(Head) == 32);

struct SectionHead {
  uint32_t kind = 0;
  uint32_t number = 0;        // counting from 0
  uint64_t raw_bytes = 0;     // unpacked
  uint64_t packed_bytes = 0;  // of the zstd frame that follows
  uint64_t payload_sum = 0;   // XXH3-64 of that frame
  uint64_t sum = 0;           // XXH3-64 of what is before it, in this head
};
static_assert(sizeof(SectionHead) == 40);

template <class T>
uint64_t sum_of(const T& head) {
  return XXH3_64bits(&head, sizeof head - sizeof head.sum);
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// --- writing

class Writer {
 public:
  explicit Writer(const Snapshot& snapshot) {
    Head head;
    std::memcpy(head.magic, kMagic, sizeof kMagic);
    head.version = kSnapshotVersion;
    head.time = snapshot.time.v;
    head.sum = sum_of(head);
    put(&head, sizeof head);
  }
  void pack(Section kind, std::span<const std::byte> raw) {
    std::vector<std::byte> packed(ZSTD_compressBound(raw.size()));
    const size_t bytes = ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), kLevel);
    XS_CHECK(ZSTD_isError(bytes) == 0);
    section(kind, raw.size(), std::span(packed).first(bytes));
  }
  void section(Section kind, uint64_t raw_bytes, std::span<const std::byte> packed) {
    SectionHead head;
    head.kind = static_cast<uint32_t>(kind);
    head.number = sections_++;
    head.raw_bytes = raw_bytes;
    head.packed_bytes = packed.size();
    head.payload_sum = XXH3_64bits(packed.data(), packed.size());
    head.sum = sum_of(head);
    put(&head, sizeof head);
    put(packed.data(), packed.size());
  }
  std::vector<std::byte> finish() { return std::move(out_); }

 private:
  void put(const void* from, size_t bytes) {
    const auto* first = static_cast<const std::byte*>(from);
    out_.insert(out_.end(), first, first + bytes);
  }
  std::vector<std::byte> out_;
  uint32_t sections_ = 0;
};

// --- reading

const char* name_of(Section kind) {
  switch (kind) {
    case Section::kInfo: return "the header";
    case Section::kMachine: return "the machine's state";
    case Section::kCore: return "the core's state";
    case Section::kMemory: return "a piece of memory";
    case Section::kEnd: return "the end";
  }
  return "a section";
}

class Reader {
 public:
  Reader(const std::string& name, std::span<const std::byte> bytes) : name_(name), all_(bytes) {}

  Status read(Snapshot& snapshot) {
    XS_TRY_STATUS(read_head(snapshot));
    XS_TRY_STATUS(next(Section::kInfo, kMaxInfo));
    std::vector<std::byte> text;
    XS_TRY_STATUS(unpack(text));
    auto info = traces::parse_trace_info({reinterpret_cast<const char*>(text.data()), text.size()});
    if (!info) return input_error(fmt::format("{}: the header: {}", name_, info.error().message));
    snapshot.info = std::move(*info);
    XS_TRY_STATUS(next(Section::kMachine, kMaxState));
    XS_TRY_STATUS(unpack(snapshot.machine));
    XS_TRY_STATUS(next(Section::kCore, kMaxState));
    XS_TRY_STATUS(unpack(snapshot.core));
    for (;;) {
      XS_TRY_STATUS(next(Section::kMemory, kMaxRawPiece));
      if (kind() == Section::kEnd) break;
      snapshot.memory.push_back(
          {static_cast<uint32_t>(head_.raw_bytes), std::vector<std::byte>(payload_.begin(), payload_.end())});
    }
    return at_ == all_.size() ? Status{} : damaged(at_, "bytes behind the end");
  }

 private:
  Error truncated(const std::string& what) const {
    return {ErrorKind::kInput, fmt::format("{}: truncated at offset {}: {}", name_, all_.size(), what)};
  }
  tl::unexpected<Error> damaged(size_t at, const std::string& what) const {
    return input_error(fmt::format("{}: damaged at offset {}: {}", name_, at, what));
  }
  Section kind() const { return static_cast<Section>(head_.kind); }

  Status read_head(Snapshot& snapshot) {
    Head head;
    const size_t known = std::min(all_.size(), sizeof kMagic);
    if (all_.empty() || std::memcmp(all_.data(), kMagic, known) != 0) {
      return input_error(fmt::format("{}: is no snapshot (offset 0)", name_));
    }
    if (all_.size() < sizeof head) return tl::unexpected(truncated("its head is not whole"));
    std::memcpy(&head, all_.data(), sizeof head);
    if (head.sum != sum_of(head)) return damaged(0, "the head's checksum is wrong");
    if (head.version != kSnapshotVersion) {
      return input_error(fmt::format("{}: is a snapshot of version {}; this is xensim with version {} (offset 8)",
                                     name_, head.version, kSnapshotVersion));
    }
    if (head.zero != 0) return damaged(12, "not zero");
    snapshot.time = VirtualNs{head.time};
    at_ = sizeof head;
    return {};
  }

  // The next section, which is `wanted` (or, instead of memory, the end); its payload is whole and as it was written.
  Status next(Section wanted, uint64_t most) {
    if (all_.size() - at_ < sizeof head_)
      return tl::unexpected(truncated(fmt::format("{} is missing", name_of(wanted))));
    std::memcpy(&head_, all_.data() + at_, sizeof head_);
    if (head_.sum != sum_of(head_)) return damaged(at_, "a section's head has a wrong checksum");
    const bool fits = kind() == wanted || (wanted == Section::kMemory && kind() == Section::kEnd);
    if (!fits || head_.number != sections_) return damaged(at_, fmt::format("{} is not there", name_of(wanted)));
    if (head_.raw_bytes > most) return damaged(at_, fmt::format("{} is too large", name_of(kind())));
    const size_t from = at_ + sizeof head_;
    if (head_.packed_bytes > all_.size() - from) {
      return tl::unexpected(truncated(fmt::format("{} is not whole", name_of(kind()))));
    }
    payload_ = all_.subspan(from, head_.packed_bytes);
    if (XXH3_64bits(payload_.data(), payload_.size()) != head_.payload_sum) {
      return damaged(from, fmt::format("{} has a wrong checksum", name_of(kind())));
    }
    ++sections_;
    at_ = from + head_.packed_bytes;
    return {};
  }

  Status unpack(std::vector<std::byte>& raw) const {
    const auto wrong = [&] {
      return damaged(static_cast<size_t>(payload_.data() - all_.data()),
                     fmt::format("{} cannot be unpacked", name_of(kind())));
    };
    // Nothing is packed a thousand times: what says so would only fill memory.
    constexpr uint64_t kMostRatio = 1 << 15;
    if (head_.raw_bytes > kMostRatio * (payload_.size() + 1)) return wrong();
    raw.resize(head_.raw_bytes);
    const size_t bytes = ZSTD_decompress(raw.data(), raw.size(), payload_.data(), payload_.size());
    if (ZSTD_isError(bytes) != 0 || bytes != raw.size()) return wrong();
    return {};
  }

  const std::string& name_;
  std::span<const std::byte> all_;
  size_t at_ = 0;
  uint32_t sections_ = 0;
  SectionHead head_;
  std::span<const std::byte> payload_;
};

class File {
 public:
  File(const std::string& path, const char* mode) : file_(std::fopen(path.c_str(), mode)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (file_ != nullptr) std::fclose(file_);
  }
  std::FILE* get() const { return file_; }
  bool close() { return std::fclose(std::exchange(file_, nullptr)) == 0; }

 private:
  std::FILE* file_;
};

}  // namespace

std::vector<std::byte> format_snapshot(const Snapshot& snapshot) {
  Writer writer(snapshot);
  writer.pack(Section::kInfo, bytes_of(traces::to_json(snapshot.info)));
  writer.pack(Section::kMachine, snapshot.machine);
  writer.pack(Section::kCore, snapshot.core);
  for (const PackedPages& piece : snapshot.memory) writer.section(Section::kMemory, piece.raw_bytes, piece.packed);
  writer.section(Section::kEnd, 0, {});
  return writer.finish();
}

Result<Snapshot> parse_snapshot(const std::string& name, std::span<const std::byte> bytes) {
  Snapshot snapshot;
  snapshot.name = name;
  XS_TRY_STATUS(Reader(name, bytes).read(snapshot));
  return snapshot;
}

Result<uint64_t> write_snapshot(const std::string& path, const Snapshot& snapshot) {
  const std::vector<std::byte> bytes = format_snapshot(snapshot);
  const std::string part = path + ".part";
  File file(part, "wb");
  const bool written = file.get() != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  if (!written || !file.close() || std::rename(part.c_str(), path.c_str()) != 0) {
    return file_error(path, "cannot be written", errno);
  }
  return bytes.size();
}

Result<Snapshot> read_snapshot(const std::string& path) {
  const File file(path, "rb");
  if (file.get() == nullptr) return file_error(path, "", errno);
  struct stat status {};
  if (fstat(fileno(file.get()), &status) != 0 || !S_ISREG(status.st_mode)) {
    return input_error(fmt::format("{}: is not a file", path));
  }
  std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return file_error(path, "cannot be read", errno);
  }
  return parse_snapshot(path, bytes);
}

void seal_snapshot(std::span<std::byte> bytes) {
  const auto seal = [&](size_t at, auto head, auto&& change) {
    std::memcpy(&head, bytes.data() + at, sizeof head);
    change(head);
    head.sum = sum_of(head);
    std::memcpy(bytes.data() + at, &head, sizeof head);
    return head;
  };
  if (bytes.size() < sizeof(Head)) return;
  seal(0, Head{}, [](Head&) {});
  size_t at = sizeof(Head);
  while (bytes.size() - at >= sizeof(SectionHead)) {
    const size_t from = at + sizeof(SectionHead);
    const SectionHead head = seal(at, SectionHead{}, [&](SectionHead& section) {
      section.packed_bytes = std::min<uint64_t>(section.packed_bytes, bytes.size() - from);
      section.payload_sum = XXH3_64bits(bytes.data() + from, section.packed_bytes);
    });
    at = from + head.packed_bytes;
  }
}

}  // namespace xensim::sim
