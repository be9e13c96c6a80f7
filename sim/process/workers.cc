// See workers.h.
#include "sim/process/workers.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>

#include "sim/process/child_process.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kNone = ~uint64_t{0};

// On the wire: two numbers, how many points follow and which schedule failed, then the points.
bool write_result(int pipe, const ShareResult& result) {
  const std::array<uint64_t, 2> head = {result.points.size(), result.failed.value_or(kNone)};
  return write_all(pipe, std::as_bytes(std::span(head))) && write_all(pipe, std::as_bytes(std::span(result.points)));
}

bool read_result(int pipe, ShareResult& result) {
  std::array<uint64_t, 2> head{};
  if (!read_all(pipe, std::as_writable_bytes(std::span(head)))) return false;
  if (head[1] != kNone) result.failed = head[1];
  result.points.resize(head[0]);
  return read_all(pipe, std::as_writable_bytes(std::span(result.points)));
}

// A worker's life. Leaves without what the caller's end would do: its files and buffers are the caller's.
[[noreturn]] void work(int in, int out, const Workers::Run& run) {
  take_default_signals();
  Share share;
  while (read_all(in, std::as_writable_bytes(std::span(&share, 1)))) {
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
  return {
      ErrorKind::kEnvironment,
      fmt::format("a process that ran every {}. schedule from {} to {} ended with {}; --jobs 1 runs them in this one",
                  share.step, share.first + 1, share.end, how_it_ended(status))};
}

Result<std::vector<ShareResult>> Workers::run(uint64_t first, uint64_t end, uint64_t length) {
  std::vector<Share> shares;
  for (size_t i = 0; i < workers_.size(); ++i) shares.push_back({first + i, workers_.size(), end, length});
  struct Quiet {  // a worker that died must be an error, not this process's end
    void (*before)(int) = std::signal(SIGPIPE, SIG_IGN);
    ~Quiet() { std::signal(SIGPIPE, before); }
  } quiet;
  for (size_t i = 0; i < workers_.size(); ++i) write_all(workers_[i].to, std::as_bytes(std::span(&shares[i], 1)));
  std::vector<ShareResult> results(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (!read_result(workers_[i].from, results[i])) return tl::unexpected(death_of(workers_[i], shares[i]));
  }
  return results;
}

}  // namespace xensim::sim
