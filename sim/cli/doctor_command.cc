// xensim doctor: what this machine offers to xensim, one line each; what is not there says what it would be for.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/soft/soft_machine.h"

namespace xensim::sim {

namespace {

namespace fs = std::filesystem;

struct Finding {
  std::string subject;
  std::string state;  // ok, skipped, missing, off
  std::string detail;
};

class ScopedFd {
 public:
  explicit ScopedFd(int fd) : fd_(fd) {}
  ~ScopedFd() {
    if (fd_ >= 0) close(fd_);
  }
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

Finding check_software_cpu() { return {"software CPU", "ok", SoftMachine::engine_version()}; }

Finding check_fast_paths() {
  const std::string why = SoftMachine::why_engine_is_plain();
  if (!why.empty())
    return {"fast paths", "off", why + ": guests run as with --engine plain, slower, with the same results"};
  return {"fast paths", "ok", "all: blocks count themselves, TLB entries and next blocks are found without the engine"};
}

// The vendor of the hypervisor below, as far as the host tells.
std::string kvm_kind() {
  std::string kind = fs::exists("/sys/module/kvm_amd")     ? "AMD SVM"
                     : fs::exists("/sys/module/kvm_intel") ? "Intel VMX"
                                                           : "unknown kind";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("flags") && line.find(" hypervisor") != std::string::npos) return kind + ", nested";
  }
  return kind;
}

Finding check_kvm() {
  const char* subject = "/dev/kvm";
  const ScopedFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm) return {subject, "skipped", fmt::format("cannot be opened: {}", std::strerror(errno))};
  const int version = ioctl(kvm.get(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION)
    return {subject, "skipped", fmt::format("API version {}, {} is needed", version, KVM_API_VERSION)};
  const ScopedFd machine(ioctl(kvm.get(), KVM_CREATE_VM, 0));
  if (!machine) return {subject, "skipped", fmt::format("no machine can be made: {}", std::strerror(errno))};
  const int xen = ioctl(kvm.get(), KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);
  if (xen <= 0) return {subject, "skipped", fmt::format("{}, without CONFIG_KVM_XEN", kvm_kind())};
  return {subject, "ok", fmt::format("{}, KVM_CAP_XEN_HVM 0x{:x}", kvm_kind(), xen)};
}

// The first of the programs that is in PATH; empty: none.
std::string find_program(std::initializer_list<const char*> names) {
  const char* path = std::getenv("PATH");
  if (path == nullptr) return {};
  for (const char* name : names) {
    std::string_view rest = path;
    while (!rest.empty()) {
      const size_t colon = std::min(rest.find(':'), rest.size());
      const std::string file = (fs::path(rest.substr(0, colon)) / name).string();
      if (access(file.c_str(), X_OK) == 0) return file;
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  return {};
}

Finding check_program(const char* subject, std::initializer_list<const char*> names, const char* purpose) {
  const std::string found = find_program(names);
  if (found.empty())
    return {subject, "missing", fmt::format("none of {} in PATH: {}", fmt::join(names, ", "), purpose)};
  return {subject, "ok", found};
}

Finding count_files(const char* subject, const std::string& folder, const char* extension, const char* purpose) {
  size_t count = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == extension) ++count;
  }
  if (count == 0) return {subject, "missing", fmt::format("none in {}: {}", short_path(folder), purpose)};
  return {subject, "ok", fmt::format("{} in {}", count, short_path(folder))};
}

class DoctorCommand final : public Command {
 public:
  void declare(CLI::App&) override {}

  Result<Report> run(Output& output) override {
    const Finding findings[] = {
        check_software_cpu(),
        check_fast_paths(),
        check_kvm(),
        check_program("gcc", {"g++-12", "g++-14", "g++"}, "builds xensim"),
        check_program("clang", {"clang++-14", "clang++-19", "clang++"}, "builds the sanitizer presets"),
        count_files("guest programs", install_paths().guests, ".elf", "build them with ./xensim"),
        count_files("scenarios", install_paths().scenarios, ".toml", "they come with the sources"),
        check_program("oracles", {"qemu-system-x86_64"}, "runs the real Xen and the real KVM for comparison"),
    };
    Report report;
    report.items = nlohmann::ordered_json::array();
    for (const Finding& finding : findings) {
      const std::string state = finding.state == "ok" ? "" : finding.state + ": ";
      output.print(fmt::format("{:<15} {}{}", finding.subject, state, finding.detail));
      report.items->push_back({{"subject", finding.subject}, {"state", finding.state}, {"detail", finding.detail}});
    }
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> make_doctor_command() { return std::make_unique<DoctorCommand>(); }

}  // namespace xensim::sim
