// The bundled initramfs: the archive format byte by byte, and that the same input gives the same bytes.
#include "sim/boot/initramfs.h"

#include <doctest/doctest.h>
#include <elf.h>

#include <cstring>
#include <map>
#include <string>

#include "sim/boot/cpio.h"
#include "sim/boot/exit_program.h"

using namespace xensim;
using namespace xensim::sim;

namespace {

struct Entry {
  uint32_t mode = 0, major = 0, minor = 0;
  std::string content;
};

uint32_t field(const std::string& archive, size_t header, unsigned index) {
  return static_cast<uint32_t>(std::stoul(archive.substr(header + 6 + 8 * index, 8), nullptr, 16));
}

// Reads an archive as the kernel does.
std::map<std::string, Entry> unpack(const std::vector<std::byte>& bytes) {
  const std::string archive(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::map<std::string, Entry> entries;
  size_t at = 0;
  while (true) {
    REQUIRE(archive.substr(at, 6) == "070701");
    const uint32_t size = field(archive, at, 6), name_bytes = field(archive, at, 11);
    const std::string name = archive.substr(at + 110, name_bytes - 1);
    const size_t content = (at + 110 + name_bytes + 3) & ~size_t{3};
    if (name == "TRAILER!!!") return entries;
    entries[name] = {field(archive, at, 1), field(archive, at, 9), field(archive, at, 10),
                     archive.substr(content, size)};
    at = (content + size + 3) & ~size_t{3};
  }
}

}  // namespace

TEST_CASE("newc: folders, files, links and devices come back") {
  CpioWriter cpio;
  cpio.folder("a");
  cpio.file("a/b", std::as_bytes(std::span("12345", 5)), true);
  cpio.symlink("l", "a/b");
  cpio.character_device("c", 5, 1);
  const auto entries = unpack(cpio.finish());
  REQUIRE(entries.size() == 4);
  CHECK(entries.at("a").mode == 0040755);
  CHECK(entries.at("a/b").mode == 0100755);
  CHECK(entries.at("a/b").content == "12345");
  CHECK(entries.at("l").content == "a/b");
  CHECK(entries.at("c").mode == 0020600);
  CHECK(entries.at("c").major == 5);
  CHECK(entries.at("c").minor == 1);
}

TEST_CASE("the initramfs holds busybox, init and the command, the same twice") {
  const std::byte busybox[] = {std::byte{1}, std::byte{2}};
  const auto archive = make_initramfs(busybox, "echo hi");
  CHECK(archive == make_initramfs(busybox, "echo hi"));
  const auto entries = unpack(archive);
  CHECK(entries.at("bin/busybox").content == "\1\2");
  CHECK(entries.at("command").content == "echo hi\n");
  CHECK(entries.at("init").content.starts_with("#!/bin/busybox sh\n"));
  CHECK(entries.at("init").mode == 0100755);
  CHECK(unpack(make_initramfs(busybox, "")).at("command").content.empty());
}

TEST_CASE("the exit program is an ELF whose entry lies in its segment") {
  const auto bytes = make_exit_program();
  Elf64_Ehdr header;
  Elf64_Phdr segment;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::memcpy(&segment, bytes.data() + header.e_phoff, sizeof segment);
  CHECK(std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0);
  CHECK(header.e_entry >= segment.p_vaddr);
  CHECK(header.e_entry < segment.p_vaddr + segment.p_filesz);
  CHECK(segment.p_filesz <= bytes.size());
}
