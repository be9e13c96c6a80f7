// See spawn.h.
#include "sim/process/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace xensim::sim {

namespace {

// Both ends close on exec; the child's copies are made by the spawn actions.
class Pipe {
 public:
  Pipe() { ok_ = pipe2(ends_, O_CLOEXEC) == 0; }
  ~Pipe() {
    for (int i = 0; i < 2; ++i) close_end(i);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool ok() const { return ok_; }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_end(int which) {
    if (ends_[which] >= 0) close(ends_[which]);
    ends_[which] = -1;
  }
  // Appends what is there; at the end closes the reading end.
  void drain(std::string& text) {
    char bytes[4096];
    const ssize_t n = read(ends_[0], bytes, sizeof bytes);
    if (n > 0) text.append(bytes, static_cast<size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) close_end(0);
  }

 private:
  int ends_[2] = {-1, -1};
  bool ok_ = false;
};

int start(pid_t& child, const std::vector<std::string>& argv, const Pipe& out, const Pipe& err) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.write_end(), 2);
  const int error = posix_spawn(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Gives the whole lines of `text` away, and keeps the rest.
void take_lines(std::string& text, Spawned& spawned, const std::function<void(const std::string&)>& on_note) {
  for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
    spawned.last_note = text.substr(0, end);
    on_note(spawned.last_note);
  }
}

}  // namespace

Result<Spawned> spawn(const std::vector<std::string>& argv, const std::function<void(const std::string&)>& on_note) {
  Pipe out, err;
  if (!out.ok() || !err.ok()) return environment_error(fmt::format("no pipe: {}", std::strerror(errno)));
  pid_t child = 0;
  const int error = start(child, argv, out, err);
  if (error != 0) return environment_error(fmt::format("{}: cannot be started: {}", argv[0], std::strerror(error)));
  out.close_end(1);
  err.close_end(1);

  Spawned spawned;
  std::string notes;
  while (out.read_end() >= 0 || err.read_end() >= 0) {
    pollfd fds[] = {{out.read_end(), POLLIN, 0}, {err.read_end(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0) out.drain(spawned.out);
    if (fds[1].revents != 0) err.drain(notes);
    take_lines(notes, spawned, on_note);
  }
  if (!notes.empty()) take_lines(notes += '\n', spawned, on_note);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  spawned.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return spawned;
}

}  // namespace xensim::sim
