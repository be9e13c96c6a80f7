#include "traces/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "models/xen/abi/decode.h"
#include "traces/describe.h"
#include "traces/recording_core.h"

namespace xensim::traces {

namespace {

constexpr const char* kClassNames[] = {"entry", "return", "platform", "machine"};

std::string_view class_name(EventKind kind) { return kClassNames[static_cast<size_t>(kind_info(kind).event_class)]; }

bool known_kind(const std::string& name) {
  if (std::find(std::begin(kClassNames), std::end(kClassNames), name) != std::end(kClassNames)) return true;
  for (unsigned kind = 1; kind < 128; kind++) {
    if (kind_info(static_cast<EventKind>(kind)).name == name) return true;
  }
  return false;
}

// All of the filter but the port, which goes by whole calls.
bool passes(const ShowFilter& filter, const Event& event, const std::vector<ActorInfo>& actors) {
  if (filter.from && event.time < *filter.from) return false;
  if (filter.to && event.time > *filter.to) return false;
  if (filter.vcpu) {
    const ActorInfo& actor = actors[event.actor];
    const bool has_vcpu = actor.kind == ActorKind::kVcpu || actor.kind == ActorKind::kTimer;
    if (!has_vcpu || actor.vcpu != *filter.vcpu) return false;
  }
  if (filter.kinds.empty()) return true;
  return std::any_of(filter.kinds.begin(), filter.kinds.end(), [&](const std::string& kind) {
    return kind == kind_info(event.kind).name || kind == class_name(event.kind);
  });
}

// A call into the core that has begun and not yet returned.
struct OpenCall {
  bool active = false;
  VirtualNs since{};
  bool begun = false;    // its first line was printed
  bool touches = false;  // the port that the filter asks for
  std::string name;      // hypercall_name, or the entry's description
  std::optional<xen::HypercallRegs> regs;
  Maddr argument_at{};
  std::vector<std::byte> argument;   // as it was read
  std::vector<std::byte> after;      // as the call left it
  std::vector<std::string> effects;  // not yet printed
};

class Shower {
 public:
  Shower(const TraceInfo& info, const ShowFilter& filter, const Images& images, std::ostream& out)
      : info_(info), filter_(filter), images_(images), out_(out), calls_(info.actors.size()) {}

  void event(const Event& event);
  void finish();

 private:
  bool by_call() const { return filter_.kinds.empty(); }
  bool waits_for_whole_calls() const { return filter_.port.has_value(); }
  void begin(OpenCall& call, const Event& event);
  void effect(OpenCall& call, const Event& event);
  void end(OpenCall& call, const Event& event);
  void print_begun(ActorId actor, OpenCall& call);
  void print_line(ActorId actor, VirtualNs time, const std::string& text);
  void print_effects(OpenCall& call);
  void interrupt_others(ActorId actor);
  std::string call_text(const OpenCall& call, const Event* end) const;
  std::string code_text(const Event& event) const;

  const TraceInfo& info_;
  const ShowFilter& filter_;
  const Images& images_;
  std::ostream& out_;
  std::vector<OpenCall> calls_;  // by actor
  std::optional<ActorId> last_;  // whose call is being collected
};

void Shower::print_line(ActorId actor, VirtualNs time, const std::string& text) {
  out_ << fmt::format("{} {} {}\n", describe_actor(info_.actors[actor]), describe_time(time), text);
}

void Shower::print_effects(OpenCall& call) {
  for (const std::string& effect : call.effects) out_ << "    " << effect << '\n';
  call.effects.clear();
}

std::string Shower::call_text(const OpenCall& call, const Event* end) const {
  if (!call.regs) {
    if (end == nullptr) return call.name;
    std::string text = call.name + " =";
    const std::vector<FieldText> fields = event_fields(*end);
    if (fields.empty()) return call.name;
    for (const FieldText& field : fields) text += fmt::format(" {}: {}", field.name, field.value);
    return text;
  }
  std::optional<uint64_t> result;
  // A damaged trace may end a hypercall with another call's return.
  if (const auto* returned = end == nullptr ? nullptr : std::get_if<HypercallEnd>(&end->body))
    result = returned->result;
  return xen::abi::describe_hypercall(*call.regs, call.argument, result, call.after);
}

// Another actor goes on while a call is open: what is known of the call is printed first.
void Shower::interrupt_others(ActorId actor) {
  if (waits_for_whole_calls() || !last_ || *last_ == actor) return;
  OpenCall& call = calls_[*last_];
  if (call.active) print_begun(*last_, call);
  last_.reset();
}

void Shower::print_begun(ActorId actor, OpenCall& call) {
  if (!call.begun) {
    print_line(actor, call.since, call_text(call, nullptr) + " <unfinished ...>");
  } else if (!call.effects.empty()) {
    print_line(actor, call.since, fmt::format("<... {} goes on>", call.name));
  }
  call.begun = true;
  print_effects(call);
}

void Shower::begin(OpenCall& call, const Event& event) {
  call = OpenCall{};
  call.active = true;
  call.since = event.time;
  if (const auto* hypercall = std::get_if<HypercallBegin>(&event.body)) {
    call.regs = regs_of(*hypercall);
    call.name = xen::abi::hypercall_name(*call.regs);
  } else {
    call.name = describe_event(event);
  }
  call.touches = filter_.port && concerns_port(event, *filter_.port);
}

void Shower::effect(OpenCall& call, const Event& event) {
  if (call.effects.empty()) call.since = call.begun ? event.time : call.since;
  call.effects.push_back(describe_event(event));
  if (filter_.port && concerns_port(event, *filter_.port)) call.touches = true;
  if (const auto* read = std::get_if<Read>(&event.body); read != nullptr && read->site == xen::Site::kHypercallArgs) {
    if (!call.argument.empty()) return;  // of several, the first element is shown
    call.argument_at = read->from;
    call.argument.assign(read->data.begin(), read->data.end());
    call.after = call.argument;
  }
  if (const auto* write = std::get_if<Write>(&event.body);
      write != nullptr && write->site == xen::Site::kHypercallResult) {
    const uint64_t offset = write->to.v - call.argument_at.v;
    if (offset >= call.after.size() || write->data.size() > call.after.size() - offset) return;
    std::copy(write->data.begin(), write->data.end(), call.after.begin() + static_cast<std::ptrdiff_t>(offset));
  }
}

void Shower::end(OpenCall& call, const Event& event) {
  call.active = false;
  if (waits_for_whole_calls() && !call.touches) return;
  std::string text = call_text(call, &event);
  if (call.begun) {
    const size_t result = text.rfind(" = ");
    text = fmt::format("<... {} resumed>{}", call.name, result == std::string::npos ? "" : text.substr(result));
    print_line(event.actor, event.time, text);
  } else {
    print_line(event.actor, call.since, text);
  }
  print_effects(call);
}

std::string Shower::code_text(const Event& event) const {
  std::optional<std::pair<VcpuRef, Gva>> code;
  if (const auto* slice = std::get_if<Slice>(&event.body)) code = {slice->vcpu, slice->rip};
  if (const auto* interrupt = std::get_if<Interrupt>(&event.body)) code = {interrupt->vcpu, interrupt->rip};
  if (!code || code->second.v == 0) return {};
  const auto image = images_.find(code->first.dom.v);
  const std::string text = image == images_.end() ? "" : image->second->describe(code->second);
  return text.empty() ? "" : " <" + text + ">";
}

void Shower::event(const Event& event) {
  OpenCall& call = calls_[event.actor];
  const EventClass event_class = kind_info(event.kind).event_class;
  const bool shown = passes(filter_, event, info_.actors);
  if (!by_call()) {
    if (shown && (!filter_.port || concerns_port(event, *filter_.port))) {
      print_line(event.actor, event.time, describe_event(event) + code_text(event));
    }
    return;
  }
  if (event_class == EventClass::kEntry ? !shown : !call.active && !shown) return;
  if (event_class == EventClass::kMachine) {
    if (waits_for_whole_calls()) return;
    interrupt_others(event.actor);
    if (call.active) print_begun(event.actor, call);
    print_line(event.actor, event.time, describe_event(event) + code_text(event));
    return;
  }
  interrupt_others(event.actor);
  if (event_class == EventClass::kEntry) {
    begin(call, event);
    last_ = event.actor;
  } else if (event_class == EventClass::kReturn) {
    if (call.active) end(call, event);
    last_.reset();
  } else if (call.active) {
    effect(call, event);
    last_ = event.actor;
  } else {  // the call began before the filter's time
    print_line(event.actor, event.time, describe_event(event));
  }
}

void Shower::finish() {
  for (size_t actor = 0; actor < calls_.size(); actor++) {
    OpenCall& call = calls_[actor];
    if (call.active && (!waits_for_whole_calls() || call.touches)) print_begun(static_cast<ActorId>(actor), call);
  }
}

}  // namespace

Status check_filter(const ShowFilter& filter) {
  for (const std::string& kind : filter.kinds) {
    if (known_kind(kind)) continue;
    std::string names;
    for (unsigned number = 1; number < 128; number++) {
      const std::string_view name = kind_info(static_cast<EventKind>(number)).name;
      if (!name.empty() && names.find(fmt::format(" {},", name)) == std::string::npos)
        names += fmt::format(" {},", name);
    }
    return input_error(fmt::format(
        "no kind of event is called '{}'; there are{} and the classes entry, return, platform, machine", kind, names));
  }
  return {};
}

Images load_images(const TraceInfo& info, std::vector<std::string>& notes) {
  Images images;
  for (const ImageInfo& image : info.images) {
    if (images.count(image.dom) != 0) continue;
    xensim::Result<std::unique_ptr<GuestImage>> loaded = GuestImage::load(image.path);
    if (!loaded) {
      notes.push_back(fmt::format("no symbols for d{}: {}", image.dom, loaded.error().message));
    } else if ((*loaded)->hash() != image.hash) {
      notes.push_back(
          fmt::format("no symbols for d{}: {} has changed since the trace was made", image.dom, image.path));
    } else {
      images[image.dom] = std::move(*loaded);
    }
  }
  return images;
}

void show_trace(TraceReader& reader, const ShowFilter& filter, const Images& images, std::ostream& out) {
  Shower shower(reader.info(), filter, images, out);
  while (const Event* event = reader.next()) shower.event(*event);
  shower.finish();
}

void export_json_lines(TraceReader& reader, const ShowFilter& filter, std::ostream& out) {
  const std::vector<ActorInfo>& actors = reader.info().actors;
  while (const Event* event = reader.next()) {
    if (!passes(filter, *event, actors) || (filter.port && !concerns_port(*event, *filter.port))) continue;
    nlohmann::ordered_json json;
    json["index"] = event->index;
    json["time_ns"] = event->time.v;
    json["actor"] = describe_actor(actors[event->actor]);
    json["kind"] = kind_info(event->kind).name;
    json["class"] = class_name(event->kind);
    json["text"] = describe_event(*event);
    for (const FieldText& field : event_fields(*event)) json["fields"][field.name] = field.value;
    out << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  }
}

void show_info(const TraceInfo& info, std::ostream& out) {
  out << fmt::format("xensim: {}\nengine: {}\nscenario: {}\nseed: {}\nflavour: {}\nbackend: {}\n", info.xensim_version,
                     info.engine_version.empty() ? "none" : info.engine_version, info.scenario_name, info.seed,
                     info.flavour, info.backend);
  out << fmt::format("schedule: {}\n", info.schedule_text.empty() ? "of its seed" : "given");
  for (const ImageInfo& image : info.images) {
    out << fmt::format("image: d{} {} {}\n", image.dom, image.hash, image.path);
  }
  out << "actors:";
  for (const ActorInfo& actor : info.actors) out << fmt::format(" {}", describe_actor(actor));
  out << '\n';
}

}  // namespace xensim::traces
