#include "sim/replay/core_replay.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "sim/replay/replay_platform.h"
#include "traces/describe.h"
#include "traces/recording_core.h"

namespace xensim::sim {

using traces::Event;
using traces::EventClass;

namespace {

// The largest guest that replay believes in; the core's own tables grow with it.
constexpr uint64_t kMaxRam = uint64_t{1} << 40;

// Why a trace's entry cannot be fed to a core; a user's mistake, so it becomes an Error.
struct BadEntry {
  std::string why;
};

class Replay {
 public:
  Replay(traces::TraceReader& reader, const MakeCore& make_core, const xen::Flavour& flavour)
      : reader_(reader),
        platform_(reader, outcome_),
        core_(make_core(platform_, flavour)),
        tasks_(reader.info().actors.size()) {}

  Result<ReplayOutcome> run(const std::function<bool()>& out_of_time);

 private:
  // One actor's entry into the core.
  struct Task {
    Replay* replay = nullptr;
    std::unique_ptr<Fiber> fiber;
    bool active = false;
    traces::EventBody entry;
    xen::DomainConfig config;     // of create_domain
    std::vector<std::byte> data;  // of host_op
  };

  static void run_task(void* argument);
  void begin(Task& task, const Event& event);
  void enter(Task& task);
  void unwind();
  void check_vcpu(VcpuRef vcpu) const;
  void check_entry(const traces::EventBody& entry) const;
  xen::DomainConfig domain_config(const traces::CreateDomainBegin& entry) const;

  void call(const traces::CreateDomainBegin& entry, const xen::DomainConfig& config);
  void call(const traces::HypercallBegin& entry);
  void call(const traces::WriteMsrBegin& entry);
  void call(const traces::ReadMsrBegin& entry);
  void call(const traces::CpuidBegin& entry);
  void call(const traces::BeforeHaltBegin& entry);
  void call(const traces::HaltBegin& entry);
  void call(const traces::WakeBegin& entry);
  void call(const traces::IsRunnableBegin& entry);
  void call(const traces::SetHvmParamBegin& entry);
  void call(const traces::PendingUpcallBegin& entry);
  void call(const traces::LapicEnabledBegin& entry);
  void call(const traces::BeforeRunBegin& entry);
  void call(const traces::TimerExpiredBegin& entry);
  void call(const traces::ExternalEventBegin& entry);
  void call(const traces::HostOpBegin& entry);
  void call(const traces::SoftResetBegin& entry);
  void call(const traces::PreemptedBegin& entry);
  // The entry returned nothing: the trace must say that it returned.
  template <class End>
  void returned() {
    platform_.expect(End{});
    platform_.consume();
  }

  traces::TraceReader& reader_;
  ReplayOutcome outcome_;
  ReplayPlatform platform_;
  xen::CoreInstance core_;
  std::vector<Task> tasks_;            // by actor
  std::map<DomId, uint32_t> domains_;  // number of vCPUs of each domain that was made
};

void Replay::check_vcpu(VcpuRef vcpu) const {
  const auto domain = domains_.find(vcpu.dom);
  if (domain == domains_.end() || vcpu.vcpu.v >= domain->second) {
    throw BadEntry{fmt::format("it names {}, which was never made", traces::describe_vcpu(vcpu))};
  }
}

void Replay::check_entry(const traces::EventBody& entry) const {
  std::visit(
      [this](const auto& body) {
        if constexpr (requires { body.vcpu.dom; }) check_vcpu(body.vcpu);
        if constexpr (
            requires {
              body.port;
              body.dom;
            } ||
            requires {
              body.index;
              body.dom;
            }) {
          if (domains_.count(body.dom) == 0)
            throw BadEntry{fmt::format("it names d{}, which was never made", body.dom.v)};
        }
      },
      entry);
  const auto* param = std::get_if<traces::SetHvmParamBegin>(&entry);
  if (param != nullptr && param->index >= xen::kHvmParamCount) throw BadEntry{"there is no such parameter"};
}

xen::DomainConfig Replay::domain_config(const traces::CreateDomainBegin& entry) const {
  xen::DomainConfig config;
  config.id = entry.dom;
  config.vcpus = entry.vcpus;
  config.max_event_channels = entry.max_event_channels;
  config.reserved_ports = entry.reserved_ports;
  config.max_grant_frames = entry.max_grant_frames;
  config.max_maptrack_frames = entry.max_maptrack_frames;
  config.privileged = entry.privileged;
  std::optional<std::vector<xen::RamRange>> ram = traces::unpack_ram(entry.ram);
  if (!ram) throw BadEntry{"its list of RAM is cut off"};
  uint64_t left = kMaxRam;
  for (const xen::RamRange& range : *ram) {
    if (range.bytes > left || range.start.v > UINT64_MAX - range.bytes || range.base.v > UINT64_MAX - range.bytes) {
      throw BadEntry{"its RAM is larger than any guest's"};
    }
    left -= range.bytes;
  }
  config.ram = std::move(*ram);
  return config;
}

void Replay::call(const traces::CreateDomainBegin& /*entry*/, const xen::DomainConfig& config) {
  const traces::CreateDomainEnd got{core_.api->create_domain(config).has_value()};
  platform_.check(platform_.expect(got).ok == got.ok, got);
  platform_.consume();
  if (got.ok) domains_[config.id] = config.vcpus;
}

void Replay::call(const traces::SetHvmParamBegin& entry) {
  core_.api->set_hvm_param(entry.dom, entry.index, entry.value);
  returned<traces::SetHvmParamEnd>();
}

void Replay::call(const traces::HypercallBegin& entry) {
  const traces::HypercallEnd got{core_.api->hypercall(entry.vcpu, traces::regs_of(entry))};
  platform_.check(platform_.expect(got).result == got.result, got);
  platform_.consume();
}

void Replay::call(const traces::WriteMsrBegin& entry) {
  const traces::WriteMsrEnd got{core_.api->write_msr(entry.vcpu, entry.msr, entry.value, entry.mode64)};
  platform_.check(platform_.expect(got).ok == got.ok, got);
  platform_.consume();
}

void Replay::call(const traces::ReadMsrBegin& entry) {
  const std::optional<uint64_t> value = core_.api->read_msr(entry.vcpu, entry.msr);
  const traces::ReadMsrEnd got{value.has_value(), value.value_or(0)};
  const traces::ReadMsrEnd& event = platform_.expect(got);
  platform_.check(event.ok == got.ok && event.value == got.value, got);
  platform_.consume();
}

void Replay::call(const traces::CpuidBegin& entry) {
  const std::optional<xen::XenCpuidResult> result = core_.api->cpuid(entry.vcpu, entry.leaf, entry.subleaf);
  const xen::XenCpuidResult regs = result.value_or(xen::XenCpuidResult{});
  const traces::CpuidEnd got{result.has_value(), regs.eax, regs.ebx, regs.ecx, regs.edx};
  const traces::CpuidEnd& event = platform_.expect(got);
  platform_.check(event.ok == got.ok && event.eax == got.eax && event.ebx == got.ebx && event.ecx == got.ecx &&
                      event.edx == got.edx,
                  got);
  platform_.consume();
}

void Replay::call(const traces::BeforeHaltBegin& entry) {
  core_.api->before_halt(entry.vcpu);
  returned<traces::BeforeHaltEnd>();
}

void Replay::call(const traces::HaltBegin& entry) {
  core_.api->halt(entry.vcpu, entry.interrupts_enabled);
  returned<traces::HaltEnd>();
}

void Replay::call(const traces::WakeBegin& entry) {
  core_.api->wake(entry.vcpu, entry.bring_up);
  returned<traces::WakeEnd>();
}

void Replay::call(const traces::IsRunnableBegin& entry) {
  const traces::IsRunnableEnd got{core_.api->is_runnable(entry.vcpu)};
  platform_.check(platform_.expect(got).runnable == got.runnable, got);
  platform_.consume();
}

void Replay::call(const traces::PendingUpcallBegin& entry) {
  const std::optional<xen::PendingUpcall> upcall = core_.api->pending_upcall(entry.vcpu);
  const traces::PendingUpcallEnd got{upcall.has_value(), upcall ? upcall->vector : uint8_t{0}};
  const traces::PendingUpcallEnd& event = platform_.expect(got);
  platform_.check(event.pending == got.pending && event.vector == got.vector, got);
  platform_.consume();
}

void Replay::call(const traces::LapicEnabledBegin& entry) {
  core_.api->lapic_enabled(entry.vcpu);
  returned<traces::LapicEnabledEnd>();
}

void Replay::call(const traces::BeforeRunBegin& entry) {
  core_.api->before_run(entry.vcpu);
  returned<traces::BeforeRunEnd>();
}

void Replay::call(const traces::PreemptedBegin& entry) {
  core_.api->preempted(entry.vcpu);
  returned<traces::PreemptedEnd>();
}

void Replay::call(const traces::TimerExpiredBegin& entry) {
  core_.api->timer_expired({entry.timer, entry.vcpu});
  returned<traces::TimerExpiredEnd>();
}

void Replay::call(const traces::ExternalEventBegin& entry) {
  const traces::ExternalEventEnd got{core_.api->external_event(entry.dom, entry.port)};
  platform_.check(platform_.expect(got).result == got.result, got);
  platform_.consume();
}

void Replay::call(const traces::HostOpBegin& entry) {
  std::vector<std::byte> buffer(entry.wanted);
  const xen::HostResult result = core_.api->host_op({.kind = entry.op,
                                                     .host = entry.host,
                                                     .guest = entry.guest,
                                                     .number = entry.number,
                                                     .offset = entry.offset,
                                                     .readonly = entry.readonly,
                                                     .data = entry.data,
                                                     .buffer = buffer});
  const traces::HostOpEnd got{result.status, result.number, result.at.v};
  const traces::HostOpEnd& event = platform_.expect(got);
  platform_.check(event.status == got.status && event.number == got.number && event.at == got.at, got);
  platform_.consume();
}

void Replay::call(const traces::SoftResetBegin& entry) {
  const traces::SoftResetEnd got{core_.api->soft_reset(entry.dom)};
  platform_.check(platform_.expect(got).result == got.result, got);
  platform_.consume();
}

void Replay::enter(Task& task) {
  std::visit(
      [&](const auto& entry) {
        if constexpr (requires { call(entry, task.config); }) {
          call(entry, task.config);
        } else if constexpr (requires { call(entry); }) {
          call(entry);
        }
      },
      task.entry);
}

// Runs on the task's fiber; nothing leaves it.
void Replay::run_task(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  Replay& replay = *task.replay;
  try {
    replay.enter(task);
  } catch (const ReplayStopped&) {
    replay.platform_.stop();
  } catch (const std::exception& failure) {
    if (!replay.platform_.stopped()) replay.outcome_.check_failure = failure.what();
    replay.platform_.stop();
  }
  task.active = false;
}

void Replay::begin(Task& task, const Event& event) {
  if (task.active) throw BadEntry{"its actor is still in the core"};
  if (const auto* create = std::get_if<traces::CreateDomainBegin>(&event.body)) {
    task.config = domain_config(*create);
    task.entry = traces::CreateDomainBegin{};
  } else {
    check_entry(event.body);
    task.entry = event.body;
  }
  if (auto* host_op = std::get_if<traces::HostOpBegin>(&task.entry)) {
    if (host_op->wanted > traces::kMaxBulk) throw BadEntry{"it copies more than a trace can hold"};
    // The trace's bytes are gone with its next event.
    task.data.assign(host_op->data.begin(), host_op->data.end());
    host_op->data = task.data;
  }
  if (!task.fiber) {
    task.replay = this;
    task.fiber = std::make_unique<Fiber>();
  }
  task.active = true;
  task.fiber->start(&run_task, &task);
}

// Entries that wait for events which do not come end by an exception at their next call.
void Replay::unwind() {
  platform_.stop();
  for (size_t actor = 0; actor < tasks_.size(); actor++) {
    Task& task = tasks_[actor];
    if (!task.active) continue;
    outcome_.in_flight++;
    while (task.active) platform_.run(static_cast<ActorId>(actor), *task.fiber);
  }
}

Result<ReplayOutcome> Replay::run(const std::function<bool()>& out_of_time) {
  constexpr uint64_t kAskEvery = 1024;
  std::optional<std::string> bad;
  uint64_t entries = 0;
  while (const Event* event = platform_.next()) {
    if (out_of_time && entries++ % kAskEvery == 0 && out_of_time()) {
      outcome_.out_of_time = true;
      break;
    }
    const ActorId actor = event->actor;
    Task& task = tasks_[actor];
    try {
      if (traces::kind_info(event->kind).event_class == EventClass::kEntry) {
        begin(task, *event);
        platform_.consume();
      } else if (!task.active) {
        throw BadEntry{"its actor is not in the core"};
      }
    } catch (const BadEntry& entry) {
      bad = fmt::format("{}: {}", describe_event_line(*event, reader_.info().actors), entry.why);
      break;
    }
    platform_.run(actor, *task.fiber);
  }
  unwind();
  if (bad) return input_error("the trace cannot be replayed: " + *bad);
  outcome_.trace_problem = reader_.problem();
  return std::move(outcome_);
}

}  // namespace

Result<ReplayOutcome> replay_at_core(traces::TraceReader& reader, const MakeCore& make_core,
                                     const std::function<bool()>& out_of_time) {
  XS_TRY(const xen::Flavour flavour, traces::flavour_of(reader.info().traits));
  Replay replay(reader, make_core, flavour);
  return replay.run(out_of_time);
}

std::string describe_divergence(const Divergence& divergence) {
  std::string text = fmt::format("diverged at event {}, {} at {}: they differ in {}\n", divergence.index,
                                 divergence.actor, traces::describe_time(divergence.time), divergence.difference);
  if (!divergence.before.empty()) text += "last events that were the same:\n";
  for (const std::string& line : divergence.before) text += "    " + line + "\n";
  return text + fmt::format("the trace says: {}\nthe core did:   {}\n", divergence.expected, divergence.got);
}

}  // namespace xensim::sim
