// How the scripts are called and their answers read: with scripts of the test's own in their place.
#include "sim/oracle/real_run.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace xensim::sim {
namespace {

namespace fs = std::filesystem;

class Scripts {
 public:
  Scripts() { REQUIRE(mkdtemp(path_.data()) != nullptr); }
  ~Scripts() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;

  void write(const std::string& name, const std::string& body) {
    const std::string file = path_ + "/" + name;
    std::ofstream(file) << "#!/bin/sh\n" << body << "\n";
    fs::permissions(file, fs::perms::owner_all);
  }
  RealOptions options() const {
    RealOptions options;
    options.folder = path_;
    return options;
  }

 private:
  std::string path_ = (fs::temp_directory_path() / "xensim-real-run-XXXXXX").string();
};

OracleRun run_of(const char* words) { return *parse_oracle_run(words); }

TEST_CASE("each implementation is asked by its script, with the run's words") {
  Scripts scripts;
  for (const char* name : {"xen-oracle", "kvm-oracle"}) {
    scripts.write(name, "echo \"# ${0##*/} 1\"; echo \"a: $*\"; echo 'a= poweroff'");
  }
  const auto words = [&](const char* flavour, const char* run, RealOptions options) {
    const auto answer = run_real(*find_real_one(flavour), run_of(run), {"/x/a.elf"}, options);
    REQUIRE(answer.has_value());
    return answer->lines.at(0);
  };
  RealOptions options = scripts.options();
  CHECK(words("xen", "a", options) == "a: -v 1 -m 64 -t 60 /x/a.elf");
  CHECK(words("xen", "--hvm --together --vcpus 2 --memory 128 a", options) ==
        "a: -v 2 -m 128 -t 60 --together --hvm /x/a.elf");
  CHECK(words("xen", "--hvm --viridian a", options) == "a: -v 1 -m 64 -t 60 --hvm -x viridian=1 /x/a.elf");
  CHECK(words("xen", "--event-channels 5000 a", options) == "a: -v 1 -m 64 -t 60 -x max_event_channels=5000 /x/a.elf");
  options.kvm_kernel = "/k/bzImage";
  options.kvm_modules = "/k/modules";
  options.seconds = 9;
  options.log = "/tmp/l";
  CHECK(words("kvm", "a", options) ==
        "a: -v 1 -m 64 -t 9 --log /tmp/l --kernel /k/bzImage --modules /k/modules /x/a.elf");
  CHECK(words("xen", "a", options) == "a: -v 1 -m 64 -t 9 --log /tmp/l /x/a.elf");
}

TEST_CASE("an answer is a transcript, one guest that did not power off is no error") {
  Scripts scripts;
  scripts.write("xen-oracle", "echo '# Xen 9'; echo 'a: 1'; echo 'a= crash'; exit 1");
  const auto answer = run_real(*find_real_one("xen"), run_of("a"), {"/x/a.elf"}, scripts.options());
  REQUIRE(answer.has_value());
  CHECK(answer->versions == "Xen 9");
  CHECK(answer->lines == std::vector<std::string>{"a: 1", "a= crash"});
}

TEST_CASE("what went wrong is told in the script's last words, by kind") {
  Scripts scripts;
  const auto refused = [&](const char* body) {
    scripts.write("kvm-oracle", body);
    const auto answer = run_real(*find_real_one("kvm"), run_of("a"), {"/x/a.elf"}, scripts.options());
    REQUIRE_FALSE(answer.has_value());
    return answer.error();
  };
  CHECK(refused("echo first >&2; echo 'kvm-oracle: no QEMU' >&2; exit 3").message == "kvm-oracle: no QEMU");
  CHECK(refused("echo no >&2; exit 3").kind == ErrorKind::kEnvironment);
  CHECK(refused("echo no >&2; exit 2").kind == ErrorKind::kInput);
  CHECK(refused("kill -9 $$").message == "kvm-oracle died (137)");
  const std::string other = refused("echo hello").message;
  CHECK(other.find("/kvm-oracle printed no transcript") != std::string::npos);
  CHECK(other.find("XENSIM_ORACLES") != std::string::npos);
  CHECK(refused("echo '# KVM'").kind == ErrorKind::kInput);  // no line of a guest
}

TEST_CASE("KVM has one domain") {
  Scripts scripts;
  for (const char* words : {"--together a b", "--hvm a", "--event-channels 99 a"}) {
    const auto answer = run_real(*find_real_one("kvm"), run_of(words), {"/x/a.elf"}, scripts.options());
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().kind == ErrorKind::kInput);
  }
}

TEST_CASE("there is nobody else to ask") {
  CHECK(find_real_one("hyperv") == nullptr);
  CHECK(all_real_ones().size() == 2);
}

}  // namespace
}  // namespace xensim::sim
