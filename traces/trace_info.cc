#include "traces/trace_info.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace xensim::traces {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kActorKinds[] = {"machine", "vcpu", "timer", "external"};

// Thrown and caught in this file alone: a key that is missing or has the wrong type.
struct BadKey {
  std::string message;
};

const Json& member(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end()) throw BadKey{fmt::format("key '{}' is missing", key)};
  return *at;
}

std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_string()) throw BadKey{fmt::format("key '{}' is not a string", key)};
  return value.get<std::string>();
}

uint64_t number(const Json& object, const char* key, uint64_t max) {
  const Json& value = member(object, key);
  if (!value.is_number_unsigned() || value.get<uint64_t>() > max) {
    throw BadKey{fmt::format("key '{}' is not a number from 0 to {}", key, max)};
  }
  return value.get<uint64_t>();
}

const Json& list(const Json& object, const char* key, size_t max) {
  const Json& value = member(object, key);
  if (!value.is_array() || value.size() > max)
    throw BadKey{fmt::format("key '{}' is not a list of at most {}", key, max)};
  return value;
}

ActorInfo parse_actor(const Json& json) {
  const std::string kind = text(json, "kind");
  ActorInfo actor;
  unsigned index = 0;
  while (index < 4 && kind != kActorKinds[index]) index++;
  if (index == 4) throw BadKey{fmt::format("key 'kind': unknown kind of actor '{}'", kind)};
  actor.kind = static_cast<ActorKind>(index);
  actor.vcpu.dom = DomId{static_cast<uint16_t>(number(json, "dom", UINT16_MAX))};
  actor.vcpu.vcpu = VcpuId{static_cast<uint32_t>(number(json, "vcpu", UINT32_MAX))};
  actor.name = text(json, "name");
  return actor;
}

TraceInfo parse_info(const Json& json) {
  TraceInfo info;
  info.xensim_version = text(json, "xensim_version");
  info.engine_version = text(json, "engine_version");
  info.scenario_name = text(json, "scenario_name");
  info.scenario_text = text(json, "scenario_text");
  info.seed = number(json, "seed", UINT64_MAX);
  info.flavour = text(json, "flavour");
  for (const Json& trait : list(json, "traits", 1000)) {
    if (!trait.is_string()) throw BadKey{"key 'traits' holds what is not a string"};
    info.traits.push_back(trait.get<std::string>());
  }
  info.backend = text(json, "backend");
  info.schedule_text = text(json, "schedule_text");
  for (const Json& image : list(json, "images", 10000)) {
    info.images.push_back(
        {text(image, "path"), text(image, "hash"), static_cast<uint16_t>(number(image, "dom", UINT16_MAX))});
  }
  for (const Json& actor : list(json, "actors", kMaxActors)) info.actors.push_back(parse_actor(actor));
  return info;
}

// Runs `parse` on the text, with every way to fail turned into an error.
template <class T, class Parse>
xensim::Result<T> parse_json(std::string_view json, const char* what, Parse parse) {
  // The callback bounds the nesting: a hostile header must not exhaust the stack.
  const Json::parser_callback_t shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= 8; };
  Json value;
  try {
    value = Json::parse(json, shallow);
  } catch (const Json::exception& error) {
    return input_error(fmt::format("{}: {}", what, error.what()));
  }
  if (!value.is_object()) return input_error(fmt::format("{} is not a JSON object", what));
  try {
    return parse(value);
  } catch (const BadKey& bad) {
    return input_error(fmt::format("{}: {}", what, bad.message));
  } catch (const Json::exception& error) {
    return input_error(fmt::format("{}: {}", what, error.what()));
  }
}

// Text that is not UTF-8 is kept readable, not refused: paths may hold any byte.
std::string dump(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string to_json(const TraceInfo& info) {
  Json json;
  json["xensim_version"] = info.xensim_version;
  json["engine_version"] = info.engine_version;
  json["scenario_name"] = info.scenario_name;
  json["scenario_text"] = info.scenario_text;
  json["seed"] = info.seed;
  json["flavour"] = info.flavour;
  json["traits"] = info.traits;
  json["backend"] = info.backend;
  json["schedule_text"] = info.schedule_text;
  json["images"] = Json::array();
  for (const ImageInfo& image : info.images) {
    json["images"].push_back({{"path", image.path}, {"hash", image.hash}, {"dom", image.dom}});
  }
  json["actors"] = Json::array();
  for (const ActorInfo& actor : info.actors) {
    json["actors"].push_back({{"kind", kActorKinds[static_cast<size_t>(actor.kind) & 3]},
                              {"dom", actor.vcpu.dom.v},
                              {"vcpu", actor.vcpu.vcpu.v},
                              {"name", actor.name}});
  }
  return dump(json);
}

std::string to_json(const TraceSummary& summary) {
  Json json;
  json["events"] = summary.events;
  json["trace_hash"] = to_string(summary.hash);
  json["result"] = summary.result;
  return dump(json);
}

xensim::Result<TraceInfo> parse_trace_info(std::string_view json) {
  return parse_json<TraceInfo>(json, "trace header", [](const Json& value) { return parse_info(value); });
}

xensim::Result<TraceSummary> parse_trace_summary(std::string_view json) {
  return parse_json<TraceSummary>(json, "trace end", [](const Json& value) {
    TraceSummary summary;
    summary.events = number(value, "events", UINT64_MAX);
    const std::string hash = text(value, "trace_hash");
    const auto [end, error] = std::from_chars(hash.data(), hash.data() + hash.size(), summary.hash.v, 16);
    if (error != std::errc{} || end != hash.data() + hash.size() || hash.size() != 16) {
      throw BadKey{"key 'trace_hash' is not 16 hexadecimal digits"};
    }
    summary.result = text(value, "result");
    return summary;
  });
}

std::vector<std::string> traits_of(const xen::Flavour& flavour) {
  std::vector<std::string> names;
  for (const xen::TraitInfo& trait : xen::all_traits()) {
    if (flavour.*trait.value) names.emplace_back(trait.name);
  }
  return names;
}

xensim::Result<xen::Flavour> flavour_of(const std::vector<std::string>& traits) {
  xen::Flavour flavour;
  for (const std::string& name : traits) {
    bool known = false;
    for (const xen::TraitInfo& trait : xen::all_traits()) {
      if (trait.name == name) flavour.*trait.value = known = true;
    }
    if (!known)
      return input_error(fmt::format("the trace was made with trait '{}', which this xensim does not know", name));
  }
  return flavour;
}

std::string describe_actor(const ActorInfo& actor) {
  switch (actor.kind) {
    case ActorKind::kVcpu: return fmt::format("d{}v{}", actor.vcpu.dom.v, actor.vcpu.vcpu.v);
    case ActorKind::kTimer: return fmt::format("d{}v{} timer", actor.vcpu.dom.v, actor.vcpu.vcpu.v);
    case ActorKind::kExternal: return actor.name.empty() ? "external" : "external " + actor.name;
    case ActorKind::kMachine: break;
  }
  return actor.name.empty() ? "machine" : actor.name;
}

}  // namespace xensim::traces
