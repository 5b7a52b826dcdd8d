#include "track/formats/event.hpp"

#include "track/formats/little_endian.hpp"
#include "track/formats/protobuf.hpp"
#include "track/formats/seconds.hpp"
#include "track/formats/value_json.hpp"

#include <cstddef>
#include <functional>
#include <variant>

namespace muon::track::event {
namespace {

using Writer = protozero::pbf_writer;
constexpr const char* start_tag = "_hparams_/session_start_info";
constexpr const char* end_tag = "_hparams_/session_end_info";

std::string message(const std::function<void(Writer&)>& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

/// An event with a summary.
std::string summary_event(double time, std::int64_t step,
                          const std::function<void(Writer&)>& add_values) {
  return message([&](Writer& event) {
    event.add_double(1, time);
    event.add_int64(2, step);
    event.add_message(5, message(add_values));
  });
}

void add_value(Writer& summary, const std::string& tag,
               const std::function<void(Writer&)>& content) {
  summary.add_message(1, message([&](Writer& value) {
                        value.add_string(1, tag);
                        content(value);
                      }));
}

/// SummaryMetadata of a plugin whose values are tensors.
void add_metadata(Writer& value, const char* plugin, const std::string& content) {
  value.add_message(9, message([&](Writer& metadata) {
                      metadata.add_message(1, message([&](Writer& data) {
                                             data.add_string(1, plugin);
                                             if (!content.empty()) data.add_bytes(2, content);
                                           }));
                      metadata.add_enum(4, 2);  // TENSOR
                    }));
}

void add_scalar(Writer& summary, const std::string& tag, double number) {
  add_value(summary, tag, [&](Writer& value) { value.add_float(2, static_cast<float>(number)); });
}

void add_text(Writer& summary, const std::string& tag, const std::string& text) {
  add_value(summary, tag + "/text_summary", [&](Writer& value) {
    add_metadata(value, "text", "");
    value.add_message(8, message([&](Writer& tensor) {
                        tensor.add_enum(1, tensor_string);
                        const std::string one = message([](Writer& dim) { dim.add_int64(1, 1); });
                        tensor.add_message(
                            2, message([&](Writer& shape) { shape.add_message(2, one); }));
                        tensor.add_bytes(8, text);
                      }));
  });
}

/// The sums are computed from the centres of the bins, since the values are not available.
void add_histogram(Writer& summary, const std::string& tag, const Histogram& histogram) {
  if (histogram.counts.empty()) return;
  double count = 0, sum = 0, squares = 0;
  std::vector<double> counts;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const auto n = static_cast<double>(histogram.counts[i]);
    const double middle = 0.5 * histogram.edges[i] + 0.5 * histogram.edges[i + 1];
    counts.push_back(n);
    count += n;
    sum += n * middle;
    squares += n * middle * middle;
  }
  add_value(summary, tag, [&](Writer& value) {
    value.add_message(5, message([&](Writer& histo) {
                        histo.add_double(1, histogram.edges.front());
                        histo.add_double(2, histogram.edges.back());
                        histo.add_double(3, count);
                        histo.add_double(4, sum);
                        histo.add_double(5, squares);
                        histo.add_packed_double(6, histogram.edges.begin() + 1,
                                                histogram.edges.end());
                        histo.add_packed_double(7, counts.begin(), counts.end());
                      }));
  });
}

void add_leaf(Writer& summary, const std::string& tag, const Value& value) {
  const auto number = number_of(value);
  if (number) {
    add_scalar(summary, tag, *number);
  } else if (const auto* const histogram = std::get_if<Histogram>(&value.get())) {
    add_histogram(summary, tag, *histogram);
  } else {
    const auto* const text = std::get_if<std::string>(&value.get());
    add_text(summary, tag, text != nullptr ? *text : json_text(value, NonFinite::bare));
  }
}

/// A google.protobuf.Value; empty if `value` cannot be a hyperparameter.
std::string hyperparameter(const Value& value) {
  return message([&](Writer& out) {
    if (const auto* const boolean = std::get_if<bool>(&value.get())) {
      out.add_bool(4, *boolean);
    } else if (const auto* const text = std::get_if<std::string>(&value.get())) {
      out.add_string(3, *text);
    } else if (const auto number = number_of(value)) {
      out.add_double(2, *number);
    }
  });
}

/// A value of the hparams plugin. It must have a tensor, here an empty one.
void add_hparams(Writer& summary, const char* tag, const std::function<void(Writer&)>& content) {
  add_value(summary, tag, [&](Writer& value) {
    add_metadata(value, "hparams", message(content));
    value.add_message(8, message([](Writer& tensor) {
                        tensor.add_enum(1, tensor_float);
                        const std::string none = message([](Writer& dim) { dim.add_int64(1, 0); });
                        tensor.add_message(
                            2, message([&](Writer& shape) { shape.add_message(2, none); }));
                      }));
  });
}

}  // namespace

std::string version(double time) {
  return message([&](Writer& event) {
    event.add_double(1, time);
    event.add_string(3, "brain.Event:2");
  });
}

std::string row(const Row& row) {
  return summary_event(seconds_since_1970(row.time), row.step, [&](Writer& summary) {
    for (const auto& [path, value] : leaves_of(row.values)) add_leaf(summary, joined(path), *value);
  });
}

std::string session_start(double time, const RunInfo& info, const Object& config) {
  return summary_event(time, 0, [&](Writer& summary) {
    add_hparams(summary, start_tag, [&](Writer& data) {
      data.add_message(3, message([&](Writer& start) {
                         for (const Leaf& leaf : leaves_of(config)) {
                           const std::string content = hyperparameter(*leaf.value);
                           if (content.empty()) continue;
                           start.add_message(1, message([&](Writer& entry) {
                                               entry.add_string(1, joined(leaf.path));
                                               entry.add_message(2, content);
                                             }));
                         }
                         start.add_string(
                             // several runs may have the same name
                             4, info.name.empty() ? info.id : info.name + " " + info.id);
                         start.add_double(5, time);
                       }));
    });
  });
}

std::string session_end(double time, bool success) {
  return summary_event(time, 0, [&](Writer& summary) {
    add_hparams(summary, end_tag, [&](Writer& data) {
      data.add_message(4, message([&](Writer& end) {
                         end.add_enum(1, success ? 1 : 2);
                         end.add_double(2, time);
                       }));
    });
  });
}

}  // namespace muon::track::event
