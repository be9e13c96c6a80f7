// See machine_fork.h.
#include "sim/process/machine_fork.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sim/machine/outcome_fields.h"
#include "sim/process/child_process.h"

namespace xensim::sim {

namespace {

std::vector<std::byte> read_to_end(int pipe) {
  std::vector<std::byte> bytes;
  std::array<std::byte, 16384> block{};
  for (;;) {
    const ssize_t got = ::read(pipe, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.insert(bytes.end(), block.begin(), block.begin() + got);
  }
}

// The copy's life. It leaves without what the caller's end would do: files and buffers are the caller's.
[[noreturn]] void live(int out, const std::function<void()>& job, const std::function<void(StateArchive&)>& fields) {
  take_default_signals();
  try {
    job();
    StateWriter ar;
    fields(ar);
    _exit(write_all(out, ar.out) ? 0 : 1);
  } catch (...) {
    _exit(2);
  }
}

}  // namespace

Status run_in_copy(const std::function<void()>& job, const std::function<void(StateArchive&)>& fields) {
  int ends[2];
  if (pipe(ends) != 0) return environment_error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  const pid_t process = fork();
  if (process == 0) {
    close(ends[0]);
    live(ends[1], job, fields);
  }
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return environment_error(fmt::format("cannot start a process: {}", std::strerror(errno)));
  }
  const std::vector<std::byte> bytes = read_to_end(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return input_error("a copy of the process ended with " + how_it_ended(status));
  }
  StateReader ar(bytes);
  fields(ar);
  if (!ar.ok()) return input_error("a copy of the process gave no whole result: " + ar.why());
  return {};
}

Outcome run_in_copy(Machine& machine, Strategy& strategy, const std::function<void(StateArchive&)>& more) {
  Outcome outcome;
  const Status ran = run_in_copy(
      [&] {
        machine.set_strategy(strategy);
        outcome = machine.run();
      },
      [&](StateArchive& ar) {
        outcome_fields(ar, outcome);
        if (more) more(ar);
      });
  if (ran) return outcome;
  outcome = Outcome{};
  outcome.failure = Failure{FailureKind::kCheck, ran.error().message, "xensim itself", ""};
  return outcome;
}

}  // namespace xensim::sim
