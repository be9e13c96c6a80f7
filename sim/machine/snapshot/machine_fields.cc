// The tables of fields of the machine itself. What is read may have been made by anybody: every index is checked before
// it can be used.
#include <fmt/format.h>

#include "models/base/check.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kMostDue = 1 << 20, kMostLines = 1 << 24, kMostText = 1 << 24;

void codec_fields(xen::StateArchive& ar, traces::CodecState& state) {
  ar("actor", state.actor);
  ar("time", state.time);
  ar.below("site", state.site, traces::kSites);
  ar.below("nr", state.nr, traces::kHypercallNumbers);
  ar("result", state.result);
  ar("address", state.address);
  ar("value", state.value);
  ar("operand", state.operand);
  ar("index", state.index);
  ar("slot", state.slot);
  for (traces::HypercallArgs& args : state.args) ar("args", args);
}

void hash_fields(xen::StateArchive& ar, traces::HashState& state) {
  ar("accumulators", state.accumulators);
  ar("buffer", state.buffer);
  ar("buffered", state.buffered);
  ar("stripes", state.stripes);
  ar("bytes", state.bytes);
  ar("events", state.events);
}

}  // namespace

void Machine::fields(xen::StateArchive& ar) {
  uint64_t chance = prng_.state();
  ar("chance", chance);
  prng_.set_state(chance);
  ar("turns", turns_);
  ar.below("turn", turn_, actors_.size());
  ar("idle_yields", idle_yields_);
  ar.below("recorded_input", recorded_input_, scenario_.recorded_inputs.size() + 1);
  ar("any_resetting", any_resetting_);
  const auto actor_field = [&](const char* name, Actor*& actor) {
    uint32_t id = actor == nullptr ? 0 : actor->id + 1u;
    ar.below(name, id, actors_.size() + 1);
    if (ar.loading() && ar.ok()) actor = id == 0 ? nullptr : actors_[id - 1].get();
  };
  actor_field("current", current_);
  actor_field("on_processor", on_processor_);
  due_fields(ar);
  domain_fields(ar);
  outcome_fields(ar);
  trace_fields(ar);
  guest_fields(ar);
  if (!ar.loading() || !ar.ok()) return;
  for (const auto& actor : actors_) refresh(*actor);
}

void Machine::timer_field(xen::StateArchive& ar, xen::TimerId& timer) {
  ar.one_of("kind", timer.kind, xen::TimerKind::kWatchdog1);
  ar("dom", timer.vcpu.dom);
  ar("vcpu", timer.vcpu.vcpu);
  if (!ar.loading() || !ar.ok()) return;
  const uint16_t dom = timer.vcpu.dom.v;
  if (dom < 1 || dom > domains_.size() || timer.vcpu.vcpu.v >= domains_[dom - 1].vcpus.size()) {
    ar.fail("a timer is of a vCPU that there is not");
  }
}

void Machine::port_fields(xen::StateArchive& ar, const char* name, std::vector<std::pair<DomId, Port>>& ports) {
  ar(name, ports, kMostDue);
  for (const auto& [dom, port] : ports) {
    if (ar.loading() && (dom.v < 1 || dom.v > domains_.size())) ar.fail("a notification is for no guest");
  }
}

// What is due later, and what is due now and waits for the actor that does it.
void Machine::due_fields(xen::StateArchive& ar) {
  auto due = events_due_.all();
  const uint64_t count = ar.size("due", due.size(), kMostDue);
  if (ar.loading()) {
    due.resize(count);
    events_due_.clear();
  }
  for (auto& [id, at] : due) {
    ar.one_of("kind", id.kind, DueKind::kDevice);
    timer_or_index(ar, id);
    ar("at", at);
    if (!ar.ok()) return;
    if (ar.loading()) events_due_.arm(id, at);
  }
  ar.each("due_timers", due_timers_, kMostDue, [&](xen::TimerId& timer) { timer_field(ar, timer); });
  ar("due_external", due_external_, kMostDue);
  for (const uint32_t index : due_external_) ar.check_below("due_external", index, scenario_.events.size());
  port_fields(ar, "due_outside", due_outside_);
  port_fields(ar, "due_notices", due_notices_);
}

// Each kind has what names it; the rest is as arm() was given it.
void Machine::timer_or_index(xen::StateArchive& ar, DueId& id) {
  const bool index = id.kind == DueKind::kExternal || id.kind == DueKind::kInput;
  if (!index) timer_field(ar, id.timer);
  ar("index", id.external);
  if (!ar.loading() || !ar.ok()) return;
  switch (id.kind) {
    case DueKind::kExternal: return ar.check_below("index", id.external, scenario_.events.size());
    case DueKind::kInput: return ar.check_below("index", id.external, scenario_.inputs.size());
    case DueKind::kDevice:
      if (!has_device_timer(domain_of(id.timer.vcpu.dom), id.external)) {
        ar.fail("a timer is of a device that there is not");
      }
      return;
    default: return;
  }
}

void Machine::domain_fields(xen::StateArchive& ar) {
  for (size_t d = 0; d < domains_.size() && ar.ok(); ++d) {
    Domain& domain = domains_[d];
    ar.open("domain", d);
    ar("ended", domain.ended);
    ar.one_of("reason", domain.reason, xen::ShutdownReason::kSoftReset);
    ar("resetting", domain.resetting);
    ar("partial_line", domain.partial_line, kMostText);
    ar.close();
  }
  for (size_t i = 0; i < actors_.size() && ar.ok(); ++i) {
    Actor& actor = *actors_[i];
    XS_CHECK(!actor.in_entry && actor.waiting == nullptr);
    ar.open("actor", i);
    ar("core_runnable", actor.core_runnable);
    ar("ended", actor.ended);
    ar("paused", actor.paused);
    ar.close();
  }
}

void Machine::outcome_fields(xen::StateArchive& ar) {
  ar("hypercalls", outcome_.hypercalls);
  ar("points", outcome_.points);
  ar("switches", outcome_.switches);
  ar("test_exit", outcome_.test_exit);
  ar.each("console", outcome_.console, kMostLines, [&](ConsoleLine& line) {
    ar("dom", line.dom);
    ar("text", line.text, kMostText);
    if (!ar.ok()) return;
    if (line.dom.v < 1 || line.dom.v > domains_.size()) return ar.fail("a console line is of no guest");
    line.guest = domain_of(line.dom).config->name;
  });
}

// The trace so far, as far as what follows depends on it: what the encoder remembers, and the hash on its way.
void Machine::trace_fields(xen::StateArchive& ar) {
  bool traced = writer_.has_value();
  ar("traced", traced);
  if (!traced) return;
  if (!ar.loading()) writer_->flush();
  traces::CodecState codec = ar.loading() ? traces::CodecState{} : writer_->state();
  uint64_t events = ar.loading() ? 0 : writer_->events();
  codec_fields(ar, codec);
  ar("events", events);
  bool hashed = options_.hash != nullptr;
  ar("hashed", hashed);
  traces::HashState hash;
  if (!ar.loading() && hashed) hash = options_.hash->state();
  if (hashed) hash_fields(ar, hash);
  if (!ar.loading() || !ar.ok()) return;
  if (writer_) writer_->resume(codec, events);
  if (hashed && options_.hash != nullptr && !options_.hash->resume_hash(hash)) ar.fail("the trace's hash cannot be");
}

}  // namespace xensim::sim
