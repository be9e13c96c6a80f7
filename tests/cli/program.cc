// See program.h.
#include "tests/cli/program.h"

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace xensim {

namespace fs = std::filesystem;

namespace {

struct Scratch {
  std::string path = (fs::temp_directory_path() / "xensim-cli-test-XXXXXX").string();
  Scratch() {
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no scratch folder");
  }
  ~Scratch() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

// In the child: never returns.
[[noreturn]] void become(const std::vector<std::string>& args, const std::string& folder, const std::string& out,
                         const std::string& err) {
  std::vector<std::string> words = {XENSIM_BINARY_DIR "/sim/xensim"};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int in = open("/dev/null", O_RDONLY);
  const int to_out = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int to_err = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const bool ready = in >= 0 && to_out >= 0 && to_err >= 0 && dup2(in, 0) == 0 && dup2(to_out, 1) == 1 &&
                     dup2(to_err, 2) == 2 && chdir(folder.c_str()) == 0;
  if (ready) execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

const std::string& scratch_folder() {
  static const Scratch scratch;
  return scratch.path;
}

std::string scratch_file(const std::string& name, const std::string& bytes) {
  const std::string path = scratch_folder() + "/" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

namespace {

Ran run_child(const std::vector<std::string>& args, const std::string& folder, bool fixed_addresses) {
  const std::string out = scratch_folder() + "/out", err = scratch_folder() + "/err";
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    if (fixed_addresses && personality(ADDR_NO_RANDOMIZE) == -1) _exit(126);
    become(args, folder.empty() ? scratch_folder() : folder, out, err);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(out), read_text(err)};
}

}  // namespace

Ran run_program(const std::vector<std::string>& args, const std::string& folder) {
  return run_child(args, folder, false);
}

Ran run_program_at_fixed_addresses(const std::vector<std::string>& args) { return run_child(args, {}, true); }

}  // namespace xensim
