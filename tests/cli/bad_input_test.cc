// Bad input of every kind: the program says in one line what is wrong, with status 2, and never dies.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/cli/program.h"

namespace xensim {
namespace {

void check_refused(const std::vector<std::string>& args, const std::string& part) {
  std::string line;
  for (const std::string& arg : args) line += " " + arg;
  CAPTURE(line);
  const Ran ran = run_program(args);
  CAPTURE(ran.err);
  CHECK(ran.status == 2);
  CHECK(ran.out.empty());
  CHECK(ran.err.starts_with("xensim: "));
  CHECK(ran.err.find(part) != std::string::npos);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
}

TEST_CASE("a command that there is not is named") {
  check_refused({"frobnicate", "guest.elf"}, "there is no command frobnicate (see xensim --help)");
  check_refused({}, "subcommand is required (see xensim --help)");
  check_refused({"--quiet"}, "subcommand is required (see xensim --help)");
}

TEST_CASE("a guest that cannot be loaded is refused in one line") {
  const std::string guest = read_text(XENSIM_BINARY_DIR "/guests/hello.elf");
  REQUIRE(guest.size() > 4096);
  check_refused({"run", scratch_file("empty.elf", "")}, "is empty");
  check_refused({"run", scratch_file("text.elf", "hello, I am not a guest")}, "text.elf:1:");
  check_refused({"run", scratch_file("binary.elf", std::string("\0\1\2\3", 4))},
                "neither a scenario (TOML) nor a guest (ELF");
  check_refused({"run", XENSIM_BINARY_DIR "/sim/xensim"}, "xensim");  // an ELF, but no PVH guest
  for (const size_t bytes : {size_t{4}, size_t{16}, size_t{63}, size_t{100}, guest.size() / 2}) {
    check_refused({"run", scratch_file("cut.elf", guest.substr(0, bytes))}, "cut.elf");
  }
}

TEST_CASE("a file that cannot be had is the user's mistake, whichever command asks for it") {
  const std::string folder = scratch_folder();
  for (const char* command : {"run", "explore", "shrink", "replay"}) {
    check_refused({command, "nowhere.file"}, "nowhere.file: No such file or directory");
    check_refused({command, folder}, folder);
    check_refused({command, "/dev/zero"}, "/dev/zero: ");
  }
  for (const char* what : {"info", "show", "check", "export"}) {
    check_refused({"trace", what, "nowhere.trace"}, "nowhere.trace: No such file or directory");
    check_refused({"trace", what, folder}, folder);
  }
  check_refused({"trace", "diff", "nowhere.trace", "elsewhere.trace"}, "nowhere.trace: No such file or directory");
  const std::string guest = XENSIM_BINARY_DIR "/guests/hello.elf", nowhere = folder + "/nowhere/file";
  check_refused({"run", guest, "--record", nowhere}, nowhere + ".part: cannot be written: No such file or directory");
  check_refused({"run", guest, "--schedule", nowhere}, nowhere + ": No such file or directory");
  const Ran junit = run_program({"run", guest, "--junit", nowhere});
  CHECK(junit.status == 2);
  CHECK(junit.err.ends_with("xensim: " + nowhere + ": cannot be written: No such file or directory\n"));
}

TEST_CASE("a full disk is the host's failure") {
  const Ran ran = run_program({"run", XENSIM_BINARY_DIR "/guests/hello.elf", "--junit", "/dev/full"});
  CHECK(ran.status == 3);
  CHECK(ran.err.ends_with("xensim: /dev/full: cannot be written: No space left on device\n"));
}

TEST_CASE("a guest that does not fit its memory is refused") {
  const std::string guest = XENSIM_BINARY_DIR "/guests/evtchn_affinity.elf";
  check_refused({"run", guest, "--memory", "1M"}, "guest.memory: \"1M\" is not allowed");
  check_refused({"run", guest, "--vcpus", "129"}, "guest.vcpus: 129 is not allowed (1 to 128)");
  check_refused({"run", guest, "--flavour", "hyperv"},
                "machine.flavour: \"hyperv\" is not allowed (\"xen\", \"xen-4.20\", \"kvm\", each with +TRAIT)");
  check_refused({"run", guest, "--time-limit", "never"}, "machine.time_limit");
  check_refused({"run", guest, "--backend", "hard"}, "no such backend (soft, native)");
  check_refused({"run", guest, "--backend", "native"}, "runs on soft alone");
}

TEST_CASE("a machine that cannot be saved or restored is refused") {
  const std::string guest = XENSIM_BINARY_DIR "/guests/hello.elf";
  const std::string file = scratch_folder() + "/hello.snap";
  // Bare: the one vCPU of a whole guest has no turn to be saved after before it ends.
  REQUIRE(
      run_program({"run", guest, "--set", "guest.0.platform=bare", "--snapshot-at", "1us", "--save", file}).status ==
      0);
  CHECK(run_program({"run", "--restore", file}).out == run_program({"run", guest}).out);
  const std::string bytes = read_text(file);
  check_refused({"run", "--restore", "nowhere.snap"}, "nowhere.snap: No such file");
  check_refused({"run", "--restore", guest}, "hello.elf: is no snapshot (offset 0)");
  check_refused({"run", "--restore", scratch_file("cut.snap", bytes.substr(0, bytes.size() / 2))},
                "cut.snap: truncated at offset " + std::to_string(bytes.size() / 2));
  std::string flipped = bytes;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x10);
  check_refused({"run", "--restore", scratch_file("flipped.snap", flipped)}, "flipped.snap: damaged at offset ");
  check_refused({"run", XENSIM_BINARY_DIR "/guests/evtchn_basics.elf", "--restore", file},
                "hello.snap: was made from scenario");
  check_refused({"run", "--restore", file, "--vcpus", "2"}, "--vcpus excludes --restore");
  check_refused({"run", "--restore", file, "--record", "t.trace"}, "--record: a trace begins with its machine");
  check_refused({"run", guest, "--snapshot-at", "1us"}, "--save");
  check_refused({"run", guest, "--snapshot-at", "soon", "--save", file}, "neither SHELL nor a time");
  const Ran late = run_program({"run", guest, "--snapshot-at", "9s", "--save", file});  // it has said something by then
  CHECK(late.status == 2);
  CHECK(late.err.find("--snapshot-at 9s: the run ended at") != std::string::npos);
  check_refused({"run"}, "which scenario?");
  check_refused({"explore", "--from-snapshot", file, "--backend", "soft"}, "excludes");
  check_refused({"boot", "--restore", file, "--vcpus", "2"}, "excludes");
}

TEST_CASE("a comparison that cannot be is refused") {
  const std::string guest = XENSIM_BINARY_DIR "/guests/hello.elf";
  check_refused({"compare", "nowhere.elf"}, "nowhere.elf: no such file");
  check_refused({"compare", scratch_file("text.elf", "hello, I am not a guest")}, "text.elf");
  check_refused({"compare", guest, "--with", "hyperv"}, "--with hyperv: there are xen and kvm");
  check_refused({"compare", guest, "--flavour", "hyperv"}, "unknown flavour 'hyperv'");
  check_refused({"compare", guest, "--with", "xen", "--flavour", "xen"},
                "--flavour is for a comparison without --with");
  check_refused({"compare", guest, "--with", "kvm", "--together"}, "--with kvm: it has one domain");
  check_refused({"compare", guest, "--with", "xen,kvm", "--hvm"}, "--with kvm: it has one domain");
  check_refused({"compare", guest, "--with", "xen,kvm", "--event-channels", "99"}, "--with kvm: it has one domain");
  check_refused({"compare", guest, "--event-channels", "15"}, "--event-channels 15: a number from 16 to 1000000");
  check_refused({"compare", guest, "--kvm-kernel", "/boot/vmlinuz"}, "need --with kvm");
  check_refused({"compare", guest, "--with", "kvm", "--kvm-kernel", "/nowhere/vmlinuz"},
                "/nowhere/vmlinuz: no such file");
  check_refused({"compare", guest, "--with", "kvm", "--kvm-modules", "/nowhere"}, "/nowhere: no such folder");
  check_refused({"compare", guest, "--vcpus", "0"}, "--vcpus 0: a number from 1 to 128");
  check_refused({"compare", guest, "--vcpus", "4294967297"}, "--vcpus 4294967297");
  check_refused({"compare", guest, "--memory", "3G"}, "--memory 3G");
  check_refused({"compare", guest, "--limit", "0"}, "--limit 0");
}

TEST_CASE("a bad scenario is refused with file, line and key") {
  check_refused({"run", scratch_file("a.toml", "[[guest]]\nimage = \"guest:hello\"\nvcpus = 200\n")},
                "a.toml:3: guest.vcpus: 200 is not allowed (1 to 128)");
  check_refused({"explore", scratch_file("b.toml", "[machine\n")}, "b.toml:1:9: ");
  check_refused({"run", XENSIM_SOURCE_DIR "/scenarios/grant/pair.toml", "--flavour", "kvm"}, "with 2 guests");
}

TEST_CASE("what cannot be booted is refused with the option or the file, and the reason") {
  const std::string guest = XENSIM_BINARY_DIR "/guests/hello.elf";
  check_refused({"boot", "--kernel", "/nowhere/vmlinuz"}, "--kernel /nowhere/vmlinuz: there is no such file");
  check_refused({"boot", "--kernel", "debian:../vmlinuz"}, "--kernel debian:../vmlinuz: no such kernel");
  const std::string archive = scratch_file("initrd", "070701 and so on");
  const auto boot = [&](const std::string& kernel, std::vector<std::string> more, const std::string& what) {
    std::vector<std::string> args = {"boot", "--kernel", kernel};
    if (more.empty() || more.front() != "--initrd") args.insert(args.end(), {"--initrd", archive});
    args.insert(args.end(), more.begin(), more.end());
    check_refused(args, what);
  };
  boot(scratch_file("text", "no kernel\n"), {}, "text: not an ELF file");
  boot(scratch_file("empty", ""), {}, "empty: the file is empty");
  std::string header(0x400, '\0');  // a bzImage of which only the beginning is there
  header[0x1f1] = 1;
  header.replace(0x1fe, 2, "\x55\xaa");
  header.replace(0x202, 4, "HdrS");
  header[0x206] = 0x0f;
  header[0x207] = 0x02;
  header[0x236] = 0x3f;
  header[0x24c] = 0x10;
  header[0x24d] = 0x10;
  boot(scratch_file("cut", header), {}, "cut: ");
  boot(guest, {"--initrd", "/nowhere/initrd"}, "--initrd /nowhere/initrd: there is no such file");
  boot(guest, {"--initrd", scratch_file("words", "words\n")}, "neither a cpio archive nor one that Linux can unpack");
  boot(guest, {"--memory", "1024"}, "--memory: \"1024\" is not allowed (a size like \"64M\", 2M to 16G");
  boot(guest, {"--memory", "1M"}, "--memory: \"1M\" is not allowed");
  boot(guest, {"--memory", "32G"}, "--memory: \"32G\" is not allowed");
  boot(guest, {"--vcpus", "0"}, "--vcpus");
  boot(guest, {"--time-limit", "soon"}, "--time-limit: \"soon\" is not allowed");
  boot(guest, {"--exec", "true"}, "--exec needs the bundled initramfs");
}

TEST_CASE("a bad schedule is refused with the reason") {
  const std::string scenario = XENSIM_SOURCE_DIR "/scenarios/races/poller.toml";
  check_refused({"run", scenario, "--schedule", "nowhere.schedule"}, "nowhere.schedule");
  check_refused({"run", scenario, "--schedule", scratch_file("garbage.schedule", "let the first be the last\n")},
                "garbage.schedule");
  check_refused({"run", scenario, "--schedule",
                 scratch_file("stale.schedule", "# xensim schedule 2\nscenario: poller\nhash: 0000000000000000\n")},
                "stale");
}

TEST_CASE("a trace that is none is refused") {
  const std::string garbage = scratch_file("garbage.trace", "not a trace");
  check_refused({"shrink", garbage}, "garbage.trace");
  check_refused({"replay", garbage}, "garbage.trace");
}

}  // namespace
}  // namespace xensim
