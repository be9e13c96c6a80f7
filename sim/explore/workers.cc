// See workers.h.
#include "sim/explore/workers.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace xensim::sim {

namespace {

constexpr uint64_t kNone = ~uint64_t{0};

// All of it, or false: the other side is gone.
bool read_all(int pipe, void* to, size_t bytes) {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::read(pipe, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int pipe, const void* from, size_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = ::write(pipe, at, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += put;
    bytes -= static_cast<size_t>(put);
  }
  return true;
}

// On the wire: two numbers, how many points follow and which schedule failed, then the points.
bool write_result(int pipe, const ShareResult& result) {
  const std::array<uint64_t, 2> head = {result.points.size(), result.failed.value_or(kNone)};
  return write_all(pipe, head.data(), sizeof head) &&
         write_all(pipe, result.points.data(), result.points.size() * sizeof(uint64_t));
}

bool read_result(int pipe, ShareResult& result) {
  std::array<uint64_t, 2> head{};
  if (!read_all(pipe, head.data(), sizeof head)) return false;
  if (head[1] != kNone) result.failed = head[1];
  result.points.resize(head[0]);
  return read_all(pipe, result.points.data(), head[0] * sizeof(uint64_t));
}

// A worker's life. Leaves without what the caller's end would do: its files and buffers are the caller's.
[[noreturn]] void work(int in, int out, const Workers::Run& run) {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  Share share;
  while (read_all(in, &share, sizeof share)) {
    try {
      if (!write_result(out, run(share))) _exit(0);
    } catch (...) {
      _exit(1);
    }
  }
  _exit(0);
}

}  // namespace

Result<std::unique_ptr<Workers>> Workers::start(unsigned count, const Run& run) {
  std::unique_ptr<Workers> workers(new Workers());
  for (unsigned i = 0; i < count; ++i) XS_TRY_STATUS(workers->add(run));
  return workers;
}

Status Workers::add(const Run& run) {
  int to[2], from[2];
  if (pipe(to) != 0) return environment_error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  if (pipe(from) != 0) {
    close(to[0]);
    close(to[1]);
    return environment_error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  }
  const pid_t process = fork();
  if (process == 0) {
    // Ends of others' pipes in here would keep those others alive when the caller is gone.
    for (const Worker& other : workers_) {
      close(other.to);
      close(other.from);
    }
    close(to[1]);
    close(from[0]);
    work(to[0], from[1], run);
  }
  close(to[0]);
  close(from[1]);
  workers_.push_back({process, to[1], from[0]});
  if (process < 0) return environment_error(fmt::format("cannot start a process: {}", std::strerror(errno)));
  return {};
}

Workers::~Workers() {
  for (const Worker& worker : workers_) {
    close(worker.to);  // an idle worker sees the end of its pipe and goes
    close(worker.from);
    if (worker.process > 0) kill(worker.process, SIGTERM);  // one at work would go on for a while
  }
  for (const Worker& worker : workers_) {
    if (worker.process > 0) waitpid(worker.process, nullptr, 0);
  }
}

Error Workers::death_of(Worker& worker, const Share& share) {
  int status = 0;
  waitpid(worker.process, &status, 0);
  worker.process = -1;
  return {ErrorKind::kEnvironment,
          fmt::format(
              "a process that ran every {}. schedule from {} to {} ended with {} {}; --jobs 1 runs them in this one",
              share.step, share.first + 1, share.end, WIFSIGNALED(status) ? "signal" : "status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status))};
}

Result<std::vector<ShareResult>> Workers::run(uint64_t first, uint64_t end, uint64_t length) {
  std::vector<Share> shares;
  for (size_t i = 0; i < workers_.size(); ++i) shares.push_back({first + i, workers_.size(), end, length});
  struct Quiet {  // a worker that died must be an error, not this process's end
    void (*before)(int) = std::signal(SIGPIPE, SIG_IGN);
    ~Quiet() { std::signal(SIGPIPE, before); }
  } quiet;
  for (size_t i = 0; i < workers_.size(); ++i) write_all(workers_[i].to, &shares[i], sizeof(Share));
  std::vector<ShareResult> results(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (!read_result(workers_[i].from, results[i])) return tl::unexpected(death_of(workers_[i], shares[i]));
  }
  return results;
}

}  // namespace xensim::sim
