// Workers: processes that run shares of the schedules of one exploration. Which schedule fails first and what is
// counted does not depend on how many there are.
//
// They are forks of the caller, so each has the machine as the caller made it. The caller's thread alone may use this.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "models/base/result.h"

namespace xensim::sim {

// Schedules first, first + step, and so on below `end`, numbered from 0.
struct Share {
  uint64_t first = 0, step = 1, end = 0;
  uint64_t length = 0;  // points in a schedule, for strategies that want to know
};

struct ShareResult {
  std::vector<uint64_t> points;    // of each schedule that was run
  std::optional<uint64_t> failed;  // the number of the first that failed, where it ended
};

class Workers {
 public:
  using Run = std::function<ShareResult(const Share&)>;

  // kEnvironment: the host gives no process or no pipe.
  static Result<std::unique_ptr<Workers>> start(unsigned count, const Run& run);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Schedules [first, end), worker n of N taking first + n, first + n + N and so on; results by worker. kEnvironment:
  // one of them died.
  Result<std::vector<ShareResult>> run(uint64_t first, uint64_t end, uint64_t length);

 private:
  struct Worker {
    pid_t process = -1;
    int to = -1, from = -1;  // pipes
  };
  Workers() = default;
  Status add(const Run& run);
  Error death_of(Worker& worker, const Share& share);

  std::vector<Worker> workers_;
};

}  // namespace xensim::sim
