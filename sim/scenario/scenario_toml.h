// ScenarioToml: a TOML document with --set overrides in it, read key by key; every complaint names file, line, key and
// what is allowed. The first complaint is kept; reads after it give nothing new.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/result.h"

namespace xensim::sim {

using Overrides = std::vector<std::pair<std::string, std::string>>;

class ScenarioToml {
 public:
  // kInput: a syntax error (with line and column), or an override that fits nowhere.
  static Result<ScenarioToml> parse(const std::string& path, std::string_view text, const Overrides& overrides);
  explicit ScenarioToml(std::string path, toml::table root) : path_(std::move(path)), root_(std::move(root)) {}

  const toml::table& root() const { return root_; }
  // The document with its overrides in it, as TOML.
  std::string text() const;

  // `table` has no other keys than these. `name` is the table's, empty for the root.
  void allow(const toml::table& table, std::string_view name, std::initializer_list<std::string_view> keys);
  // A table, or a list of tables, of the root; none where it is absent.
  const toml::table* table(std::string_view name);
  std::vector<const toml::table*> tables(std::string_view name);

  // One key of a table: `out` is changed where the key is there. `name` is the table's.
  void number(const toml::table& table, std::string_view name, std::string_view key, uint64_t least, uint64_t most,
              uint64_t& out);
  bool text(const toml::table& table, std::string_view name, std::string_view key, std::string& out);
  // As text, but of any bytes other than NUL: what is typed, or a program of several lines.
  bool bytes(const toml::table& table, std::string_view name, std::string_view key, std::string& out);
  void time(const toml::table& table, std::string_view name, std::string_view key, uint64_t most_ns, uint64_t& out_ns);
  void size(const toml::table& table, std::string_view name, std::string_view key, uint64_t least, uint64_t most,
            uint64_t& out);
  void choice(const toml::table& table, std::string_view name, std::string_view key,
              std::initializer_list<std::string_view> choices, std::string& out);
  void texts(const toml::table& table, std::string_view name, std::string_view key, std::vector<std::string>& out);

  // The key must be there.
  bool require(const toml::table& table, std::string_view name, std::string_view key, std::string_view what);
  // Complains about the key (or, where it is absent, about its table).
  void complain(const toml::table& table, std::string_view name, std::string_view key, std::string_view message);
  Status status() const;

 private:
  Status override_key(const std::string& key, const std::string& value);
  Status override_in(toml::node& at, std::string_view rest, const std::string& key, const std::string& value);
  void mark(const toml::node& node, const std::string& override_text);
  void complain_at(const toml::node& node, const toml::node& around, const std::string& key, std::string_view message);

  std::string path_;
  toml::table root_;
  std::map<const toml::node*, std::string> overridden_;  // looked up, never walked
  std::optional<Error> error_;
};

// How a value is shown in a complaint: the value itself, or what kind it is.
std::string show_node(const toml::node& node);

}  // namespace xensim::sim
