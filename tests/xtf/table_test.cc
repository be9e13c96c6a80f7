// The script `table`, with a program of the test's own in the place of xensim: what it runs, what it takes for a
// verdict, and the table it prints.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/process/spawn.h"

namespace xensim::sim {
namespace {

namespace fs = std::filesystem;

// A folder of built tests, and a stand-in for xensim that says what the test's name asks for.
class Folder {
 public:
  Folder() {
    REQUIRE(mkdtemp(path_.data()) != nullptr);
    fs::create_directory(path_ + "/built");
    const std::string program = path_ + "/program";
    std::ofstream(program) << "#!/bin/bash\necho \"$*\" >>'" << path_ << "/log'\n"
                           << "case $2 in *-good) echo 'Test result: SUCCESS';; *-bad) echo 'Test result: FAILURE';;\n"
                           << "  *-kvm*) [[ $* != *--flavour\\ kvm* ]] || exit 1; echo 'Test result: SKIP';;\n"
                           << "  *-refused) exit 2;; *-hangs) sleep 60;; esac\n";
    fs::permissions(program, fs::perms::owner_all);
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void file(const std::string& name, const std::string& text) const { std::ofstream(path_ + "/" + name) << text; }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(at(name)).rdbuf();
    return text.str();
  }
  // Both streams, and the exit status.
  Spawned table(const std::string& words) const {
    const std::string command =
        std::string(XENSIM_SOURCE_DIR "/tests/xtf/table --program '") + path_ + "/program' " + words + " 2>&1";
    auto ran = spawn({"/bin/bash", "-c", command}, [](const std::string&) {});
    REQUIRE(ran.has_value());
    return *ran;
  }

 private:
  std::string path_ = (fs::temp_directory_path() / "xensim-table-XXXXXX").string();
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

constexpr const char* kHead =
    "| test | environments | xensim, xen-pvh | xensim, xen-hvm | xensim, kvm |\n|---|---|---|---|---|\n";

TEST_CASE("each test is run in three ways, and environments with equal verdicts share a line") {
  Folder folder;
  for (const char* name : {"hvm64-good", "hvm32-good", "hvm32pae-bad"})
    folder.file("built/test-" + std::string(name), "");
  const Spawned ran = folder.table("--tsv " + folder.at("ours.tsv") + " " + folder.at("built"));
  CHECK(ran.status == 0);
  CHECK(ran.out == std::string(kHead) + "| bad | hvm32pae | FAILURE | FAILURE | FAILURE |\n" +
                       "| good | hvm32, hvm64 | SUCCESS | SUCCESS | SUCCESS |\n");
  CHECK(has(folder.read("log"), "/test-hvm64-good --set guest.0.platform=pvh --flavour xen --set guest.0.type=hvm\n"));
  CHECK(has(folder.read("ours.tsv"), "hvm64\tgood\tSUCCESS\tSUCCESS\tSUCCESS\n"));
}

TEST_CASE("what ends without a verdict is said, and makes the status 1") {
  Folder folder;
  for (const char* name : {"kvm-dies", "refused", "hangs"}) folder.file("built/test-hvm64-" + std::string(name), "");
  const Spawned ran = folder.table("--limit 1 --jobs 3 " + folder.at("built"));
  CHECK(ran.status == 1);
  CHECK(has(ran.out, "| kvm-dies | hvm64 | SKIP | SKIP | crash |\n"));
  CHECK(has(ran.out, "| refused | hvm64 | refused | refused | refused |\n"));
  CHECK(has(ran.out, "| hangs | hvm64 | no end | no end | no end |\n"));
}

TEST_CASE("what XTF says of a test's domain is kept, where it is wanted") {
  Folder folder;
  folder.file("built/test-hvm32-good", "");
  folder.file("test-hvm32-good.cfg", "vcpus=1\nviridian = [ \"base\" ]\nvcpus = 3\n");
  CHECK(folder.table("--configs " + folder.at(".") + " " + folder.at("built")).status == 0);
  CHECK(has(folder.read("log"), "--set guest.0.type=hvm --set guest.0.viridian=[ \"base\" ]\n"));
  CHECK(has(folder.read("log"), "--set guest.0.vcpus=3 --flavour kvm\n"));
}

TEST_CASE("verdicts of real machines stand beside ours") {
  Folder folder;
  folder.file("built/test-hvm64-good", "");
  folder.file("real.tsv", "env\ttest\tverdict\tended\nhvm64\tgood\t-\tcrash\nhvm32\tgood\tSKIP\tpoweroff\n");
  const Spawned ran = folder.table("--real 'the real Xen'=" + folder.at("real.tsv") + " " + folder.at("built"));
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "| xensim, kvm | the real Xen |\n"));
  CHECK(has(ran.out, "| good | hvm64 | SUCCESS | SUCCESS | SUCCESS | crash |\n"));
}

TEST_CASE("bad words are one line and status 2") {
  Folder folder;
  folder.file("wrong.tsv", "a\tb\n");
  folder.file("built/README", "");
  for (const std::string& words :
       {std::string(), folder.at("nowhere"), folder.at("built"), std::string("--limit"),
        "--limit 0 " + folder.at("built"), "--jobs x " + folder.at("built"), std::string("--what"),
        "--real x " + folder.at("built"), "--real x=" + folder.at("wrong.tsv") + " " + folder.at("built"),
        "--configs /nowhere " + folder.at("built")}) {
    CAPTURE(words);
    const Spawned ran = folder.table(words);
    CHECK(ran.status == 2);
    CHECK(ran.out.starts_with("table: "));
    CHECK(ran.out.find('\n') == ran.out.size() - 1);
  }
}

}  // namespace
}  // namespace xensim::sim
