// See scenario_toml.h.
#include "sim/scenario/scenario_toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "traces/describe.h"

namespace xensim::sim {

namespace {

// Nothing that would break a line or a terminal.
bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 60)) {
    if (printable({&c, 1})) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out + (text.size() > 60 ? "...\"" : "\"");
}

// What an override's value is: a TOML value where it reads as one, else the text itself.
toml::table override_value(const std::string& value) {
  if (printable(value)) {
    try {
      toml::table parsed = toml::parse("v = " + value);
      if (parsed.size() == 1 && parsed.contains("v")) return parsed;
    } catch (const toml::parse_error&) {
      // `10s`, `xen`: text without quotes.
    }
  }
  toml::table table;
  table.insert("v", value);
  return table;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end + 1 != text.data() + text.size() || value > (uint64_t{1} << 30)) return std::nullopt;
  switch (*end) {
    case 'K': return value << 10;
    case 'M': return value << 20;
    case 'G': return value << 30;
    default: return std::nullopt;
  }
}

std::string show_size(uint64_t bytes) {
  if (bytes % (1 << 30) == 0) return fmt::format("{}G", bytes >> 30);
  if (bytes % (1 << 20) == 0) return fmt::format("{}M", bytes >> 20);
  return fmt::format("{}K", bytes >> 10);
}

std::string dotted(std::string_view name, std::string_view key) {
  return name.empty() ? std::string(key) : fmt::format("{}.{}", name, key);
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (!printable({&c, 1})) c = '?';
  }
  return line;
}

}  // namespace

std::string show_node(const toml::node& node) {
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* string = node.as_string()) return quoted(string->get());
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::boolean: return node.as_boolean()->get() ? "true" : "false";
    case toml::node_type::floating_point: return "a number with a fraction";
    default: return "a date or time";
  }
}

Result<ScenarioToml> ScenarioToml::parse(const std::string& path, std::string_view text, const Overrides& overrides) {
  std::optional<ScenarioToml> toml;
  try {
    toml.emplace(path, toml::parse(text));
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    return input_error(fmt::format("{}:{}:{}: {}", path, at.line, at.column, one_line(error.description())));
  }
  for (const auto& [key, value] : overrides) XS_TRY_STATUS(toml->override_key(key, value));
  return std::move(*toml);
}

std::string ScenarioToml::text() const {
  std::ostringstream out;
  out << toml::toml_formatter{root_} << '\n';
  return std::move(out).str();
}

Status ScenarioToml::override_key(const std::string& key, const std::string& value) {
  if (!printable(key)) return input_error(fmt::format("--set {}: not a key", one_line(key)));
  return override_in(root_, key, key, value);
}

// `rest` is what of `key` is still to be walked below `at`.
Status ScenarioToml::override_in(toml::node& at, std::string_view rest, const std::string& key,
                                 const std::string& value) {
  const size_t dot = rest.find('.');
  const std::string_view step = rest.substr(0, dot);
  const bool last = dot == std::string_view::npos;
  if (step.empty())
    return input_error(fmt::format("--set {}={}: an empty key; write table.key=value", key, one_line(value)));
  if (toml::array* list = at.as_array()) {
    size_t index = 0;
    const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    if (error != std::errc{} || end != step.data() + step.size()) {
      for (toml::node& entry : *list) XS_TRY_STATUS(override_in(entry, rest, key, value));  // no index: all of them
      return {};
    }
    if (index >= list->size() || last) {
      return input_error(
          fmt::format("--set {}={}: there is no {}; the list has {} entries, counted from 0, each a table", key,
                      one_line(value), key.substr(0, key.size() - rest.size() + step.size()), list->size()));
    }
    return override_in((*list)[index], rest.substr(dot + 1), key, value);
  }
  toml::table* table = at.as_table();
  if (table == nullptr)
    return input_error(fmt::format("--set {}={}: nothing lies below a single value", key, one_line(value)));
  if (!last) {
    if (!table->contains(step)) table->insert(step, toml::table{});
    return override_in(*table->get(step), rest.substr(dot + 1), key, value);
  }
  const toml::table parsed = override_value(value);
  table->insert_or_assign(step, *parsed.get("v"));
  mark(*table->get(step), fmt::format("--set {}={}", key, one_line(value)));
  return {};
}

void ScenarioToml::mark(const toml::node& node, const std::string& override_text) {
  overridden_[&node] = override_text;
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& entry : *list) mark(entry, override_text);
  } else if (const toml::table* table = node.as_table()) {
    for (const auto& [key, entry] : *table) mark(entry, override_text);
  }
}

void ScenarioToml::complain_at(const toml::node& node, const toml::node& around, const std::string& key,
                               std::string_view message) {
  if (error_) return;
  auto found = overridden_.find(&node);
  if (found == overridden_.end()) found = overridden_.find(&around);
  if (found != overridden_.end()) {
    error_ = Error{ErrorKind::kInput, fmt::format("{}: {}: {}: {}", path_, found->second, key, message)};
    return;
  }
  auto line = node.source().begin.line;
  if (line == 0) line = around.source().begin.line;
  if (line == 0) line = 1;
  error_ = Error{ErrorKind::kInput, fmt::format("{}:{}: {}: {}", path_, line, key, message)};
}

void ScenarioToml::complain(const toml::table& table, std::string_view name, std::string_view key,
                            std::string_view message) {
  const toml::node* node = table.get(key);
  complain_at(node != nullptr ? *node : table, table, dotted(name, key), message);
}

Status ScenarioToml::status() const {
  if (error_) return tl::unexpected<Error>(*error_);
  return {};
}

void ScenarioToml::allow(const toml::table& table, std::string_view name,
                         std::initializer_list<std::string_view> keys) {
  // The first in the file, so that a person meets them in order.
  const toml::node* worst = nullptr;
  std::string worst_key;
  for (const auto& [key, node] : table) {
    if (std::find(keys.begin(), keys.end(), key.str()) != keys.end()) continue;
    if (worst != nullptr && worst->source().begin.line <= node.source().begin.line) continue;
    worst = &node;
    worst_key = one_line(key.str());
  }
  if (worst == nullptr) return;
  complain_at(*worst, table, dotted(name, worst_key), fmt::format("unknown key ({})", fmt::join(keys, ", ")));
}

const toml::table* ScenarioToml::table(std::string_view name) {
  const toml::node* node = root_.get(name);
  if (node == nullptr) return nullptr;
  if (!node->is_table())
    complain(root_, "", name, fmt::format("{} is not allowed (a table: [{}])", show_node(*node), name));
  return node->as_table();
}

std::vector<const toml::table*> ScenarioToml::tables(std::string_view name) {
  std::vector<const toml::table*> found;
  const toml::node* node = root_.get(name);
  if (node == nullptr) return found;
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    complain(root_, "", name, fmt::format("{} is not allowed (tables: [[{}]])", show_node(*node), name));
    return found;
  }
  for (const toml::node& entry : *list) {
    if (const toml::table* table = entry.as_table()) {
      found.push_back(table);
    } else {
      complain_at(entry, *node, std::string(name),
                  fmt::format("{} is not allowed (tables: [[{}]])", show_node(entry), name));
    }
  }
  return found;
}

void ScenarioToml::number(const toml::table& table, std::string_view name, std::string_view key, uint64_t least,
                          uint64_t most, uint64_t& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const auto* number = node->as_integer();
  if (number == nullptr || number->get() < 0 || static_cast<uint64_t>(number->get()) < least ||
      static_cast<uint64_t>(number->get()) > most) {
    complain(table, name, key, fmt::format("{} is not allowed ({} to {})", show_node(*node), least, most));
    return;
  }
  out = static_cast<uint64_t>(number->get());
}

bool ScenarioToml::text(const toml::table& table, std::string_view name, std::string_view key, std::string& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return false;
  const auto* string = node->as_string();
  if (string == nullptr || !printable(string->get())) {
    complain(table, name, key, fmt::format("{} is not allowed (text on one line, in quotes)", show_node(*node)));
    return false;
  }
  out = string->get();
  return true;
}

bool ScenarioToml::bytes(const toml::table& table, std::string_view name, std::string_view key, std::string& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return false;
  const auto* string = node->as_string();
  if (string == nullptr || string->get().find('\0') != std::string::npos) {
    complain(table, name, key, fmt::format("{} is not allowed (text in quotes, without NUL)", show_node(*node)));
    return false;
  }
  out = string->get();
  return true;
}

void ScenarioToml::time(const toml::table& table, std::string_view name, std::string_view key, uint64_t most_ns,
                        uint64_t& out_ns) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const auto* string = node->as_string();
  const auto parsed = string == nullptr ? std::nullopt : traces::parse_time(string->get());
  if (!parsed || parsed->v > most_ns) {
    complain(table, name, key,
             fmt::format("{} is not allowed (a time like \"10s\", \"5ms\", \"20us\", \"1ns\", at most {}s)",
                         show_node(*node), most_ns / 1'000'000'000));
    return;
  }
  out_ns = parsed->v;
}

void ScenarioToml::size(const toml::table& table, std::string_view name, std::string_view key, uint64_t least,
                        uint64_t most, uint64_t& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const auto* string = node->as_string();
  const auto bytes = string == nullptr ? std::nullopt : parse_size(string->get());
  if (!bytes || *bytes < least || *bytes > most || *bytes % 4096 != 0) {
    complain(table, name, key,
             fmt::format("{} is not allowed (a size like \"64M\", {} to {}, whole pages of 4K)", show_node(*node),
                         show_size(least), show_size(most)));
    return;
  }
  out = *bytes;
}

void ScenarioToml::choice(const toml::table& table, std::string_view name, std::string_view key,
                          std::initializer_list<std::string_view> choices, std::string& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const auto* string = node->as_string();
  if (string == nullptr || std::find(choices.begin(), choices.end(), string->get()) == choices.end()) {
    complain(table, name, key,
             fmt::format("{} is not allowed (\"{}\")", show_node(*node), fmt::join(choices, "\", \"")));
    return;
  }
  out = string->get();
}

void ScenarioToml::texts(const toml::table& table, std::string_view name, std::string_view key,
                         std::vector<std::string>& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    complain(table, name, key,
             fmt::format("{} is not allowed (a list of texts: [\"...\", \"...\"])", show_node(*node)));
    return;
  }
  out.clear();
  for (const toml::node& entry : *list) {
    const auto* string = entry.as_string();
    if (string == nullptr || !printable(string->get())) {
      complain_at(entry, *node, dotted(name, key),
                  fmt::format("{} is not allowed (a list of texts: [\"...\", \"...\"])", show_node(entry)));
      return;
    }
    out.push_back(string->get());
  }
}

bool ScenarioToml::require(const toml::table& table, std::string_view name, std::string_view key,
                           std::string_view what) {
  if (table.contains(key)) return true;
  complain(table, name, key, fmt::format("missing ({})", what));
  return false;
}

}  // namespace xensim::sim
