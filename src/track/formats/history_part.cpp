#include "track/formats/history_part.hpp"

#include "track/formats/event.hpp"
#include "track/formats/fed_bytes.hpp"
#include "track/formats/non_finite.hpp"
#include "track/formats/reserved_names.hpp"
#include "track/formats/tfrecord.hpp"
#include "track/formats/wandb_log.hpp"
#include "track/formats/wandb_record.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace muon::track {
namespace {

using Json = nlohmann::json;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The number in a JSON text, if it is a number. NaN and infinities may be quoted or not.
std::optional<double> number_in(std::string_view json) {
  if (json.size() > 2 && json.front() == '"' && json.back() == '"') {
    json = json.substr(1, json.size() - 2);
    return non_finite_number(json);
  }
  if (const auto number = non_finite_number(json)) return number;
  if (json == "true" || json == "false") return json == "true" ? 1 : 0;
  double value = 0;
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), value);
  if (end != json.data() + json.size()) return std::nullopt;
  // infinite, or nearly 0
  if (error == std::errc::result_out_of_range)
    return std::strtod(std::string(json).c_str(), nullptr);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

/// Discarded if the text is not JSON. Values that are nested absurdly deeply are dropped, since
/// visiting them takes stack.
template <class Text>
Json parse_json(Text begin, Text end) {
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) { return depth <= 64; };
  return Json::parse(begin, end, not_too_deep, /*allow_exceptions=*/false);
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void walk(const Json& json, Path& path, const std::function<void(const Path&, const Json&)>& leaf) {
  for (const auto& [key, value] : json.items()) {
    path.push_back(key);
    if (value.is_object() && !value.empty()) {
      walk(value, path, leaf);
    } else {
      leaf(path, value);
    }
    path.pop_back();
  }
}

class WandbPart : public Part {
 public:
  explicit WandbPart(std::size_t index) : index_(index) {}
  void feed(const std::string& bytes) override { reader_.feed(bytes); }
  bool next(Content& content) override {
    const auto bytes = reader_.next();
    if (!bytes) return false;
    const wandb_record::Parsed record = wandb_record::parse(*bytes);
    if (record.kind == wandb_record::run_kind) {
      content.id = record.id;
      content.project = record.project;
      content.name = record.name;
      content.exit_code.reset();
    }
    if (record.kind == wandb_record::run_kind || record.kind == wandb_record::config_kind) {
      for (const auto& [path, json] : record.items) set_config(content, joined(path), json);
    }
    if (record.kind == wandb_record::exit_kind) content.exit_code = record.exit_code;
    if (record.kind == wandb_record::history_kind) add_row(content, record);
    return true;
  }

 private:
  static void set_config(Content& content, const std::string& name, const std::string& text) {
    const Json json = parse_json(text.begin(), text.end());
    if (!json.is_object() || json.empty()) {
      content.config[name] = text;
      return;
    }
    Path path{name};
    walk(json, path,
         [&](const Path& p, const Json& value) { content.config[joined(p)] = text_of(value); });
  }

  void add_row(Content& content, const wandb_record::Parsed& record) const {
    double time = not_a_number;
    std::int64_t step = record.step.value_or(0);
    for (const auto& [path, json] : record.items) {
      if (path.size() == 1 && path[0] == timestamp_name)
        time = number_in(json).value_or(not_a_number);
    }
    for (const auto& [path, json] : record.items) {
      if (!path.empty()) content.add_json(index_, path, json, step, time);
    }
  }

  std::size_t index_;
  wandb_log::Reader reader_;
};

class EventPart : public Part {
 public:
  explicit EventPart(std::size_t index) : index_(index) {}
  void feed(const std::string& bytes) override { reader_.feed(bytes); }
  bool next(Content& content) override {
    const auto bytes = reader_.next();
    if (!bytes) return false;
    const event::Parsed event = event::parse(*bytes);
    for (const auto& [tag, value] : event.scalars)
      content.add(index_, tag, event.step, value, event.time);
    for (const std::string& tag : event.others) ++content.others[tag];
    for (const auto& [name, json] : event.hparams) content.config[name] = json;
    if (!event.name.empty()) {
      content.name = event.name;
      content.exit_code.reset();
    }
    if (event.session_status != 0) content.exit_code = event.session_status == 1 ? 0 : 1;
    return true;
  }

 private:
  std::size_t index_;
  tfrecord::Reader reader_;
};

class LinesPart : public Part {
 public:
  explicit LinesPart(std::size_t index) : index_(index) {}
  void feed(const std::string& bytes) override { bytes_.feed(bytes); }
  bool next(Content& content) override {
    const std::string_view rest = bytes_.rest();
    const auto end = rest.find('\n', searched_);
    searched_ = end == rest.npos ? rest.size() : 0;
    if (end == rest.npos) return false;
    ++line_;
    const Json json = parse_json(rest.begin(), rest.begin() + end);
    bytes_.consume(end + 1);
    if (!json.is_object())
      throw std::runtime_error(fmt::format("line {} is not a JSON object", line_));
    add_line(content, json);
    return true;
  }

 private:
  static std::string text_at(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  }
  static double number_at(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : not_a_number;
  }

  void add_line(Content& content, const Json& json) const {
    const auto step = json.find(step_name);
    const bool is_row = step != json.end() && step->is_number_integer();
    if (const auto run = json.find("run"); !is_row && run != json.end() && run->is_object()) {
      content.id = text_at(*run, "id");
      content.project = text_at(*run, "project");
      content.name = text_at(*run, "name");
      content.exit_code.reset();
    }
    Path path;
    if (is_row) {
      const double time = number_at(json, timestamp_name);
      walk(json, path, [&](const Path& p, const Json& value) {
        content.add_json(index_, p, text_of(value), step->get<std::int64_t>(), time);
      });
    } else if (const auto config = json.find("config");
               config != json.end() && config->is_object()) {
      content.config.clear();
      walk(*config, path,
           [&](const Path& p, const Json& value) { content.config[joined(p)] = text_of(value); });
    } else if (const auto exit = json.find("exit");
               exit != json.end() && exit->is_number_integer()) {
      content.exit_code = exit->get<int>();
    }
  }

  std::size_t index_;
  FedBytes bytes_;
  std::size_t searched_ = 0;  // bytes that contain no newline
  std::int64_t line_ = 0;
};

}  // namespace

void Content::add(std::size_t file, const std::string& metric, std::int64_t step, double value,
                  double time) {
  Series& points = series[metric];
  const auto [part, is_new] = part_of_.emplace(metric, file);
  if (!is_new && part->second != file) {
    while (!points.steps.empty() && points.steps.back() >= step) {
      points.steps.pop_back();
      points.values.pop_back();
      points.times.pop_back();
    }
    part->second = file;
  }
  points.steps.push_back(step);
  points.values.push_back(value);
  points.times.push_back(time);
}

void Content::add_json(std::size_t file, const Path& path, const std::string& json,
                       std::int64_t step, double time) {
  const std::string& last = path.back();
  if (path.size() == 1 && last.starts_with('_')) return;  // W&B's own
  if (const auto number = number_in(json)) return add(file, joined(path), step, *number, time);
  if ((last == "values" || last == "bins") && json.starts_with('[')) return;  // of a histogram
  ++others[last == "_type" ? joined(Path(path.begin(), path.end() - 1)) : joined(path)];
}

std::unique_ptr<Part> make_part(Format format, std::size_t index) {
  if (format == Format::wandb) return std::make_unique<WandbPart>(index);
  if (format == Format::jsonl) return std::make_unique<LinesPart>(index);
  return std::make_unique<EventPart>(index);
}

}  // namespace muon::track
