// See machine.h: construction, the run as a whole, its end.
#include "sim/machine/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "models/base/check.h"
#include "models/xen/abi/public.h"

namespace xensim::sim {

namespace {

const char* reason_name(xen::ShutdownReason reason) {
  switch (reason) {
    case xen::ShutdownReason::kPoweroff: return "poweroff";
    case xen::ShutdownReason::kReboot: return "reboot";
    case xen::ShutdownReason::kSuspend: return "suspend";
    case xen::ShutdownReason::kCrash: return "crash";
    case xen::ShutdownReason::kWatchdog: return "watchdog";
    case xen::ShutdownReason::kSoftReset: return "soft-reset";
  }
  return "unknown reason";
}

}  // namespace

Machine::Machine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory, Backend& backend)
    : backend_(backend),
      scenario_(scenario),
      flavour_(flavour),
      rings_(ring_places(flavour)),
      memory_(std::move(memory)),
      due_(actors_, scenario_),
      locks_(actors_),
      soft_resets_(actors_),
      consoles_(scenario_) {
  for (size_t i = 0; i < scenario.guests.size(); ++i) {
    Domain domain;
    domain.id = DomId{static_cast<uint16_t>(i + 1)};
    domain.config = &scenario_.guests[i];
    domain.pieces = memory_pieces(domain.config->memory_bytes, domain.config->platform != GuestPlatform::kBare);
    for (const MemoryPiece& piece : domain.pieces) domain.bytes += piece.bytes;
    domain.ram = memory_.allocate(domain.bytes);
    domains_.push_back(std::move(domain));
  }
  memory_mark_ = memory_.allocated();
  make_actors();
}

Machine::~Machine() = default;

void Machine::make_actors() {
  actors_.add({ActorKind::kMachine, {}, "machine"}, "machine");
  for (size_t d = 0; d < domains_.size(); ++d) {
    for (uint32_t v = 0; v < domains_[d].config->vcpus; ++v) {
      const VcpuRef ref{domains_[d].id, VcpuId{v}};
      Actor& actor =
          actors_.add({ActorKind::kVcpu, ref, domains_[d].config->name}, fmt::format("d{}v{}", ref.dom.v, v));
      actor.domain = static_cast<unsigned>(d);
      domains_[d].vcpus.push_back(actor.id);
    }
  }
  due_.make_actors();
}

Domain& Machine::domain_of(DomId id) {
  XS_CHECK(id.v >= 1 && id.v <= domains_.size());
  return domains_[id.v - 1];
}

std::vector<ActorInfo> Machine::actor_table() const {
  std::vector<ActorInfo> table;
  for (const auto& actor : actors_) table.push_back(actor->info);
  return table;
}

std::vector<std::string> Machine::labels() const {
  std::vector<std::string> labels(kMaxLanes);
  labels[kClockLane] = "clock";
  for (const auto& actor : actors_) {
    if (actor->id == 0 || actor->id >= kMaxActors) continue;
    labels[actor->id] = actor->label;
    if (actor->info.kind == ActorKind::kVcpu) labels[irq_lane(actor->id)] = actor->label + ".irq";
  }
  return labels;
}

void Machine::reset(const MachineOptions& options) {
  options_ = options;
  XS_CHECK_MSG(options.strategy == nullptr || actors_.size() <= kMaxActors, "too many vCPUs for a strategy");
  api_ = nullptr;
  core_ = {};
  recording_core_.reset();
  recording_platform_.reset();
  writer_.reset();
  memory_.release_to(memory_mark_);
  actors_.reset();
  locks_.reset();
  due_.reset();
  exploration_.reset(options.strategy, options.max_points);
  if (scenario_.explore_from_marker) exploration_.wait_for_marker();
  lanes_.reset();
  points_in_a_row_ = 0;
  decided_ = clock_was_read_ = false;
  plain_.reset();
  soft_resets_.reset();
  consoles_.reset({options.on_console, options.on_console_bytes});
  context_ = {};
  prng_ = Prng(options.seed);
  current_ = nullptr;
  cutting_ = finished_ = prepared_ = false;
  actor_runs_ = 0;
  if (invariants_.empty()) invariants_ = make_invariants();
  fibers_follow_ =
      exploring() && backend_.only_resumes() && !options_.checks && !scenario_.checks && options_.round_trip_every == 0;
  outcome_ = {};
  for (Domain& domain : domains_) domain.ended = domain.resetting = false;
}

// What the toolstack tells a guest of its rings; their ports are those that the core reserves.
void Machine::set_toolstack_params(const Domain& domain) {
  api_->set_hvm_param(domain.id, HVM_PARAM_STORE_PFN, rings_.store_page.v >> kPageShift);
  api_->set_hvm_param(domain.id, HVM_PARAM_STORE_EVTCHN, rings_.store_port.v);
  api_->set_hvm_param(domain.id, HVM_PARAM_CONSOLE_PFN, rings_.console_page.v >> kPageShift);
  api_->set_hvm_param(domain.id, HVM_PARAM_CONSOLE_EVTCHN, rings_.console_port.v);
}

void Machine::make_core() {
  xen::Platform* platform = this;
  if (options_.sink != nullptr) {
    writer_.emplace(context_, *options_.sink);
    platform = &recording_platform_.emplace(static_cast<xen::Platform&>(*this), *writer_);
  }
  core_ = xen::make_core(*platform, flavour_);
  api_ = core_.api.get();
  if (writer_) api_ = &recording_core_.emplace(*api_, *writer_);
}

void Machine::create_domains() {
  for (const Domain& domain : domains_) {
    xen::DomainConfig config;
    config.id = domain.id;
    config.vcpus = domain.config->vcpus;
    config.pic = config.emulated_pirqs = domain.config->hvm;
    for (const MemoryPiece& piece : domain.pieces) {
      config.ram.push_back({piece.base, piece.bytes, Maddr{domain.ram.v + piece.offset}});
    }
    if (domain.config->event_channels != 0) config.max_event_channels = domain.config->event_channels;
    if (flavour_.wide_event_limit) config.max_event_channels = 4095;
    const Status made = api_->create_domain(config);
    XS_CHECK_MSG(made.has_value(), made ? "" : made.error().message);
    if (domain.config->platform != GuestPlatform::kBare) set_toolstack_params(domain);
    actors_.set_runnable(actors_[domain.vcpus[0]], true);
  }
}

void Machine::start() {
  create_domains();
  due_.arm_scenario();
  backend_.start_guests();
}

Status Machine::prepare() {
  prepared_ = true;
  current_ = &actors_[0];
  make_core();
  if (options_.from != nullptr) {
    try {
      return restore(*options_.from);
    } catch (const CheckFailure& failure) {
      return input_error(fmt::format("{}: cannot be restored: {}", options_.from->name, failure.what()));
    }
  }
  start();
  return {};
}

void Machine::set_strategy(Strategy& strategy) {
  exploration_.set_strategy(strategy);
  options_.strategy = &strategy;
}

Outcome Machine::run() {
  try {
    if (!prepared_) {
      const Status prepared = prepare();
      XS_CHECK_MSG(prepared.has_value(), prepared ? "" : prepared.error().message);
    }
    main_loop();
    drain();
    check_invariants(true);
  } catch (const std::bad_alloc&) {  // the host's failure, and no broken promise of ours
    drain_after_failure();
    throw;
  } catch (const std::exception& failure) {
    fail(FailureKind::kCheck, failure.what(), current_ != nullptr ? current_->label : "");
    drain_after_failure();
  }
  account_ends();
  return std::move(outcome_);
}

void Machine::main_loop() {
  if (exploring()) {
    explore_loop();
    exploration_.end();
    outcome_.marker_missed = exploration_.before_marker();
    outcome_.became_fair = exploration_.fair();
  } else {
    plain_loop();
  }
}

bool Machine::all_ended() const {
  for (const Domain& domain : domains_) {
    if (!domain.ended) return false;
  }
  return true;
}

void Machine::end_domain(Domain& domain, xen::ShutdownReason reason) {
  if (domain.ended) return;
  domain.ended = true;
  domain.reason = reason;
  consoles_.flush(domain.id);
  for (const ActorId id : domain.vcpus) {
    if (exploring()) touch({object_of(ObjectSpace::kVcpu, id), kWholeObject, AccessKind::kWrite});
    actors_[id].ended = true;
    refresh(actors_[id]);
  }
  if (writer_) writer_->write(traces::Exit{domain.id, reason});
  backend_.domain_ended(domain);
  if (all_ended()) finished_ = true;
}

void Machine::finish_soft_resets() {
  soft_resets_.finish(domains_, [this](Domain& domain) {
    const int result = as_actor(actors_[0], [&] { return api_->soft_reset(domain.id); });
    XS_CHECK(result == 0);
  });
}

void Machine::account_ends() {
  outcome_.virtual_ns = context_.time.v;
  outcome_.instructions = backend_.total_instructions();
  for (Domain& domain : domains_) {
    consoles_.flush(domain.id);
    outcome_.ends.push_back(
        {domain.id, domain.config->name, domain.ended ? reason_name(domain.reason) : "still running"});
  }
  outcome_.console = consoles_.take_lines();
  if (writer_) writer_->flush();
  if (!outcome_.saved && !outcome_.stopped) check_expectations();
}

void Machine::check_expectations() {
  if (outcome_.failure) return;
  for (const DomainEnd& end : outcome_.ends) {
    if (end.how == scenario_.expect.result) continue;
    // What it said last is most often why.
    const auto last = std::find_if(outcome_.console.rbegin(), outcome_.console.rend(),
                                   [&](const ConsoleLine& line) { return line.dom == end.dom; });
    return fail(FailureKind::kGuest,
                fmt::format("guest {} ended with {}, not {}{}", end.guest, end.how, scenario_.expect.result,
                            last == outcome_.console.rend() ? "" : "; its last line: " + last->text),
                end.guest);
  }
  size_t at = 0;
  for (const std::string& wanted : scenario_.expect.console) {
    while (at < outcome_.console.size() && outcome_.console[at].guest + ": " + outcome_.console[at].text != wanted)
      ++at;
    if (at == outcome_.console.size()) {
      return fail(FailureKind::kExpectation, fmt::format("the console line \"{}\" did not come", wanted),
                  scenario_.name);
    }
    ++at;
  }
}

void Machine::console_bytes(Domain& domain, xen::ConsoleChannel channel, std::span<const std::byte> text) {
  if (writer_) writer_->write(traces::Console{domain.id, channel, text});
  if (exploring()) touch({object_of(ObjectSpace::kConsole, domain.id.v), kWholeObject, AccessKind::kWrite});
  consoles_.put(domain.id, text);
}

void Machine::fail(FailureKind kind, std::string message, std::string where, std::string report) {
  finished_ = true;
  if (outcome_.failure) return;
  outcome_.failure = Failure{kind, std::move(message), std::move(where), std::move(report)};
}

void Machine::test_exit(Domain& domain, uint32_t value) {
  outcome_.test_exit = value;
  if (value != 0) {
    fail(FailureKind::kGuest, fmt::format("the guest wrote {} to the test-exit port", value), domain.config->name);
  }
  end_domain(domain, value == 0 ? xen::ShutdownReason::kPoweroff : xen::ShutdownReason::kCrash);
}

VirtualNs Machine::slice_deadline() const { return std::min(due_.next(), VirtualNs{scenario_.time_limit.v + 1}); }

}  // namespace xensim::sim
