#include <muon/track/history.hpp>

#include "event.hpp"
#include "run_files.hpp"
#include "tfrecord.hpp"
#include "wandb_log.hpp"
#include "wandb_record.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <limits>
#include <stdexcept>
#include <utility>

namespace muon::track {
namespace {

using Json = nlohmann::json;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Of a JSON text, with and without quotes around what is not finite.
std::optional<double> number_of(std::string_view json) {
  if (json.size() > 2 && json.front() == '"' && json.back() == '"') {
    json = json.substr(1, json.size() - 2);
    if (json != "NaN" && json != "Infinity" && json != "-Infinity") return std::nullopt;
  }
  if (json == "true" || json == "false") return json == "true" ? 1 : 0;
  if (json == "NaN") return not_a_number;
  if (json == "Infinity") return std::numeric_limits<double>::infinity();
  if (json == "-Infinity") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), value);
  const bool whole = end == json.data() + json.size() && (error == std::errc() || error == std::errc::result_out_of_range);
  return whole ? std::optional(value) : std::nullopt;
}

/// What is read, whatever it was read from.
struct Content {
  std::string id, project, name;
  std::map<std::string, std::string> config;
  std::map<std::string, Series> series;
  std::map<std::string, std::int64_t> others;
  std::optional<int> exit_code;
  std::map<std::string, std::size_t> part_of;  // of a series: the file that added to it last

  /// A later file, that of a run that was resumed, replaces what it repeats.
  void add(std::size_t file, const std::string& name_of_metric, std::int64_t step, double value, double time) {
    Series& metric = series[name_of_metric];
    const auto [part, is_new] = part_of.emplace(name_of_metric, file);
    if (!is_new && part->second != file) {
      while (!metric.steps.empty() && metric.steps.back() >= step) {
        metric.steps.pop_back();
        metric.values.pop_back();
        metric.times.pop_back();
      }
      part->second = file;
    }
    metric.steps.push_back(step);
    metric.values.push_back(value);
    metric.times.push_back(time);
  }

  void add_json(std::size_t file, const Path& path, const std::string& json, std::int64_t step, double time) {
    const std::string& last = path.back();
    if (path.size() == 1 && last.starts_with('_')) return;  // W&B's own
    if (const auto number = number_of(json)) return add(file, joined(path), step, *number, time);
    if ((last == "values" || last == "bins") && json.starts_with('[')) return;  // of a histogram
    ++others[last == "_type" ? joined(Path(path.begin(), path.end() - 1)) : joined(path)];
  }
};

/// One file of a run.
class Part {
 public:
  virtual ~Part() = default;
  virtual void feed(const std::string& bytes) = 0;
  /// The next record into `content`; false if there is none.
  virtual bool next(Content& content) = 0;
};

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
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || json.empty()) {
      content.config[name] = text;
      return;
    }
    for (const auto& [key, value] : json.items())
      set_config(content, name + "/" + key, value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  void add_row(Content& content, const wandb_record::Parsed& record) const {
    double time = not_a_number;
    std::int64_t step = record.step.value_or(0);
    for (const auto& [path, json] : record.items) {
      if (path.size() == 1 && path[0] == "_timestamp") time = number_of(json).value_or(not_a_number);
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
    for (const auto& [tag, value] : event.scalars) content.add(index_, tag, event.step, value, event.time);
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
  void feed(const std::string& bytes) override { bytes_ += bytes; }
  bool next(Content& content) override {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string::npos) {
      bytes_.erase(0, at_);
      at_ = 0;
      return false;
    }
    ++line_;
    const Json json = Json::parse(bytes_.begin() + static_cast<std::ptrdiff_t>(at_),
                                  bytes_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, /*allow_exceptions=*/false);
    at_ = end + 1;
    if (!json.is_object()) throw std::runtime_error(fmt::format("line {} is no JSON object", line_));
    add_line(content, json);
    return true;
  }

 private:
  static std::string text_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  }
  static double number_at(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : not_a_number;
  }

  /// Histograms are leaves.
  static void walk(const Json& json, Path& path, const std::function<void(const Path&, const Json&)>& leaf) {
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

  void add_line(Content& content, const Json& json) const {
    const auto text = [](const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); };
    if (const auto run = json.find("run"); run != json.end() && run->is_object()) {
      content.id = text_of(*run, "id");
      content.project = text_of(*run, "project");
      content.name = text_of(*run, "name");
      content.exit_code.reset();
    }
    Path path;
    if (const auto step = json.find("_step"); step != json.end() && step->is_number_integer()) {
      const double time = number_at(json, "_timestamp");
      walk(json, path,
           [&](const Path& p, const Json& value) { content.add_json(index_, p, text(value), step->get<std::int64_t>(), time); });
    } else if (const auto config = json.find("config"); config != json.end() && config->is_object()) {
      content.config.clear();
      walk(*config, path, [&](const Path& p, const Json& value) { content.config[joined(p)] = text(value); });
    } else if (const auto exit = json.find("exit"); exit != json.end() && exit->is_number_integer()) {
      content.exit_code = exit->get<int>();
    }
  }

  std::size_t index_;
  std::string bytes_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0;
};

std::unique_ptr<Part> make_part(Format format, std::size_t index) {
  if (format == Format::wandb) return std::make_unique<WandbPart>(index);
  if (format == Format::jsonl) return std::make_unique<LinesPart>(index);
  return std::make_unique<EventPart>(index);
}

}  // namespace

struct History::State {
  struct Source {
    GrowingFile file;
    std::unique_ptr<Part> part;
    bool ended = false;  // by damage
  };

  Content content;
  std::vector<Source> sources;
  std::vector<std::string> problems;

  bool read(Source& source) {
    bool any = false;
    try {
      while (!source.ended) {
        const std::string bytes = source.file.read();
        if (bytes.empty()) break;
        any = true;
        source.part->feed(bytes);
        while (source.part->next(content)) {
        }
      }
    } catch (const std::runtime_error& error) {
      source.ended = true;
      problems.push_back(fmt::format("{} {}; what comes after is not read", source.file.path().string(), error.what()));
    }
    return any;
  }
};

History::History(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  const RunFiles found = find_run_files(path);
  for (const auto& file : found.files)
    state_->sources.push_back({GrowingFile(file), make_part(found.format, state_->sources.size()), false});
}

History::~History() = default;
History::History(History&&) noexcept = default;

bool History::read() {
  bool any = false;
  for (auto& source : state_->sources) any = state_->read(source) || any;
  return any;
}

std::string History::id() const { return state_->content.id; }
std::string History::project() const { return state_->content.project; }
std::string History::name() const { return state_->content.name; }
const std::map<std::string, std::string>& History::config() const { return state_->content.config; }
const std::map<std::string, Series>& History::series() const { return state_->content.series; }
const std::map<std::string, std::int64_t>& History::others() const { return state_->content.others; }
std::optional<int> History::exit_code() const { return state_->content.exit_code; }
std::vector<std::string> History::problems() const { return state_->problems; }

std::vector<std::filesystem::path> History::files() const {
  std::vector<std::filesystem::path> files;
  for (const auto& source : state_->sources) files.push_back(source.file.path());
  return files;
}

}  // namespace muon::track
