#include "track/formats/wandb_record.hpp"

#include "track/formats/protobuf.hpp"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <variant>

namespace muon::track::wandb_record {
namespace {

using Writer = protozero::pbf_writer;
using Reader = protozero::pbf_reader;

/// The field of MetricSummary's flag in W&B's message.
std::uint32_t field_of(MetricSummary summary) {
  switch (summary) {
    case MetricSummary::min: return 1;
    case MetricSummary::max: return 2;
    case MetricSummary::mean: return 3;
    case MetricSummary::best: return 4;
    case MetricSummary::last: return 5;
    case MetricSummary::none: return 6;
    case MetricSummary::copy: return 7;
    case MetricSummary::first: return 8;
  }
  throw std::logic_error("not an enumerator of MetricSummary");
}

/// A record of one kind. Its message is written separately, since protozero writes nothing at all
/// for an empty nested message.
std::string record(std::int64_t number, std::uint32_t kind,
                   const std::function<void(Writer&)>& fill) {
  std::string message;
  Writer inner(message);
  fill(inner);
  std::string bytes;
  Writer outer(bytes);
  outer.add_int64(1, number);
  outer.add_message(kind, message);
  return bytes;
}

void add_text(Writer& writer, std::uint32_t field, const std::string& text) {
  if (!text.empty()) writer.add_string(field, text);
}

void add_time(Writer& writer, std::uint32_t field, Time time) {
  const auto since =
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  std::string message;
  Writer timestamp(message);
  timestamp.add_int64(1, since / 1'000'000'000);
  timestamp.add_int32(2, static_cast<std::int32_t>(since % 1'000'000'000));
  writer.add_message(field, message);
}

/// An item with a plain key, as in configs.
void add_item(Writer& writer, std::uint32_t field, const std::string& key,
              const std::string& json) {
  std::string message;
  Writer item(message);
  item.add_string(1, key);
  item.add_string(16, json);
  writer.add_message(field, message);
}

void add_config(Writer& writer, const Object& config) {
  for (const auto& [key, value] : config)
    add_item(writer, 1, key, json_text(value, NonFinite::bare));
}

/// Items with nested keys, as in rows and summaries.
void add_items(Writer& writer, const std::vector<Item>& items) {
  std::string message;
  for (const auto& [path, json] : items) {
    message.clear();
    Writer item(message);
    for (const std::string& name : path) item.add_string(2, name);
    item.add_string(16, json);
    writer.add_message(1, message);
  }
}

Item parse_item(Reader item) {
  Item result;
  while (item.next()) {
    switch (item.tag()) {
      case 1:
      case 2: result.first.push_back(item.get_string()); break;
      case 16: result.second = item.get_string(); break;
      default: item.skip();
    }
  }
  return result;
}

void parse_items(Reader message, Parsed& parsed) {
  while (message.next(1)) parsed.items.push_back(parse_item(message.get_message()));
}

void parse_run(Reader run, Parsed& parsed) {
  while (run.next()) {
    switch (run.tag()) {
      case 1: parsed.id = run.get_string(); break;
      case 3: parsed.project = run.get_string(); break;
      case 4: parse_items(run.get_message(), parsed); break;
      case 8: parsed.name = run.get_string(); break;
      default: run.skip();
    }
  }
}

void parse_history(Reader history, Parsed& parsed) {
  while (history.next()) {
    switch (history.tag()) {
      case 1: parsed.items.push_back(parse_item(history.get_message())); break;
      case 2: {
        Reader step = history.get_message();
        parsed.step = 0;
        while (step.next(1)) parsed.step = step.get_int64();
        break;
      }
      default: history.skip();
    }
  }
}

void parse_message(Reader message, Parsed& parsed) {
  switch (parsed.kind) {
    case history_kind: return parse_history(message, parsed);
    case summary_kind:
    case config_kind: return parse_items(message, parsed);
    case run_kind: return parse_run(message, parsed);
    case exit_kind:
      while (message.next(1)) parsed.exit_code = message.get_int32();
      return;
    default: return;
  }
}

}  // namespace

void add_leaf(std::vector<Item>& items, const Leaf& leaf) {
  const auto* const histogram = std::get_if<Histogram>(&leaf.value->get());
  if (histogram == nullptr) {
    items.emplace_back(leaf.path, json_text(*leaf.value, NonFinite::bare));
    return;
  }
  for (const auto& [part, content] : histogram_object(*histogram)) {
    items.emplace_back(leaf.path, json_text(content, NonFinite::bare));
    items.back().first.push_back(part);
  }
}

std::string header(std::int64_t number, const std::string& producer) {
  return record(number, header_kind, [&](Writer& header) {
    std::string message;
    Writer version(message);
    version.add_string(1, producer);
    header.add_message(1, message);
  });
}

std::string run(std::int64_t number, const RunInfo& info, const std::string& host,
                const Object& config) {
  return record(number, run_kind, [&](Writer& run) {
    run.add_string(1, info.id);
    add_text(run, 2, info.entity);
    add_text(run, 3, info.project);
    std::string message;
    Writer values(message);
    add_config(values, config);
    run.add_message(4, message);
    add_text(run, 6, info.group);
    add_text(run, 7, info.job_type);
    add_text(run, 8, info.name);
    add_text(run, 9, info.notes);
    for (const std::string& tag : info.tags) run.add_string(10, tag);
    add_text(run, 13, host);
    add_time(run, 17, info.start);
  });
}

std::string config(std::int64_t number, const Object& changes) {
  return record(number, config_kind, [&](Writer& config) { add_config(config, changes); });
}

std::string metric(std::int64_t number, const MetricDefinition& metric, bool expanded_from_glob) {
  return record(number, metric_kind, [&](Writer& message) {
    message.add_string(metric.name.ends_with('*') ? 2 : 1, metric.name);
    add_text(message, 4, metric.step_metric);
    std::string options;
    Writer option(options);
    if (!metric.step_metric.empty()) option.add_bool(1, true);
    if (metric.hidden) option.add_bool(2, true);
    option.add_bool(3, true);
    message.add_message(6, options);
    if (metric.summary) {
      std::string summary;
      Writer(summary).add_bool(field_of(*metric.summary), true);
      message.add_message(7, summary);
    }
    if (metric.goal) message.add_enum(8, *metric.goal == MetricGoal::minimize ? 1 : 2);
    if (expanded_from_glob) message.add_bool(10, true);
  });
}

std::string history(std::int64_t number, std::int64_t step, const std::vector<Item>& items) {
  return record(number, history_kind, [&](Writer& history) {
    add_items(history, items);
    std::string message;
    Writer(message).add_int64(1, step);
    history.add_message(2, message);
  });
}

std::string summary(std::int64_t number, const std::vector<Item>& items) {
  return record(number, summary_kind, [&](Writer& summary) { add_items(summary, items); });
}

std::string stats(std::int64_t number, const Row& row) {
  return record(number, 7, [&](Writer& stats) {
    stats.add_enum(1, 0);
    add_time(stats, 2, row.time);
    for (const auto& [key, value] : row.values)
      add_item(stats, 3, key, json_text(value, NonFinite::bare));
  });
}

std::string exit(std::int64_t number, int code, double runtime) {
  return record(number, exit_kind, [&](Writer& exit) {
    exit.add_int32(1, code);
    exit.add_int32(2, static_cast<std::int32_t>(runtime));
  });
}

std::string final(std::int64_t number) {
  return record(number, final_kind, [](Writer&) {});
}

Parsed parse(const std::string& record) {
  Parsed parsed;
  try {
    Reader reader(record);
    while (reader.next()) {
      if (reader.tag() == 1) {
        parsed.number = reader.get_int64();
      } else if (reader.tag() < 200 &&
                 reader.wire_type() == protozero::pbf_wire_type::length_delimited) {
        parsed.kind = reader.tag();
        parse_message(reader.get_message(), parsed);
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception& error) {
    throw std::runtime_error(
        fmt::format("holds a record that is not a message ({})", error.what()));
  }
  return parsed;
}

}  // namespace muon::track::wandb_record
