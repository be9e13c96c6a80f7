// The tables of fields of the machine itself. What is read may have been made by anybody: every index is checked before
// it can be used.
#include "sim/machine/machine.h"

namespace xensim::sim {

namespace {

void codec_fields(StateArchive& ar, traces::CodecState& state) {
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

void hash_fields(StateArchive& ar, traces::HashState& state) {
  ar("accumulators", state.accumulators);
  ar("buffer", state.buffer);
  ar("buffered", state.buffered);
  ar("stripes", state.stripes);
  ar("bytes", state.bytes);
  ar("events", state.events);
}

}  // namespace

void Machine::fields(StateArchive& ar) {
  uint64_t chance = prng_.state();
  ar("chance", chance);
  prng_.set_state(chance);
  plain_.fields(ar, actors_, scenario_.recorded_inputs.size());
  soft_resets_.field(ar);
  actors_.field(ar, "current", current_);
  plain_.processor_field(ar, actors_);
  due_.fields(ar, [this](DomId dom, uint32_t timer) { return backend_.has_device_timer(domain_of(dom), timer); });
  domain_fields(ar);
  outcome_fields(ar);
  trace_fields(ar);
  backend_.guest_fields(ar);
  if (!ar.loading() || !ar.ok()) return;
  for (const auto& actor : actors_) refresh(*actor);
}

void Machine::domain_fields(StateArchive& ar) {
  for (size_t d = 0; d < domains_.size() && ar.ok(); ++d) {
    Domain& domain = domains_[d];
    ar.open("domain", d);
    ar("ended", domain.ended);
    ar.one_of("reason", domain.reason, xen::ShutdownReason::kSoftReset);
    ar("resetting", domain.resetting);
    consoles_.partial_field(ar, domain.id);
    ar.close();
  }
  actors_.fields(ar);
}

void Machine::outcome_fields(StateArchive& ar) {
  ar("hypercalls", outcome_.hypercalls);
  ar("points", outcome_.points);
  ar("switches", outcome_.switches);
  ar("test_exit", outcome_.test_exit);
  consoles_.lines_field(ar);
}

// The trace so far, as far as what follows depends on it: what the encoder remembers, and the hash on its way.
void Machine::trace_fields(StateArchive& ar) {
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
