// xensim trace info|show|diff|check|export: what a trace file says.
#include <fmt/format.h>

#include <cstdio>
#include <sstream>
#include <streambuf>

#include "sim/cli/commands.h"
#include "sim/run/run.h"
#include "traces/check.h"
#include "traces/describe.h"
#include "traces/diff.h"
#include "traces/show.h"

namespace xensim::sim {

namespace {

using Json = nlohmann::ordered_json;

// A stream whose characters are a command's answer.
class AnswerBuffer : public std::streambuf {
 public:
  explicit AnswerBuffer(Output& output) : output_(output) {}
  ~AnswerBuffer() override { AnswerBuffer::sync(); }

 protected:
  int_type overflow(int_type c) override {
    if (c != traits_type::eof()) text_ += traits_type::to_char_type(c);
    return c;
  }
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    text_.append(text, static_cast<size_t>(size));
    if (text_.size() > 64 * 1024) sync();
    return size;
  }
  int sync() override {
    output_.print_raw(text_);
    text_.clear();
    return 0;
  }

 private:
  Output& output_;
  std::string text_;
};

// d1v0, or 1.0 for short.
Result<VcpuRef> parse_vcpu(const std::string& text) {
  unsigned dom = 0;
  unsigned vcpu = 0;
  int end = 0;
  const bool long_form = std::sscanf(text.c_str(), "d%5uv%5u%n", &dom, &vcpu, &end) == 2;
  const bool good = long_form || (end = 0, std::sscanf(text.c_str(), "%5u.%5u%n", &dom, &vcpu, &end) == 2);
  if (!good || static_cast<size_t>(end) != text.size() || dom > UINT16_MAX) {
    return input_error(fmt::format("--vcpu {}: not a vCPU; one is written d1v0", text));
  }
  return VcpuRef{DomId{static_cast<uint16_t>(dom)}, VcpuId{vcpu}};
}

Result<VirtualNs> parse_limit(const char* option, const std::string& text) {
  const std::optional<VirtualNs> time = traces::parse_time(text);
  if (!time)
    return input_error(fmt::format("{} {}: not a time; one is written 12.345us, 3ms, 1s or 500ns", option, text));
  return *time;
}

class TraceCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("what", what_, "info, show, diff, check or export")
        ->type_name("WHAT")
        ->required()
        ->check(CLI::IsMember({"info", "show", "diff", "check", "export"}));
    app.add_option("trace", paths_, "a trace; diff takes two, check any number")->type_name("TRACE")->required();
    app.add_option("--vcpu", vcpu_, "show, export: what this vCPU (d1v0) and its timers did");
    app.add_option("--kind", kinds_,
                   "show, export: these kinds of event (rmw, kick, ...) or classes (entry, platform, machine)");
    app.add_option("--from", from_, "show, export: from this virtual time on (12.345us)");
    app.add_option("--to", to_, "show, export: up to this virtual time");
    app.add_option("--port", port_, "show, export: calls that touch this event channel");
    app.add_option("--image", image_,
                   "show: the guest's ELF, for symbols, where the trace's own path no longer leads to it");
  }

  Result<Report> run(Output& output) override {
    if (paths_.size() != (what_ == "diff" ? 2 : 1) && what_ != "check") {
      return input_error(fmt::format("trace {} takes {}", what_, what_ == "diff" ? "two traces" : "one trace"));
    }
    if (what_ == "diff") return diff(output);
    if (what_ == "check") return check(output);
    XS_TRY(const traces::ShowFilter chosen, filter());
    XS_TRY(const std::unique_ptr<traces::TraceReader> reader, traces::TraceReader::open(paths_[0]));
    Report report;
    report.seed = reader->info().seed;
    if (what_ == "info") {
      XS_TRY_STATUS(info(*reader, output));
      report.trace_hash = traces::to_string(reader->hash());
    } else {
      XS_TRY_STATUS(events(*reader, chosen, output, report));
    }
    if (!reader->problem().empty()) return failed(FailureKind::kExpectation, reader->problem(), paths_[0]);
    return report;
  }

 private:
  Result<traces::ShowFilter> filter() const {
    traces::ShowFilter chosen;
    chosen.kinds = kinds_;
    if (!vcpu_.empty()) {
      XS_TRY(chosen.vcpu, parse_vcpu(vcpu_));
    }
    if (!from_.empty()) {
      XS_TRY(chosen.from, parse_limit("--from", from_));
    }
    if (!to_.empty()) {
      XS_TRY(chosen.to, parse_limit("--to", to_));
    }
    if (port_) chosen.port = Port{*port_};
    XS_TRY_STATUS(traces::check_filter(chosen));
    return chosen;
  }

  static Status info(traces::TraceReader& reader, Output& output) {
    AnswerBuffer buffer(output);
    std::ostream out(&buffer);
    traces::show_info(reader.info(), out);
    while (reader.next() != nullptr) {
    }
    out << fmt::format("events: {}\nchunks: {}\nbytes: {}\n", reader.events(), reader.chunks(), reader.offset());
    if (!reader.problem().empty()) return {};
    out << fmt::format("trace hash: {}\nresult: {}\n", traces::to_string(reader.hash()), reader.summary().result);
    return {};
  }

  Status events(traces::TraceReader& reader, const traces::ShowFilter& chosen, Output& output, Report& report) {
    if (output.json()) {
      std::stringstream lines;
      traces::export_json_lines(reader, chosen, lines);
      report.items = Json::array();
      for (std::string line; std::getline(lines, line);) report.items->push_back(Json::parse(line));
      return {};
    }
    AnswerBuffer buffer(output);
    std::ostream out(&buffer);
    if (what_ == "export") {
      traces::export_json_lines(reader, chosen, out);
      return {};
    }
    XS_TRY(const traces::Images images, images_for(reader.info(), output));
    traces::show_trace(reader, chosen, images, out);
    return {};
  }

  Result<traces::Images> images_for(const traces::TraceInfo& info, Output& output) const {
    std::vector<std::string> notes;
    traces::Images images;
    if (image_.empty()) {
      images = traces::load_images(info, notes);
    } else {
      for (const traces::ImageInfo& image : info.images) {
        if (images.count(image.dom) != 0) continue;
        XS_TRY(images[image.dom], traces::GuestImage::load(image_));
      }
    }
    if (output.verbose()) {
      for (const std::string& note : notes) output.note(note);
    }
    return images;
  }

  Result<Report> diff(Output& output) const {
    XS_TRY(const traces::TraceComparison comparison, traces::compare_traces(paths_[0], paths_[1]));
    output.print_raw(traces::describe_comparison(comparison, paths_[0], paths_[1]));
    if (comparison.difference) {
      Report report = failed(
          FailureKind::kDivergence,
          fmt::format("event {} differs in {}", comparison.difference->index, comparison.difference->what), paths_[1]);
      report.result = ReportResult::kDiverged;
      return report;
    }
    if (!comparison.problems.empty()) return failed(FailureKind::kExpectation, comparison.problems[0], paths_[0]);
    return Report{};
  }

  Result<Report> check(Output& output) const {
    Report report;
    for (const std::string& path : paths_) {
      XS_TRY(const std::unique_ptr<traces::TraceReader> reader, traces::TraceReader::open(path));
      const traces::TraceCheck found = traces::check_trace(*reader);
      for (const std::string& problem : found.problems) output.print(problem);
      if (!found.problems.empty() && !report.failure)
        report = failed(FailureKind::kExpectation, found.problems[0], path);
      if (!found.problems.empty()) continue;
      output.print(
          fmt::format("{}: whole: {} events in {} chunks, {} bytes, {:.2f} an event, trace hash {}, result {}", path,
                      found.events, found.chunks, found.bytes,
                      found.events == 0 ? 0.0 : static_cast<double>(found.bytes) / static_cast<double>(found.events),
                      traces::to_string(found.hash), found.result));
      if (!report.failure) report.trace_hash = traces::to_string(found.hash);
    }
    return report;
  }

  std::string what_;
  std::vector<std::string> paths_;
  std::string vcpu_, from_, to_, image_;
  std::vector<std::string> kinds_;
  std::optional<uint32_t> port_;
};

}  // namespace

std::unique_ptr<Command> make_trace_command() { return std::make_unique<TraceCommand>(); }

}  // namespace xensim::sim
