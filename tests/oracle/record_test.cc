// The script `record`, with scripts of the test's own in the place of the real ones: what it asks, writes and compares,
// and that it goes on where a machine gives no answer.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/process/spawn.h"

namespace xensim::sim {
namespace {

namespace fs = std::filesystem;

const std::string kRecorded = XENSIM_SOURCE_DIR "/tests/oracle/";

// A folder with stand-ins for the oracles, and one for what is written.
class Folder {
 public:
  Folder() {
    REQUIRE(mkdtemp(path_.data()) != nullptr);
    fs::create_directory(path_ + "/out");
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void script(const std::string& name, const std::string& body) const {
    const std::string file = path_ + "/" + name;
    std::ofstream(file) << "#!/bin/bash\n" << body << "\n";
    fs::permissions(file, fs::perms::owner_all);
  }
  // Both streams, and the exit status.
  Spawned record(const std::string& words) const {
    const std::string command = "XENSIM_ORACLES='" + path_ + "' '" + kRecorded + "record' " + words + " 2>&1";
    auto ran = spawn({"/bin/bash", "-c", command}, [](const std::string&) {});
    REQUIRE(ran.has_value());
    return *ran;
  }
  std::string out() const { return path_ + "/out"; }
  std::string written(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(out() + "/" + name).rdbuf();
    return text.str();
  }

 private:
  std::string path_ = (fs::temp_directory_path() / "xensim-record-XXXXXX").string();
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// Says with what words it was called, and ends well.
const char* const kEcho = R"(echo "# It 1"; echo "a: $*"; echo "a= poweroff"; echo "b: 2"; echo "b= poweroff")";

TEST_CASE("each program gets a transcript of its own, with what was run") {
  Folder folder;
  folder.script("xen-oracle", kEcho);
  folder.script("kvm-oracle", kEcho);
  const Spawned ran = folder.record("--guests /x --vcpus 2 --limit 9 --out " + folder.out() + " a b");
  CHECK(ran.status == 0);
  CHECK(folder.written("a.kvm.txt") ==
        "# It 1\n# run: --vcpus 2 a\na: -t 9 -v 2 -m 64 /x/a.elf /x/b.elf\na= poweroff\n");
  CHECK(folder.written("b.xen.txt") == "# It 1\n# run: --vcpus 2 b\nb: 2\nb= poweroff\n");
}

TEST_CASE("event channels are asked of Xen alone, as xl has them") {
  Folder folder;
  folder.script("xen-oracle", kEcho);
  folder.script("kvm-oracle", "exit 3");
  const Spawned ran = folder.record("--guests /x --event-channels 5000 --out " + folder.out() + " a");
  CHECK(ran.status == 0);
  CHECK(has(folder.written("a.xen.txt"), "# run: --event-channels 5000 a\na: -x max_event_channels=5000 -t 600"));
  CHECK_FALSE(fs::exists(folder.out() + "/a.kvm.txt"));
}

TEST_CASE("a machine that gives no answer is named, and the others are asked all the same") {
  Folder folder;
  folder.script("xen-oracle", "echo dead >&2; exit 3");
  folder.script("kvm-oracle", kEcho);
  const Spawned ran = folder.record("--guests /x --out " + folder.out() + " a b");
  CHECK(ran.status == 3);
  CHECK(has(ran.out, "record: no answer: a b (--with xen)"));
  CHECK_FALSE(fs::exists(folder.out() + "/a.xen.txt"));
  CHECK(has(folder.written("a.kvm.txt"), "a= poweroff"));
}

TEST_CASE("--check says of each transcript whether it is the same") {
  Folder folder;
  const auto answers = [](const std::string& transcript) { return "grep -v '^# run' " + kRecorded + transcript; };
  folder.script("xen-oracle", answers("hello.xen.txt"));
  folder.script("kvm-oracle", answers("hello.kvm.txt"));
  const Spawned same = folder.record("--check --guests /x hello.xen hello.kvm");
  CHECK(same.status == 0);
  CHECK(has(same.out, "same: hello.kvm\n2 transcripts the same, 0 differ, 0 without an answer\n"));

  folder.script("kvm-oracle", answers("hello.xen.txt"));
  const Spawned other = folder.record("--check --guests /x hello.xen hello.kvm");
  CHECK(other.status == 1);
  CHECK(has(other.out, "-hello: XENVER_get_features 0: 0, 0x707\n"));
  CHECK(has(other.out, "1 transcripts the same, 1 differ, 0 without an answer\n"));

  folder.script("kvm-oracle", "exit 3");
  const Spawned silent = folder.record("--check --guests /x hello.xen hello.kvm");
  CHECK(silent.status == 3);
  CHECK(has(silent.out, "1 transcripts the same, 0 differ, 1 without an answer\n"));
}

TEST_CASE("what cannot be asked is refused") {
  Folder folder;
  CHECK(folder.record("").status == 2);
  CHECK(folder.record("--fast a").status == 2);
  CHECK(folder.record("--with hyperv a").status == 2);
  CHECK(folder.record("--name n a b").status == 2);
}

}  // namespace
}  // namespace xensim::sim
